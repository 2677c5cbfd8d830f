import numpy as np
import pytest
import torch
from networks import pixel_tokens
from sklearn.metrics.pairwise import cosine_similarity
from torch import nn

from reportgen.experiment import Options, build
from reportgen.features.tokens import neighbours, vocabulary
from reportgen.sections._survey import Made
from reportgen.sections._tokens import token_embeddings


@pytest.fixture(scope="module")
def pixels():
    return pixel_tokens()


def look(model, **given):
    made = Made()
    token_embeddings(build(model, **given), Options(), made)
    return made


def test_the_tokens_are_counted_as_they_are_read(pixels):
    model, data = pixels
    words = vocabulary(build(model, data=data))
    expected = np.bincount(data.tensors[0].reshape(-1).numpy(), minlength=1089)
    assert np.array_equal(words.counts, expected)
    assert words.samples == 497
    assert words.common[:3].tolist() == np.argsort(-expected, kind="stable")[:3].tolist()
    assert words.norms == pytest.approx(model.tokens.weight.detach().norm(dim=1).numpy(), rel=1e-6)


def test_the_nearest_tokens_are_those_of_scikit_learn(pixels):
    model, data = pixels
    words = vocabulary(build(model, data=data))
    cosines = cosine_similarity(words.vectors)
    np.fill_diagonal(cosines, -2)
    for row in (0, 1, 7):
        found = neighbours(words.vectors, row, 3)
        assert [at for at, _ in found] == np.argsort(-cosines[row])[:3].tolist()
        assert [value for _, value in found] == pytest.approx(np.sort(cosines[row])[::-1][:3].tolist())


def test_a_vector_of_length_zero_has_no_neighbours_and_is_none():
    vectors = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    assert neighbours(vectors, 0, 2) == []
    assert neighbours(vectors, 1, 2) == [(2, pytest.approx(0.5**0.5))]


def test_padding_and_what_a_mask_hides_are_not_counted():
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(9, 4, padding_idx=0)
            self.head = nn.Linear(4, 2)

        def forward(self, input_ids, attention_mask):
            return self.head((self.words(input_ids) * attention_mask[..., None]).sum(dim=1))

    row = {"input_ids": torch.tensor([3, 4, 5, 8, 0]), "attention_mask": torch.tensor([1, 1, 1, 0, 0])}
    other = {"input_ids": torch.tensor([3, 4, 0, 0, 0]), "attention_mask": torch.tensor([1, 1, 1, 0, 0])}
    words = vocabulary(build(Masked().eval(), data=[row, other]))
    assert words.counts.tolist() == [0, 0, 0, 2, 2, 1, 0, 0, 0]
    made = look(Masked().eval(), data=[row, other])
    assert made.said == ["62.5 % of 8 tokens never occur in all 2 samples"]
    assert "padding (token 0) is not counted" in made.blocks[0].caption


def test_padding_that_only_the_tokenizer_knows_is_not_counted_either():
    model = nn.Sequential(nn.Embedding(6, 3), nn.Flatten(), nn.Linear(12, 2)).eval()
    data = torch.tensor([[2, 3, 0, 0], [4, 5, 3, 0], [2, 0, 0, 0]])
    words = {"<pad>": 0, "<unk>": 1, "good": 2, "bad": 3, "film": 4, "plot": 5}
    made = look(model, data=data, tokenizer=words)
    assert [row.cells[:2] for row in made.blocks[1].rows][:2] == [("good", 2), ("bad", 2)]
    assert "4 of 5 tokens of 0 occur" in made.blocks[0].caption
    assert "padding (<pad>) is not counted" in made.blocks[0].caption


def test_vectors_are_as_long_as_the_model_reads_them():
    model = nn.Sequential(nn.Embedding(5, 3, max_norm=0.1), nn.Flatten(), nn.Linear(6, 2)).eval()
    before = model[0].weight.detach().norm(dim=1).tolist()
    words = vocabulary(build(model, data=(torch.tensor([[0, 1], [2, 1]]),)))
    assert words.norms.tolist() == pytest.approx([0.1, 0.1, 0.1, *before[3:]], rel=1e-4)


def test_the_blocks_name_the_commonest_and_count_the_never_seen(pixels):
    model, data = pixels
    made = look(model, data=data)
    plane, near, lengths = made.blocks
    assert len(plane.x) == 200
    assert plane.groups[-1] == "191 further tokens"
    assert plane.member[:10] == (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
    seen = len(data.tensors[0].unique())
    assert f"{seen} of 1,088 tokens of tokens occur in all 497 samples" in plane.caption
    assert near.rows[0].cells[1] == 497
    assert len(near.rows) == 10
    occurring, never = (sum(one.counts) for one in lengths.histograms)
    assert (occurring, never) == (seen, 1088 - seen)


def test_names_of_tokens_are_the_experiments(pixels):
    model, data = pixels
    experiment = build(model, data=data)
    experiment.token_name = lambda token: f"<{token}>"
    made = Made()
    token_embeddings(experiment, Options(), made)
    assert made.blocks[1].rows[0].cells[0].startswith("<")


def test_models_that_begin_otherwise_say_nothing(digits_cnn):
    assert look(digits_cnn[0], data=digits_cnn[1]) == Made()
