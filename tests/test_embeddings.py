import pytest
import state
import torch
from texts import Bag, bert, rows, wordpiece
from torch import nn
from torch.utils.data import DataLoader

from reportgen.experiment import build

IDS = torch.randint(0, 20, (9, 5), generator=torch.Generator().manual_seed(0))


class Lookup(nn.Module):
    """Reads ids in the way that `how` says."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.embed, self.head = how, nn.Embedding(20, 4), nn.Linear(4, 3)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        if self.how == "turned":
            return self.head(self.embed(ids.T).mean(dim=0))
        if self.how == "function":
            return self.head(nn.functional.embedding(ids, self.embed.weight).mean(dim=1))
        if self.how == "columns":
            return self.head(self.embed(ids[:, 0]) + self.embed(ids[:, 1]))
        if self.how == "numbers":
            return self.head(ids[:, :4].float())
        return self.head(self.embed(ids).mean(dim=1))


def modality(model, data=(IDS, IDS[:, 0] % 3), **more):
    experiment = build(model, data=data, **more)
    note = next((fact.note for fact in experiment.inferred if fact.label == "Modality"), "")
    return experiment.modality, experiment.embedding, note


def test_whole_numbers_that_an_embedding_reads_are_text():
    assert modality(Lookup("rows"))[:2] == ("text", "embed")
    assert modality(Lookup("turned"))[:2] == ("text", "embed")
    assert "the nn.Embedding embed turns into vectors" in modality(Lookup("rows"))[2]


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_text_is_seen_where_no_layer_can_be():
    plain = Lookup("rows").eval()
    program = torch.export.export(plain, (IDS[:1],))
    for model in (Lookup("function"), torch.jit.script(plain), program):
        assert modality(model)[:2] == ("text", None)
    assert "looks up in a table of vectors" in modality(Lookup("function"))[2]


@pytest.mark.parametrize("how", ["columns", "numbers"])
def test_rows_of_whole_numbers_that_are_not_looked_up_are_no_text(how):
    kind, path, note = modality(Lookup(how))
    assert (kind, path) == ("", None)
    assert note == "the input is int64 (1, 5), but no embedding looks whole rows of it up, so it is no text"


def test_a_tokenizer_says_that_it_is_text():
    kind, _, note = modality(Lookup("numbers"), tokenizer=list("abcdefghijklmnopqrst"))
    assert (kind, note) == ("text", "the input is int64 (1, 5), and a tokenizer was given")


def test_a_hugging_face_model_is_read_by_its_input_ids_wherever_they_stand():
    tokenizer = wordpiece()
    data = DataLoader(rows(tokenizer), batch_size=2)
    experiment = build(bert(), data=data, tokenizer=tokenizer)
    assert (experiment.modality, experiment.task) == ("text", "classification")
    assert experiment.embedding == "bert.embeddings.word_embeddings"
    inputs = experiment.batch([1]).inputs
    assert next(iter(inputs.kwargs)) == "attention_mask"
    assert torch.equal(inputs.primary, inputs.kwargs["input_ids"])
    moved = inputs.with_primary(torch.zeros(3, 14, dtype=torch.long))
    assert moved.kwargs["input_ids"].shape == moved.kwargs["attention_mask"].shape == (3, 14)
    assert not moved.kwargs["input_ids"].any()
    assert moved.kwargs["attention_mask"].all()
    assert experiment.token_name(7) == "##ers"


def test_the_look_leaves_the_model_as_it_was():
    model = Bag()
    before = state.of_model(model)
    build(model, data=(IDS,))
    assert state.of_model(model) == before


def test_a_model_that_is_itself_the_embedding_is_named_by_its_class():
    kind, path, note = modality(nn.Embedding(20, 4), data=(IDS,))
    assert (kind, path) == ("text", "")
    assert "the nn.Embedding Embedding turns" in note
