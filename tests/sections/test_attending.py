import numpy as np
import pytest
import torch
from networks import digits, rows_transformer
from torch import nn
from torch.nn import functional
from transformers import BertConfig, BertForSequenceClassification, ViTConfig, ViTForImageClassification

from reportgen.experiment import Options, build
from reportgen.features.attention import attention, rollout
from reportgen.report import Section
from reportgen.sections._attention import attention_maps
from reportgen.sections._survey import Made
from reportgen.sections.features import features


def look(experiment):
    made = Made()
    attention_maps(experiment, Options(), made)
    return made


@pytest.fixture(scope="module")
def rows():
    model, data = rows_transformer()
    return build(model, data=data)


def test_heads_and_rollout_of_two_samples(rows):
    made = look(rows)
    assert [block.title for block in made.blocks] == [
        "Attention heads, sample 0",
        "encoder.layers.1.self_attn, head 0, sample 0",
        "encoder.layers.1.self_attn, head 1, sample 0",
        "Attention rollout, sample 0",
        "Attention heads, sample 248",
        "Attention rollout, sample 248",
    ]
    assert made.said == ["2 attention layers of 2 heads"]
    found = attention(rows, rows.batch([0]).inputs)
    heads, one, _, rolled, *_ = made.blocks
    assert (heads.columns, heads.row_titles) == (2, tuple(layer.name for layer in found))
    limit = heads.pictures[1].map.limit
    assert heads.pictures[1].map.to_array() == pytest.approx(found[0].weights[1], abs=limit / 250)
    assert np.array(one.values) == pytest.approx(found[1].weights[0], abs=6e-4)
    assert np.array(rolled.values) == pytest.approx(rollout([x.weights for x in found]), abs=6e-4)
    assert "how information mixes, not why the model decided" in rolled.caption


def test_padding_is_cut_and_tokens_have_their_names():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    inputs = {
        "input_ids": torch.tensor([[2, 7, 9, 0, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1, 0, 0]]),
    }
    experiment = build(BertForSequenceClassification(config).eval(), example_inputs=inputs)
    experiment.token_name = {2: "[CLS]", 7: "good", 9: "film"}.__getitem__
    made = look(experiment)
    assert made.blocks[-1].row_labels == ("[CLS]", "good", "film")
    assert np.array(made.blocks[-1].values).sum(axis=1) == pytest.approx(1, abs=3e-3)


class Masked(nn.Module):
    """Attends to the places that its mask names."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(30, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, input_ids, attention_mask):
        x = self.embedding(input_ids)
        y, _ = self.attention(x, x, x, key_padding_mask=attention_mask == 0)
        return self.head((x + y)[:, -1])


@pytest.mark.parametrize("left", [True, False])
def test_padding_on_either_side_is_cut_from_heads_and_rollout(left):
    torch.manual_seed(0)
    words, padding = list(range(11, 17)), [0] * 6
    inputs = {
        "input_ids": torch.tensor([padding + words if left else words + padding]),
        "attention_mask": torch.tensor([[0] * 6 + [1] * 6 if left else [1] * 6 + [0] * 6]),
    }
    experiment = build(Masked().eval(), example_inputs=inputs)
    heads, first, second, rolled = look(experiment).blocks
    real = slice(6, 12) if left else slice(0, 6)
    (layer,) = attention(experiment, experiment.example)
    for block in (first, second, rolled):
        assert block.row_labels == block.column_labels == tuple(f"token {word}" for word in words)
        assert np.array(block.values).sum(axis=1) == pytest.approx(1, abs=4e-3)
    assert np.array(second.values) == pytest.approx(layer.weights[1, real, real], abs=6e-4)
    assert np.array(rolled.values) == pytest.approx(rollout([layer.weights])[real, real], abs=6e-4)
    limit = heads.pictures[0].map.limit
    assert heads.pictures[0].map.to_array() == pytest.approx(layer.weights[0, real, real], abs=limit / 250)
    assert "All 6 places that are no padding." in heads.caption


def test_the_patches_of_an_image_lie_over_its_picture():
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
    config = ViTConfig(image_size=8, patch_size=2, num_channels=1, attn_implementation="eager", **sizes)
    experiment = build(ViTForImageClassification(config).eval(), data=digits()[1])
    made = look(experiment)
    assert [block.title for block in made.blocks] == [
        "Attention over the picture, sample 0",
        "Attention over the picture, sample 248",
    ]
    block = made.blocks[0]
    assert block.row_titles == ("attentions 0", "attentions 1", "attentions 2", "rollout")
    assert "class token reads from each of 4 × 4 patches" in block.caption
    layers = [layer.weights for layer in attention(experiment, experiment.batch([0]).inputs)]
    drawn = block.pictures[6]
    assert (drawn.map.width, drawn.map.height, drawn.raster.width) == (4, 4, 8)
    expected = rollout(layers)[0, 1:].reshape(4, 4)
    assert drawn.map.to_array() == pytest.approx(expected, abs=drawn.map.limit / 250)


def test_attention_that_cannot_be_seen_is_said_not_to_be_available(digits_cnn):
    class WindowAttention(nn.Module):
        """Attends within two halves of a sample, which share one call."""

        def forward(self, x):
            halves = x.reshape(-1, 1, 4, x.shape[-1])
            return functional.scaled_dot_product_attention(halves, halves, halves).reshape(x.shape)

    model = nn.Sequential(WindowAttention(), nn.Flatten(), nn.Linear(64, 2)).eval()
    made = look(build(model, example_inputs=torch.rand(1, 8, 8)))
    assert made.blocks == []
    assert made.notes == [
        "Attention maps are not available: it is computed inside a fused call, or on parts of a sample."
    ]
    assert look(build(digits_cnn[0], data=digits_cnn[1])) == Made()


def test_the_section_as_a_whole_makes_the_trip_through_json(rows):
    section = features(rows, Options())
    assert Section.model_validate_json(section.model_dump_json()) == section
    titles = [block.title for block in section.blocks]
    assert "What excites units" in titles
    assert "Attention rollout, sample 0" in titles
    assert "2 attention layers of 2 heads" in section.summary
