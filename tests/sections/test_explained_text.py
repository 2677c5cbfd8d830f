import numpy as np
import pytest
import state
import torch
from texts import Bag, bert, rows, wordpiece
from torch import nn

import reportgen
from reportgen.experiment import Options, build
from reportgen.sections._explained_text import LONGEST
from reportgen.sections._words import plain
from reportgen.sections.explanations import explanations
from reportgen.sections.features import features

METHODS = ["LIME", "Saliency", "Integrated Gradients", "Occlusion"]
WORDS = "Words that count over the samples"


def tokens_of(section):
    return [block for block in section.blocks if block.kind == "tokens"]


def titled(section, title):
    return next((block for block in section.blocks if block.title == title), None)


@pytest.fixture(scope="module")
def trained(docstrings_cnn):
    model, data, vocabulary, names = docstrings_cnn
    experiment = build(model, data=data, tokenizer=vocabulary, class_names=names)
    return experiment, explanations(experiment, Options(samples=5))


def test_each_sample_has_its_text_under_every_method_and_what_the_model_says_of_it(trained):
    experiment, section = trained
    blocks = tokens_of(section)
    assert [block.title.partition(", ")[2] for block in blocks] == METHODS * 5
    for start in range(0, 20, 4):
        group = blocks[start : start + 4]
        assert len({(block.group, block.tokens) for block in group}) == 1
    number = int(blocks[0].title.split()[1].rstrip(","))
    batch = experiment.batch([number])
    words = [experiment.token_name(token) for token in batch.inputs.primary[0].tolist() if token]
    assert [token.strip() for token in blocks[0].tokens] == words
    sure, best = experiment.predictions.probabilities[number].max(dim=0)
    true, predicted = (experiment.class_name(int(label)) for label in (batch.targets[0], best))
    assert f"true {true}, predicted {predicted} ({float(sure):.2f})" in blocks[0].group


def test_a_caption_says_method_target_baseline_perturbations_seed_and_seconds(trained, monkeypatch):
    experiment, section = trained
    lime = tokens_of(section)[0].caption
    target = next(name for name in experiment.class_names if f"of the score of {name}:" in lime)
    start = f"LIME of the score of {target}: 2 × 120 perturbations of 12 words against [PAD] in the place of each token"
    assert lime.startswith(f"{start}, seed 0, ")
    assert lime.endswith(f"s. 12 tokens; colours to ±{max(map(abs, tokens_of(section)[0].weights)):.3g}.")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    again = tokens_of(explanations(experiment, Options(samples=5)))[0].caption
    assert again.startswith(f"{start}, seed 0. 12 tokens")


def test_the_same_seed_gives_the_same_bytes(trained, monkeypatch):
    experiment, _ = trained
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    one, other = (explanations(experiment, Options(samples=3)).model_dump_json() for _ in range(2))
    assert one == other


def test_words_are_counted_over_the_samples(trained):
    _, section = trained
    table = titled(section, WORDS)
    assert [column.name for column in table.columns][:5] == [
        "Word", "Samples", "Times", "LIME, mean", "LIME, mean size",
    ]  # fmt: skip
    found: dict[str, list[tuple[str, float]]] = {}
    for block in tokens_of(section):
        if block.title.endswith("Integrated Gradients"):
            for token, weight in zip(block.tokens, block.weights, strict=True):
                found.setdefault(plain(token.strip()), []).append((block.title, weight))
    for row in table.rows:
        word, samples, times, *_ = row.cells
        weights = [weight for _, weight in found[word]]
        assert (samples, times) == (len({title for title, _ in found[word]}), len(weights))
        assert row.cells[5:7] == pytest.approx((np.mean(weights), np.abs(weights).mean()), rel=1e-3)
    sums = [sum(abs(weight) for _, weight in found[row.cells[0]]) for row in table.rows]
    assert sums == sorted(sums, reverse=True)
    assert table.total == len(found)


def test_fewer_than_four_samples_make_no_such_table(trained):
    experiment, _ = trained
    assert titled(explanations(experiment, Options(samples=3)), WORDS) is None


def test_words_are_compared_without_capitals_and_marks():
    assert [plain(word) for word in ("The", "“the,", "---", "O'Neil!", "ที่", "(नहीं)")] == [
        "the", "the", "---", "o'neil", "ที่", "नहीं",
    ]  # fmt: skip


def test_characters_are_shown_in_words_whose_weights_add_up():
    text, letters = "no man is an island", ["PAD", *sorted(set("no man is an island"))]
    ids = torch.tensor([[letters.index(letter) for letter in text] + [0, 0]])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Bag(len(letters))
    experiment = build(model, example_inputs=ids, tokenizer=letters)
    section = explanations(experiment, Options(samples=1))
    lime, saliency, integrated, occlusion = tokens_of(section)
    assert lime.tokens == ("no", " man", " is", " an", " island")
    assert "5 words" in integrated.caption
    row = titled(section, "How far to trust them").rows[0]
    assert sum(integrated.weights) == pytest.approx(row.cells[4], abs=2e-3)
    scores = experiment.scores(experiment.require_forward())[0]
    without = ids.clone()
    without[0, 2:6] = 0  # " man"
    zeros = model.embed.weight[0].detach().clone()
    changed = experiment.scores(experiment.require_forward().with_primary(without))[0]
    best = int(scores.argmax())
    assert zeros.any()
    assert occlusion.weights[1] == pytest.approx(float(scores[best] - changed[best]), abs=1e-5)
    assert all(weight >= 0 for weight in saliency.weights)


def test_a_long_text_is_cut_to_where_the_weights_are():
    class Late(Bag):
        def forward(self, ids):
            return self.head(self.embed(ids)[:, 400:410].sum(dim=1))

    ids = torch.randint(0, 50, (1, 600), generator=torch.Generator().manual_seed(0))
    section = explanations(build(Late(), example_inputs=ids), Options(samples=1))
    for block in tokens_of(section):
        assert len(block.tokens) == len(block.weights) == LONGEST + 2
        assert (block.tokens[0], block.tokens[-1]) == ("… ", " …")
        assert "of 600;" in block.caption
    assert sum(weight != 0 for weight in tokens_of(section)[2].weights) == 10


def test_what_could_not_be_made_is_said_once():
    class OneHot(Bag):
        def forward(self, ids):
            return self.head(nn.functional.one_hot(ids, 50).float().sum(dim=1) @ self.embed.weight)

    ids = torch.randint(0, 50, (6, 7), generator=torch.Generator().manual_seed(0))
    section = explanations(build(OneHot(), data=(ids,), modality="text"), Options(samples=4))
    assert [block.title.partition(", ")[2] for block in tokens_of(section)] == ["LIME", "Occlusion"] * 4
    reason = (
        "token ids have no gradient, and no nn.Embedding of the model reads them as they are (all samples)."
    )
    said = titled(section, "What could not be made").text
    assert said == f"Saliency: {reason}\n\nIntegrated Gradients: {reason}"


HOSTILE = [
    "<script>alert(1)</script>",
    "\x1b[31m",
    "\u202eevil",
    "a" * 5000,
    "\n\n",
    "",
    "\ud800",
    "&amp;",
    "{{7*7}}",
]


def test_hostile_tokens_make_a_page_of_text(tmp_path):
    ids = torch.arange(10).repeat(4, 1)
    labels = torch.tensor([0, 1, 2, 0])
    report = reportgen.collect(Bag(10), data=(ids, labels), tokenizer=["[PAD]", *HOSTILE], samples=4)
    assert not report.failed
    page = report.save(tmp_path / "report.html").read_text("utf-8")
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert (
        max(len(token) for block in tokens_of(report.section("explanations")) for token in block.tokens) <= 70
    )


def test_hugging_face_models_and_their_loaders_fill_every_section():
    tokenizer, model = wordpiece(), bert()
    before = state.of_model(model)
    data = torch.utils.data.DataLoader(rows(tokenizer), batch_size=2, shuffle=True)
    report = reportgen.collect(model, data=data, tokenizer=tokenizer, samples=4)
    assert not report.failed
    section = report.section("explanations")
    assert [block.title.partition(", ")[2] for block in tokens_of(section)] == METHODS * 4
    arabic = next(block for block in tokens_of(section) if block.title == "Sample 2, LIME")
    assert arabic.tokens == (" [CLS]", " المساواة", " في", " الحقوق", " [SEP]")
    assert report.section("features").block("embedding") is not None
    assert state.of_model(model) == before


def test_features_of_a_text_model_are_shown_or_missed_in_words(docstrings_cnn):
    model, data, vocabulary, names = docstrings_cnn
    section = features(build(model, data=data, tokenizer=vocabulary, class_names=names), Options())
    assert [block.kind for block in section.blocks] == ["table", "scatter", "text"]
    assert section.block("units-that-stay-zero").rows[0].cells[:2] == ("conv", 24)
    assert "coloured by true class" in section.block("embedding").caption
    assert "Embedding embed, whose weights are no picture" in section.block("what-is-not-shown").text
