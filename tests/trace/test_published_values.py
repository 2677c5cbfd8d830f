"""Sizes and operations of networks whose numbers are published or follow from a formula."""

from __future__ import annotations

import pytest
import torch
from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, ViTConfig, ViTModel

from reportgen.data import Inputs
from reportgen.trace import picture, table, trace


def vit_flops() -> int:
    """ViT-B/16: 196 patches and a token, 12 blocks of width 768, 2 FLOPs a multiply-add."""
    rows, width, deep, hidden = 197, 768, 12, 3072
    patches = 2 * 196 * 3 * 16 * 16 * width
    linear = 2 * rows * (4 * width * width + 2 * width * hidden)
    attention = 2 * 2 * rows * rows * width
    return patches + deep * (linear + attention)


def test_vit_b16_has_its_published_size_and_its_operations_with_attention() -> None:
    model = ViTModel(ViTConfig(), add_pooling_layer=False).eval()
    seen = trace(model, Inputs((torch.zeros(1, 3, 224, 224),), {}))
    assert (seen.how, seen.unknown) == ("fake", ())
    assert seen.totals.parameters == 85_798_656
    assert seen.flops == vit_flops()
    assert seen.flops == pytest.approx(35.2e9, rel=0.01)
    drawn = picture(seen)
    assert drawn is not None
    assert len(drawn.nodes) <= 60
    assert any(node.times == 12 for node in drawn.nodes) or any(one.times == 12 for one in drawn.clusters)


def test_llama_70b_on_the_meta_device_has_its_published_size_and_operations() -> None:
    config = LlamaConfig(
        hidden_size=8192, num_hidden_layers=80, num_attention_heads=64, num_key_value_heads=8,
        intermediate_size=28672, vocab_size=128256, tie_word_embeddings=False,
    )  # fmt: skip
    with torch.device("meta"):
        model = LlamaForCausalLM(config).to(torch.bfloat16).eval()
        given = {
            "input_ids": torch.zeros(1, 512, dtype=torch.long),
            "attention_mask": torch.zeros(1, 1, 512, 512, dtype=torch.bfloat16),
            "position_ids": torch.arange(512)[None],
        }
    seen = trace(model, Inputs((), given))
    assert (seen.how, seen.unknown, seen.failures) == ("meta", (), ())
    assert seen.totals.parameters == 70_553_706_496
    assert seen.totals.bytes == pytest.approx(2 * 70_553_706_496, rel=1e-6)
    assert seen.flops == pytest.approx(71.86e12, rel=0.001)
    drawn = picture(seen)
    assert drawn is not None
    assert len(drawn.nodes) <= 60
    assert any(frame.times == 80 or "layers.0-79" in frame.label for frame in drawn.clusters)
    folded = {row.same_as for row in table(seen).rows if row.same_as}
    assert "model.layers.0" in folded


def test_a_model_that_takes_a_dict_and_gives_a_data_class_is_seen_by_its_names() -> None:
    config = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, vocab_size=99
    )
    tokens = torch.arange(8)[None]
    seen = trace(
        BertModel(config).eval(), Inputs((), {"input_ids": tokens, "attention_mask": torch.ones(1, 8)})
    )
    assert seen.complete
    names = [step.name for step in seen.steps if step.kind in ("input", "output")]
    assert names == ["input_ids", "attention_mask", "last_hidden_state", "pooler_output"]
