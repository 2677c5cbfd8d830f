import math

import numpy as np
import pytest
import state
import torch
from looks import tools_of
from texts import Bag, bert, rows, wordpiece
from torch import nn

from reportgen.attribution.base import NotApplicable
from reportgen.attribution.choose import choose
from reportgen.attribution.gradients import integrated_gradients, saliency
from reportgen.attribution.kinds import kind_of, sights
from reportgen.attribution.kinds.text import MOST, Embedded, parts, read
from reportgen.attribution.lime import lime, solve
from reportgen.attribution.methods import suited
from reportgen.attribution.occlusion import occlusion_parts
from reportgen.errors import InputError
from reportgen.experiment import build
from reportgen.vocabulary import Vocabulary


def looks(model, data, count=4, **more):
    experiment = build(model, data=data, **more)
    assert kind_of(experiment) == "text"
    subjects, _ = choose(experiment, count, range(count))
    return experiment, sights(experiment, subjects)


def numbers(*shape):
    return torch.randint(5, 50, shape, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def hugging_face():
    tokenizer = wordpiece()
    return looks(bert(), rows(tokenizer), tokenizer=tokenizer)


# --- what is seen ----------------------------------------------------------------------------------------


def test_vectors_in_their_own_place_give_the_models_own_score(hugging_face):
    experiment, seen = hugging_face
    for sight in seen:
        assert sight.values.shape == (1, 14, 16)
        assert sight.shape == (14,)
        plain = float(sight.score.target.of(experiment.scores(sight.subject.inputs)))
        assert float(sight.score(sight.values)) == pytest.approx(plain, abs=1e-6)


def test_padding_and_special_tokens_are_never_hidden(hugging_face):
    experiment, seen = hugging_face
    sight = next(sight for sight in seen if sight.subject.number == 2)
    ids = sight.subject.values[0].tolist()
    assert sight.parts.numbers.tolist() == [-1, 0, 1, 2, -1, *[-1] * 9]
    assert ids[5:] == [0] * 9
    assert sight.parts.how == "3 words"
    gone = sight.shown((sight.parts.numbers < 0)[None])
    table = experiment.model.get_input_embeddings()
    assert torch.equal(gone, table(torch.tensor([[2, 0, 0, 0, 3, *[0] * 9]])))
    assert torch.equal(gone, sight.baseline.values)
    assert sight.baseline.said == "[PAD] in the place of each token"
    assert torch.equal(sight.other.values, table(torch.tensor([[2, 4, 4, 4, 3, *[0] * 9]])))
    assert sight.other.said == "[MASK] in the place of each token"


def test_parts_are_words(hugging_face):
    experiment, seen = hugging_face
    sight = next(sight for sight in seen if sight.subject.number == 0)
    found = read(experiment, sight.subject.inputs)
    assert found.words == ("the", "players", "were", "playing", "quietly", "in", "the", "garden", ".")
    assert sight.parts.numbers.tolist() == [-1, 0, 1, 1, 2, 3, 3, 4, 4, 5, 6, 7, 8, -1]


def test_long_texts_are_parted_in_stretches_of_whole_words():
    made = parts(Vocabulary().read(list(range(100))), known=False)
    assert (made.count, made.how) == (MOST, "40 stretches of 2 to 3 tokens")
    assert set(np.bincount(made.numbers)) == {2, 3}
    assert parts(Vocabulary().read(list(range(80))), known=True).how == "40 stretches of 2 words"


def test_without_a_known_token_zero_vectors_and_the_mean_stand_for_absence():
    _, (sight,) = looks(Bag(), (numbers(3, 6),), 1)
    table = sight.score.experiment.model.embed.weight
    assert (sight.baseline.said, sight.other.said) == ("zero vectors", "the mean vector of 50 tokens")
    assert not sight.baseline.values.any()
    assert torch.allclose(sight.other.values[0, 3], table.mean(dim=0), atol=1e-6)
    assert sight.parts.how == "6 tokens"


def test_the_padding_of_the_layer_is_known_without_a_tokenizer(docstrings_cnn):
    model, data, _, _ = docstrings_cnn
    _, (sight,) = looks(model, data, 1)
    assert sight.baseline.said == "token 0 in the place of each token"
    assert not sight.baseline.values[0, -1].any()


def test_a_layer_that_reads_the_ids_turned_is_replaced_turned():
    class Turned(Bag):
        def forward(self, ids):
            return self.head((self.embed(ids.T) * torch.arange(1, 7)[:, None, None]).sum(dim=0))

    experiment, (sight,) = looks(Turned(), (numbers(3, 6),), 1)
    assert sight.values.shape == (1, 6, 6)
    both = torch.cat([sight.values, sight.baseline.values])
    expected = experiment.model.head(torch.einsum("nld,l->nd", both, torch.arange(1.0, 7.0)))
    column = sight.subject.target.column
    assert torch.allclose(sight.score(both), expected[:, column], atol=1e-5)


def test_a_layer_that_is_shared_is_replaced_for_the_ids_alone():
    class Shared(Bag):
        def forward(self, ids):
            return super().forward(ids) + self.head(self.embed(torch.full_like(ids, 4))[:, 0])

    experiment, (sight,) = looks(Shared(), (numbers(3, 6),), 1)
    other = experiment.model.head(experiment.model.embed(torch.tensor([4])))
    rest = Bag.forward(experiment.model, sight.subject.values)
    assert torch.allclose(experiment.model(sight.subject.values), rest + other, atol=1e-6)
    zeros = sight.score(torch.zeros_like(sight.values))
    expected = experiment.model.head(torch.zeros(1, 6)) + other
    assert float(zeros) == pytest.approx(float(expected[0, sight.subject.target.column]), abs=1e-6)


def test_nothing_stays_on_the_model_not_even_after_an_error(hugging_face):
    experiment, seen = hugging_face
    before = state.of_model(experiment.model)
    for method in suited("text"):
        method.make(seen[0], tools_of(experiment=experiment))
    feed = Embedded(experiment.embedding)
    with pytest.raises(InputError):
        feed(experiment, seen[0].subject.inputs, torch.zeros(1, 14, 5))
    assert state.of_model(experiment.model) == before


# --- models whose vectors can't be replaced --------------------------------------------------------------


class Twice(Bag):
    """Looks the ids up in a second table too."""

    def __init__(self):
        super().__init__()
        self.more = nn.Embedding(50, 3)

    def forward(self, ids):
        return super().forward(ids) + self.more(ids).sum(dim=1)


class OneHot(Bag):
    def forward(self, ids):
        return self.head(nn.functional.one_hot(ids, 50).float().sum(dim=1) @ self.embed.weight)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Twice, "uses the token ids elsewhere too"),
        (OneHot, "no nn.Embedding of the model reads them as they are"),
        (
            lambda: torch.jit.script(nn.Sequential(nn.Embedding(50, 4), nn.Flatten())),
            "scripted model's layers",
        ),
    ],
)
def test_they_are_explained_by_ids_and_gradients_say_why_not(make, reason):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = make()
    experiment, (sight,) = looks(
        model, (numbers(3, 6),), 1, modality="text", tokenizer=["[PAD]", *map(str, range(49))]
    )
    assert not sight.values.is_floating_point()
    for method in (saliency, integrated_gradients):
        with pytest.raises(NotApplicable, match=reason):
            method(sight, tools_of(experiment=experiment))
    ids = sight.subject.values
    alone = [torch.where(torch.arange(6) == place, 0, ids) for place in range(6)]
    score = sight.subject.target.of
    lost = [float(score(experiment.scores(sight.subject.inputs)) - score(model(one))) for one in alone]
    made = occlusion_parts(sight, tools_of(experiment=experiment))
    assert made.values == pytest.approx(lost, abs=1e-5)
    assert made.baseline == "[PAD] in the place of each token"
    assert np.isfinite(lime(sight, tools_of(experiment=experiment)).values).all()


def test_a_mask_made_of_the_padding_is_no_other_use_of_the_ids(docstrings_cnn):
    model, data, vocabulary, _ = docstrings_cnn
    _, seen = looks(model, data, 3, tokenizer=vocabulary)
    assert all(sight.values.is_floating_point() and not sight.rigid for sight in seen)


# --- what the methods say --------------------------------------------------------------------------------


def of_the_layer(experiment, sight, steps):
    """captum's own attributions of the embedding layer, a number a token."""
    from captum.attr import LayerIntegratedGradients

    model, inputs = experiment.model, sight.subject.inputs
    ids = inputs.kwargs["input_ids"]
    layered = LayerIntegratedGradients(
        lambda ids, mask, kinds: model(input_ids=ids, attention_mask=mask, token_type_ids=kinds).logits,
        model.get_input_embeddings(),
    )
    made = layered.attribute(
        ids,
        torch.where(torch.from_numpy(sight.parts.numbers >= 0), 0, ids),
        target=sight.subject.target.column,
        additional_forward_args=(inputs.kwargs["attention_mask"], inputs.kwargs["token_type_ids"]),
        n_steps=steps,
        method="gausslegendre",
        internal_batch_size=50,
    )
    return made[0].sum(dim=1).detach().numpy()


def test_integrated_gradients_are_captums_of_the_layer_at_the_same_steps(hugging_face, monkeypatch):
    experiment, seen = hugging_face
    for name, value in (("ENDS", (0.0, 1.0)), ("PER_STRETCH", 50), ("COMPLETE", math.inf)):
        monkeypatch.setattr(f"reportgen.attribution.gradients.{name}", value)
    for sight in seen[:2]:
        made = integrated_gradients(sight, tools_of(experiment=experiment))
        assert made.values == pytest.approx(of_the_layer(experiment, sight, 50), abs=1e-5)


def test_integrated_gradients_of_few_steps_come_near_captums_of_many(hugging_face):
    experiment, seen = hugging_face
    for sight in seen[:2]:
        exact = of_the_layer(experiment, sight, 500)
        made = integrated_gradients(sight, tools_of(experiment=experiment))
        assert made.values == pytest.approx(exact, abs=0.02 * float(abs(exact).max()))


def test_they_add_up_on_a_trained_network(docstrings_cnn):
    model, data, vocabulary, names = docstrings_cnn
    experiment, seen = looks(model, data, 6, tokenizer=vocabulary, class_names=names)
    for sight in seen:
        made = integrated_gradients(sight, tools_of(experiment=experiment))
        high, low = sight.score.numbers(torch.cat([sight.values, sight.baseline.values]), 2)
        assert made.values.sum() == pytest.approx(high - low, rel=0.02, abs=0.02)


def test_a_token_that_the_model_ignores_counts_nothing():
    experiment, (sight,) = looks(Bag(), (numbers(3, 6),), 1)
    odd = np.arange(6) % 2 == 1
    for method in (saliency, integrated_gradients, occlusion_parts):
        values = method(sight, tools_of(experiment=experiment)).values
        assert values[odd] == pytest.approx(0, abs=1e-6), method
        assert (np.abs(values[~odd]) > 1e-4).all(), method
    values = np.abs(lime(sight, tools_of(experiment=experiment)).values)
    assert values[odd].max() < values[~odd].max() / 3


def test_occlusion_is_the_score_without_each_word(hugging_face):
    experiment, seen = hugging_face
    sight = next(sight for sight in seen if sight.subject.number == 0)
    inputs = sight.subject.inputs
    made = occlusion_parts(sight, tools_of(experiment=experiment))
    without = inputs.kwargs["input_ids"].clone()
    without[0, 2:4] = 0  # play ##ers
    score = sight.subject.target.of
    expected = float(
        score(experiment.scores(inputs)) - score(experiment.scores(inputs.with_primary(without)))
    )
    assert made.values[2:4] == pytest.approx([expected, expected], abs=1e-5)
    assert made.values[0] == made.values[-1] == 0


def test_lime_is_limes_own_on_the_same_words(docstrings_cnn):
    """LimeTextExplainer draws its masks; both see the same texts, and fit the same numbers."""
    from lime.lime_text import LimeTextExplainer

    model, data, vocabulary, names = docstrings_cnn
    _, (sight,) = looks(model, data, 1, tokenizer=vocabulary, class_names=names)
    words = [f"w{place}" for place in range(sight.parts.count)]
    column, drawn, scored = sight.subject.target.column, [], []

    def classify(texts):
        masks = np.array([[word in text.split() for word in words] for text in texts])
        scores = sight.hidden(masks, 64)
        drawn.append(masks)
        scored.append(scores)
        return np.stack([scores if at == column else 0 * scores for at in range(len(names))], axis=1)

    explainer = LimeTextExplainer(feature_selection="none", random_state=0)
    theirs = explainer.explain_instance(
        " ".join(words), classify, labels=(column,), num_features=len(words), num_samples=300
    )
    ours, r2 = solve(drawn[0].astype(int), scored[0])
    by_word = {
        theirs.domain_mapper.indexed_string.word(at): weight for at, weight in theirs.local_exp[column]
    }
    assert ours == pytest.approx([by_word[word] for word in words], abs=1e-6)
    assert r2 == pytest.approx(theirs.score, abs=1e-6)


def test_a_text_of_marks_alone_has_no_part_to_hide(hugging_face):
    experiment, _ = hugging_face
    sample = {"input_ids": torch.tensor([2, 3, 0]), "attention_mask": torch.tensor([1, 1, 0])}
    _, (sight,) = looks(experiment.model, [sample], 1, tokenizer=wordpiece())
    for method in (lime, occlusion_parts):
        with pytest.raises(NotApplicable, match="no part that may be hidden"):
            method(sight, tools_of(experiment=experiment))
