import re

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

METHODS = [
    "LIME", "KernelShap", "GradientShap", "Saliency", "SmoothGrad", "Input × gradient", "Integrated Gradients",
    "Occlusion",
]  # fmt: skip
WORDS = "Words that count over the samples"


def tokens_of(section):
    return [block for block in section.blocks if block.kind == "tokens"]


def titled(section, title):
    return next((block for block in section.blocks if block.title == title), None)


def by_method(section):
    """The one sample's blocks, each by its method."""
    return {block.title.partition(", ")[2]: block for block in tokens_of(section)}


def cells_of(table):
    """Its rows, the cells of each by the names of their columns."""
    names = [column.name for column in table.columns]
    return [dict(zip(names, row.cells, strict=True)) for row in table.rows]


@pytest.fixture(scope="module")
def trained(docstrings_cnn):
    model, data, vocabulary, names = docstrings_cnn
    experiment = build(model, data=data, tokenizer=vocabulary, class_names=names)
    return experiment, explanations(experiment, Options(samples=5))


def test_each_sample_has_its_text_under_every_method_and_what_the_model_says_of_it(trained):
    experiment, section = trained
    blocks = tokens_of(section)
    assert [block.title.partition(", ")[2] for block in blocks] == METHODS * 5
    for start in range(0, len(blocks), len(METHODS)):
        group = blocks[start : start + len(METHODS)]
        assert len({(block.choice, block.tokens) for block in group}) == 1
    number = int(blocks[0].title.split()[1].rstrip(","))
    batch = experiment.batch([number])
    words = [experiment.token_name(token) for token in batch.inputs.primary[0].tolist() if token]
    assert [token.strip() for token in blocks[0].tokens] == words
    sure, best = experiment.predictions.probabilities[number].max(dim=0)
    true, predicted = (experiment.class_name(int(label)) for label in (batch.targets[0], best))
    assert f"true {true}, predicted {predicted} ({float(sure):.2f})" in blocks[0].choice


def test_a_caption_says_method_target_baseline_perturbations_seed_and_seconds(trained):
    experiment, section = trained
    limes = [block for block in tokens_of(section) if block.title.endswith(", LIME")]
    lines = [line for line in cells_of(titled(section, "Each explanation")) if line["Method"] == "LIME"]
    again = tokens_of(explanations(experiment, Options(samples=5, timed=False)))[:: len(METHODS)]
    for block, line, untimed in zip(limes, lines, again, strict=True):
        start = re.match(
            rf"LIME of the score of {line['Target']}: 2 × (\d+) perturbations of 12 words, "
            r"(until|the budget, before) the values settled against \[PAD\] in the place of each token, seed 0",
            block.caption,
        )
        assert 2 * int(start[1]) == line["Evaluations"]
        end = f". 12 tokens; colours to ±{max(map(abs, block.weights)):.3g}."
        assert re.fullmatch(r", [\d.]+ m?s", block.caption[start.end() :].removesuffix(end))
        assert untimed.caption == start[0] + end


def test_the_same_seed_gives_the_same_bytes(trained):
    experiment, _ = trained
    options = Options(samples=3, timed=False)
    one, other = (explanations(experiment, options).model_dump_json() for _ in range(2))
    assert one == other


def test_words_are_counted_over_the_samples(trained):
    _, section = trained
    table = titled(section, WORDS)
    signed = [name for name in METHODS if name not in ("Saliency", "SmoothGrad")]
    assert [column.name for column in table.columns] == [
        "Word", "Samples", "Times", *(f"{name}, {what}" for name in signed for what in ("mean", "mean size")),
    ]  # fmt: skip
    found: dict[str, list[tuple[str, float]]] = {}
    for block in tokens_of(section):
        if block.title.endswith("Integrated Gradients"):
            for token, weight in zip(block.tokens, block.weights, strict=True):
                found.setdefault(plain(token.strip()), []).append((block.title, weight))
    for line in cells_of(table):
        word, name = line["Word"], "Integrated Gradients"
        weights = [weight for _, weight in found[word]]
        assert (line["Samples"], line["Times"]) == (len({title for title, _ in found[word]}), len(weights))
        assert line[f"{name}, mean"] == pytest.approx(np.mean(weights), rel=1e-3)
        assert line[f"{name}, mean size"] == pytest.approx(np.abs(weights).mean(), rel=1e-3)
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
    blocks = by_method(section)
    assert list(blocks) == METHODS
    integrated, occlusion = blocks["Integrated Gradients"], blocks["Occlusion"]
    assert blocks["LIME"].tokens == ("no", " man", " is", " an", " island")
    assert "5 words" in integrated.caption
    lines = {line["Method"]: line for line in cells_of(titled(section, "Each explanation"))}
    assert sum(integrated.weights) == pytest.approx(
        lines["Integrated Gradients"]["f(x) - f(baseline)"], abs=2e-3
    )
    scores = experiment.scores(experiment.require_forward())[0]
    without = ids.clone()
    without[0, 2:6] = 0  # " man"
    zeros = model.embed.weight[0].detach().clone()
    changed = experiment.scores(experiment.require_forward().with_primary(without))[0]
    best = int(scores.argmax())
    assert zeros.any()
    assert occlusion.weights[1] == pytest.approx((scores[best] - changed[best]).item(), abs=1e-5)
    assert all(weight >= 0 for weight in blocks["Saliency"].weights)


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
    for name in ("Saliency", "Integrated Gradients"):
        assert sum(weight != 0 for weight in by_method(section)[name].weights) == 10


def test_what_could_not_be_made_is_said_once():
    class OneHot(Bag):
        def forward(self, ids):
            return self.head(nn.functional.one_hot(ids, 50).float().sum(dim=1) @ self.embed.weight)

    ids = torch.randint(0, 50, (6, 7), generator=torch.Generator().manual_seed(0))
    section = explanations(build(OneHot(), data=(ids,), modality="text"), Options(samples=4))
    hiding = ["LIME", "KernelShap", "Occlusion"]
    assert [block.title.partition(", ")[2] for block in tokens_of(section)] == hiding * 4
    assert titled(section, "What could not be made").text == (
        "GradientShap, Saliency, SmoothGrad, Input × gradient, Integrated Gradients (all samples): "
        "token ids have no gradient, and no nn.Embedding of the model reads them as they are."
    )


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
    assert [block.title for block in section.blocks] == [
        "Weights: distributions", "Weights: all tensors", "Activations: distributions", "Activations: all layers",
        "Gradients: distributions", "Gradients: all tensors", "Units that stay zero", "Embedding",
        "Embedding by t-SNE", "How far to trust the planes", "Mean activation by class", "What excites units",
        "Token embeddings: embed", "Nearest tokens: embed", "Lengths of token vectors: embed", "What is not shown",
    ]  # fmt: skip
    assert section.block("units-that-stay-zero").rows[0].cells[:2] == ("conv", 24)
    assert "coloured by true class" in section.block("embedding").caption
    missed = section.block("what-is-not-shown").text
    for part in ("Embedding embed, whose weights are no picture", "no 2-D convolution runs"):
        assert part in missed
