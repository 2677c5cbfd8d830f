import numpy as np
import pytest
import state
import torch
from networks import rows_transformer
from torch import nn
from torch.nn import functional
from transformers import BertConfig, BertForSequenceClassification, ViTConfig, ViTForImageClassification

from reportgen.experiment import build
from reportgen.features.attention import attends, attention, grid_of, rollout


@pytest.fixture(scope="module")
def transformer():
    return rows_transformer()


def of(model, inputs, **given):
    experiment = build(model, example_inputs=inputs, **given)
    return attention(experiment, experiment.example)


def bert(kind):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=32,
        attn_implementation=kind,
    )
    return BertForSequenceClassification(config).eval()


def vit(kind="sdpa"):
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
    config = ViTConfig(image_size=(8, 12), patch_size=2, num_channels=1, attn_implementation=kind, **sizes)
    return ViTForImageClassification(config).eval()


TEXT = {
    "input_ids": torch.tensor([[2, 7, 9, 11, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 0, 0]]),
}


def by_hand(layer: nn.MultiheadAttention, given):
    """Softmax of scaled products, from the layer's own projection."""
    width = layer.embed_dim
    query, key, _ = functional.linear(given, layer.in_proj_weight, layer.in_proj_bias).split(width, dim=-1)
    heads = [part.reshape(-1, layer.num_heads, layer.head_dim).transpose(0, 1) for part in (query[0], key[0])]
    return (heads[0] @ heads[1].transpose(1, 2) / layer.head_dim**0.5).softmax(-1).detach().double().numpy()


def test_the_heads_of_a_trained_transformer_are_those_computed_by_hand(transformer):
    model, data = transformer
    experiment = build(model, data=data)
    found = attention(experiment, experiment.batch([5]).inputs)
    assert [layer.name for layer in found] == ["encoder.layers.0.self_attn", "encoder.layers.1.self_attn"]
    assert all(layer.itself for layer in found)
    with torch.no_grad():
        given = model.lift(data.tensors[0][5:6]) + model.place
        for layer, one in zip(found, model.encoder.layers, strict=True):
            assert layer.weights.shape == (2, 8, 8)
            assert layer.weights == pytest.approx(by_hand(one.self_attn, given), abs=1e-5)
            assert layer.weights.sum(axis=2) == pytest.approx(1, abs=1e-5)
            given = one(given)


@pytest.mark.parametrize("grad", [True, False])
def test_looking_changes_no_output_and_nothing_of_the_model(grad, transformer):
    """Without gradients the layers' fused shortcut runs when nobody looks: its last bits may differ."""
    model, data = transformer
    experiment = build(model, data=data)
    inputs = experiment.batch([0]).inputs
    seen = []
    before = state.of_model(model)
    plain = model(*inputs.args) if grad else model.eval()(*inputs.args)
    handle = model.register_forward_hook(lambda module, args, output: seen.append(output))
    attention(experiment, inputs)
    handle.remove()
    assert float((seen[0] - plain).detach().abs().max()) <= (0.0 if grad else 1e-6)
    assert state.of_model(model) == before


@pytest.mark.parametrize("weights", [True, False])
def test_a_layer_of_its_own_puts_out_what_it_does_unseen(weights):
    class Alone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attend = nn.MultiheadAttention(8, 2)
            self.given = None

        def forward(self, x):
            out, self.given = self.attend(x, x, x, need_weights=weights)
            return out

    torch.manual_seed(0)
    model = Alone().eval()
    x = torch.randn(5, 1, 8)  # sequence first
    with torch.no_grad():
        plain = model(x)
    experiment = build(model, example_inputs=x)
    seen = []
    handle = model.register_forward_hook(lambda module, args, output: seen.append(output))
    (layer,) = attention(experiment, experiment.example)
    handle.remove()
    assert torch.equal(seen[0], plain)
    assert layer.weights == pytest.approx(by_hand(model.attend, x.transpose(0, 1)), abs=1e-6)
    # The model is not handed the weights of single heads where it asked for their mean, or for none.
    assert (model.given is None) != weights
    assert model.given is None or tuple(model.given.shape) == (1, 5, 5)


def test_fused_attention_is_recomputed_as_the_eager_model_gives_it():
    eager, fused = bert("eager"), bert("sdpa")
    fused.load_state_dict(eager.state_dict())
    given, computed = of(eager, TEXT), of(fused, TEXT)
    with torch.no_grad():
        expected = eager(**TEXT, output_attentions=True).attentions
    for a, b, own in zip(given, computed, expected, strict=True):
        assert a.weights == pytest.approx(own[0].double().numpy(), abs=1e-7)
        assert b.weights == pytest.approx(a.weights, abs=1e-5)
        assert np.abs(b.weights[:, :, 4:]).max() < 1e-6  # padding
    assert given[0].name == "attentions 0"
    assert computed[0].name == "bert.encoder.layer.0.attention.self"
    assert eager.config.output_attentions is False


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"is_causal": True},
        {"scale": 0.1},
        {"attn_mask": torch.rand(6, 6) > 0.3},
        {"attn_mask": torch.randn(6, 6)},
        {"enable_gqa": True},
    ],
)
def test_fused_attention_has_the_weights_that_its_output_says(given):
    """With the unit vectors as values, what comes out is the weights themselves."""

    class Fused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, q):
            heads = 2 if "enable_gqa" in given else 4
            values = torch.eye(6).expand(1, heads, 6, 6)
            return functional.scaled_dot_product_attention(q, q[:, :heads] * 2, values, **given)

    if "attn_mask" in given and given["attn_mask"].dtype == torch.bool:
        given["attn_mask"].fill_diagonal_(True)
    model, q = Fused(), torch.randn(1, 4, 6, 6)
    (layer,) = of(model, q)
    assert layer.weights == pytest.approx(model(q)[0].detach().double().numpy(), abs=1e-5)


def test_attention_to_something_else_is_no_part_of_a_rollout():
    torch.manual_seed(0)
    model = nn.Transformer(8, 2, 1, 1, 16, batch_first=True).eval()
    found = of(model, (torch.rand(1, 5, 8), torch.rand(1, 5, 8)))
    assert [(layer.name, layer.itself) for layer in found] == [
        ("encoder.layers.0.self_attn", True),
        ("decoder.layers.0.self_attn", True),
        ("decoder.layers.0.multihead_attn", False),
    ]


def test_the_rollout_of_attention_to_oneself_alone_is_the_identity():
    assert rollout([np.eye(4)[None]] * 3) == pytest.approx(np.eye(4))


def test_the_rollout_is_the_product_computed_by_hand():
    first = np.array([[[0.5, 0.5], [0.0, 1.0]], [[0.1, 0.9], [0.4, 0.6]]])
    second = np.array([[[0.2, 0.8], [1.0, 0.0]]])
    # Means over heads: [[.3, .7], [.2, .8]] and [[.2, .8], [1, 0]]; with I, halved: the factors.
    expected = np.array([[0.6, 0.4], [0.5, 0.5]]) @ np.array([[0.65, 0.35], [0.1, 0.9]])
    assert rollout([first, second]) == pytest.approx(expected, abs=1e-12)


def test_the_rows_of_a_rollout_sum_to_one(transformer):
    model, data = transformer
    experiment = build(model, data=data)
    layers = [layer.weights for layer in attention(experiment, experiment.batch([3]).inputs)]
    assert rollout(layers).sum(axis=1) == pytest.approx(1, abs=1e-6)
    with pytest.raises(ValueError, match="square layers of one size"):
        rollout([np.ones((1, 2, 2)) / 2, np.ones((1, 3, 3)) / 3])


def test_the_patches_of_an_image_model_are_found_by_its_first_convolution():
    model = vit()
    experiment = build(model, example_inputs=torch.rand(1, 1, 8, 12))
    found = attention(experiment, experiment.example)
    assert found[0].weights.shape == (2, 25, 25)
    assert grid_of(experiment, experiment.example, 25) == (4, 6)
    assert grid_of(experiment, experiment.example, 23) is None


def test_rows_that_do_not_sum_to_one_are_not_taken_for_attention():
    class Dropping(nn.Module):
        def forward(self, q):
            mask = torch.full((3, 3), -torch.inf)
            return functional.scaled_dot_product_attention(q, q, q, attn_mask=mask)

    assert of(Dropping(), torch.rand(1, 2, 3, 4)) == []


def test_a_model_without_attention_has_none(digits_cnn, transformer):
    assert of(digits_cnn[0], digits_cnn[1].tensors[0][:1]) == []
    assert not attends(digits_cnn[0])
    assert attends(transformer[0])
