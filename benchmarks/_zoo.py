"""The models of the sweep: where each comes from and what it is called with. Random weights, nothing is fetched."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import nn

from reportgen.data import Inputs

Built = tuple[nn.Module, Inputs]

# transformers: model type -> what is set on its configuration beside SMALL.
TEXT = (
    "albert", "arcee", "bert", "big_bird", "biogpt", "bloom", "camembert", "codegen", "convbert", "ctrl",
    "data2vec-text", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "esm", "falcon", "flaubert",
    "gemma", "gemma2", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gptj", "granite", "layoutlm", "llama",
    "longformer", "mamba", "mamba2", "mistral", "mixtral", "mobilebert", "modernbert", "mpnet", "mpt", "olmo",
    "olmo2", "opt", "phi", "phi3", "qwen2", "qwen2_moe", "qwen3", "rembert", "roberta", "roformer", "rwkv",
    "squeezebert", "stablelm", "starcoder2", "xglm", "xlm", "xlm-roberta", "xlnet", "xmod", "funnel", "canine",
)  # fmt: skip
BOTH = (
    "bart",
    "blenderbot",
    "led",
    "m2m_100",
    "marian",
    "mbart",
    "mt5",
    "pegasus",
    "prophetnet",
    "t5",
    "umt5",
)
VISION = (
    "beit", "bit", "convnext", "convnextv2", "cvt", "data2vec-vision", "deit", "dinov2", "efficientnet",
    "focalnet", "hiera", "levit", "mobilenet_v1", "mobilenet_v2", "mobilevit", "poolformer", "pvt_v2", "regnet",
    "resnet", "segformer", "siglip_vision_model", "swin", "swinv2", "vit", "vit_mae", "vit_msn", "clip_vision_model",
)  # fmt: skip
AUDIO = ("hubert", "sew", "unispeech", "wav2vec2", "wavlm", "data2vec-audio")
SMALL = {
    "hidden_size": 32, "d_model": 32, "n_embd": 32, "dim": 32, "emb_dim": 32, "embedding_size": 32, "head_dim": 8,
    "num_hidden_layers": 2, "n_layer": 2, "n_layers": 2, "encoder_layers": 2, "decoder_layers": 2, "num_layers": 2,
    "num_decoder_layers": 2, "num_encoder_layers": 2,
    "num_attention_heads": 4, "n_head": 4, "n_heads": 4, "num_key_value_heads": 2, "num_kv_heads": 4,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "num_heads": 4, "attention_heads": 4,
    "num_encoder_attention_heads": 4, "num_decoder_attention_heads": 4,
    "intermediate_size": 64, "n_inner": 64, "ffn_dim": 64, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
    "d_ff": 64, "d_kv": 8, "d_inner": 64, "hidden_dim": 64, "dff": 64, "ffn_hidden_size": 64, "vocab_size": 120,
    "max_position_embeddings": 128, "n_positions": 128, "max_seq_len": 128, "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32, "num_experts": 4, "num_local_experts": 4, "pad_token_id": 0,
    "attention_window": 8, "state_size": 8, "num_buckets": 32, "true_hidden_size": 32, "intra_bottleneck_size": 32,
    "rotary_dim": 4, "entity_emb_size": 32, "bos_token_id": 1, "eos_token_id": 2,
    "attention_hidden_size": 32, "context_length": 128, "num_conv_pos_embeddings": 16,
}  # fmt: skip
OTHERS: dict[str, dict[str, Any]] = {
    "mamba2": {"num_heads": 8, "head_dim": 8, "n_groups": 1, "expand": 2},
    "xlnet": {"d_head": 8},
    "funnel": {"block_sizes": [1, 1], "num_decoder_layers": 1, "d_head": 8},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "mobilebert": {"embedding_size": 32},
    "longformer": {"attention_window": [8, 8]},
    "led": {
        "attention_window": 8,
        "max_encoder_position_embeddings": 128,
        "max_decoder_position_embeddings": 128,
    },
    "layoutlm": {"max_2d_position_embeddings": 64},
    "xmod": {"default_language": "en_XX"},
    "esm": {"position_embedding_type": "rotary"},
}


def names() -> dict[str, list[str]]:
    """What there is to build, by library."""
    return {
        "pytorchcv": _pytorchcv_names(),
        "transformers": [*TEXT, *BOTH, *VISION, *AUDIO],
        "torch_geometric": ["GCN", "GAT"],
        "monai": ["UNet"],
    }


def build(library: str, name: str) -> Built:
    """The model in eval mode and what it is called with. Raises what the library raises."""
    torch.manual_seed(0)
    builders: dict[str, Callable[[str], Built]] = {
        "pytorchcv": _pytorchcv,
        "transformers": _transformers,
        "torch_geometric": _torch_geometric,
        "monai": _monai,
    }
    model, inputs = builders[library](name)
    return model.eval(), inputs


# --- pytorchcv: each module's own test builds its first model and knows what it is called with -----------


def _pytorchcv_names() -> list[str]:
    folder = Path(str(importlib.import_module("pytorchcv.models").__file__)).parent
    return sorted(p.stem for p in folder.glob("*.py") if "def _test()" in p.read_text(encoding="utf-8"))


class _CalledError(Exception):
    def __init__(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__("the model is called")
        self.built = model, Inputs(args, kwargs)


def _pytorchcv(name: str) -> Built:
    def call(model: nn.Module, *args: Any, **kwargs: Any) -> None:
        raise _CalledError(model, args, kwargs)

    if not hasattr(numpy, "int"):
        numpy.int = int  # type: ignore[attr-defined] # two of the modules were written for NumPy before 1.24
    test = importlib.import_module(f"pytorchcv.models.{name}")._test
    usual, nn.Module.__call__ = nn.Module.__call__, call  # type: ignore[method-assign]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            test()
    except _CalledError as called:
        return called.built
    finally:
        nn.Module.__call__ = usual  # type: ignore[method-assign]
    raise RuntimeError("its own test calls no model")


# --- transformers: small configurations ---------------------------------------------------------------


def _transformers(name: str) -> Built:
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(name)
    for key, value in {**SMALL, **OTHERS.get(name, {})}.items():
        if name in _OWN_WIDTHS or (name in VISION and key not in _PLAIN_VISION):
            continue
        if hasattr(config, key) and (key in OTHERS.get(name, {}) or isinstance(getattr(config, key), int)):
            with contextlib.suppress(NotImplementedError, AttributeError):
                setattr(config, key, value)
    if name in VISION:
        return AutoModel.from_config(config), _pixels(config)
    if name in AUDIO:
        return AutoModel.from_config(config), Inputs((), {"input_values": torch.randn(1, 8000)})
    tokens = torch.arange(3, 35)[None] % 100
    given = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    if name in BOTH:
        given["decoder_input_ids"] = tokens[:, :8]
    if name in ("rwkv", "mamba", "mamba2"):
        del given["attention_mask"]
    return AutoModel.from_config(config), Inputs((), given)


_OWN_WIDTHS = ("convnext", "convnextv2")  # their last width must stay that of their last stage
_PLAIN_VISION = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")


def _pixels(config: Any) -> Inputs:
    size = getattr(config, "image_size", 224)
    high, wide = (size, size) if isinstance(size, int) else size
    return Inputs((), {"pixel_values": torch.randn(1, getattr(config, "num_channels", 3), high, wide)})


# --- graphs and volumes -------------------------------------------------------------------------------


def _torch_geometric(name: str) -> Built:
    from torch_geometric.nn import models

    edges = torch.stack([torch.arange(30), (torch.arange(30) * 7 + 3) % 30])
    return getattr(models, name)(16, 32, 3, 4), Inputs((torch.randn(30, 16), edges), {})


def _monai(name: str) -> Built:
    from monai.networks import nets

    unet = getattr(nets, name)(3, 1, 2, channels=(8, 16, 32, 64), strides=(2, 2, 2), num_res_units=2)
    return unet, Inputs((torch.randn(1, 1, 32, 32, 32),), {})
