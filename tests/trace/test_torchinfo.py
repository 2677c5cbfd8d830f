"""torchinfo's text: when it is not run, and where its totals differ; each cause by a count of its own."""

from __future__ import annotations

import time
import warnings

import pytest
import torch
import transformers
from architectures import Named, ResNet50, TiedHead
from torch import nn

from reportgen.data import Inputs
from reportgen.trace import trace
from reportgen.trace.steps import Trace
from reportgen.trace.torchinfo_counts import flop_causes, parameter_causes
from reportgen.trace.torchinfo_text import _summary, torchinfo_blocks

X = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.norm(self.first(x)).relu())


class ScriptInside(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.before, self.script, self.after = (
            nn.Linear(8, 8),
            torch.jit.script(Net().eval()),
            nn.Linear(2, 2),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.script(self.before(x)))


class Cell(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(10, 20)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = (x.new_zeros(len(x), 20), x.new_zeros(len(x), 20))
        for step in range(x.shape[1]):
            state = self.cell(x[:, step], state)
        return state[0]


def seen(model: nn.Module, *args: torch.Tensor, **kwargs: object) -> tuple[Trace, dict[str, int], str]:
    """The trace, the causes by their first words, and the text; the causes make the whole difference."""
    model, inputs = model.eval(), Inputs(args, kwargs)
    traced = trace(model, inputs)
    statistics = _summary(model, inputs)
    causes = flop_causes(traced, model, statistics)
    assert sum(causes.values()) == 2 * statistics.total_mult_adds - traced.flops
    more = sum(size for size, _ in parameter_causes(model, statistics))
    assert more == statistics.total_params - traced.totals.parameters
    made = torchinfo_blocks(traced, model, inputs, seed=0)
    said = made[1].text if len(made) > 1 else ""
    found: dict[str, int] = {}
    for why, size in causes.items():
        if size:
            found[why.split(",")[0]] = size
    return traced, found, said


def of(causes: dict[str, int], word: str) -> int:
    return next(size for why, size in causes.items() if word in why)


def nested(depth: int) -> nn.Module:
    model: nn.Module = nn.Linear(4, 4)
    for _ in range(depth):
        model = nn.Sequential(model, nn.ReLU())
    return model


@pytest.mark.parametrize("depth", [24, 150])
def test_layers_nested_too_deep_for_torchinfo_are_said(depth: int) -> None:
    model, inputs = nested(depth), Inputs((torch.zeros(1, 4),), {})
    traced = trace(model, inputs)
    start = time.perf_counter()
    (made,) = torchinfo_blocks(traced, model, inputs, seed=0)
    assert time.perf_counter() - start < 1
    assert made.text.startswith(f"torchinfo was not run: the layers nest {depth} deep")


def test_layers_nested_to_fourteen_are_still_shown() -> None:
    model, inputs = nested(14), Inputs((torch.zeros(1, 4),), {})
    assert torchinfo_blocks(trace(model, inputs), model, inputs, seed=0)[0].kind == "code"


def test_more_calls_than_torchinfo_bears_are_said() -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for _ in range(20_001):
                self.layer(x)
            return x

    inputs = Inputs((torch.zeros(1, 2),), {})
    (made,) = torchinfo_blocks(trace(Loop(), inputs), Loop(), inputs, seed=0)
    assert "torchinfo's list would have 20,002 rows" in made.text


def test_convolutions_are_alike_and_biases_and_norms_make_the_rest_of_resnet50() -> None:
    _, causes, said = seen(ResNet50(), torch.zeros(1, 3, 224, 224))
    norms = sum(2 * 2 * m.num_features for m in ResNet50().modules() if isinstance(m, nn.BatchNorm2d))
    assert causes == {"weights of normalisation": norms, "biases": 2 * 1000}
    assert "0.0013 % more than the 8,178,368,512 FLOPs" in said


def test_gpt2s_conv1d_is_said_to_be_taken_for_a_convolution() -> None:
    config = transformers.GPT2Config(n_layer=2, n_embd=96, n_head=4, vocab_size=1000)
    model = transformers.GPT2LMHeadModel(config)
    tokens = torch.ones(1, 16, dtype=torch.long)
    _, causes, said = seen(model, input_ids=tokens, use_cache=False)
    matrices = [(96, 288), (96, 96), (96, 384), (384, 96)]
    # The weights times the last axis of the output, where they are multiplied at each of 16 positions.
    wrong = 2 * sum(2 * rows * columns * (columns - 16) for rows, columns in matrices)
    assert of(causes, "Conv1D") == wrong
    assert of(causes, "what layers with inner layers") == -2 * 4 * 16 * 16 * 96
    assert of(causes, "linear layers") == -2 * 96 * 1000 * 15
    assert "(all of it attention)" in said
    assert "times the" in said
    assert "96,000 more than the 418,176 here: it counts tied weights twice (96,000)." in said


def test_vits_attention_and_positions_are_said_with_their_numbers() -> None:
    config = transformers.ViTConfig(
        num_hidden_layers=2, hidden_size=64, intermediate_size=128, num_attention_heads=4
    )
    _, causes, _ = seen(transformers.ViTModel(config, add_pooling_layer=False), torch.zeros(1, 3, 224, 224))
    assert of(causes, "what layers with inner layers") == -2 * 4 * 197 * 197 * 64
    weights = 2 * (4 * 64 * 64 + 2 * 64 * 128)
    assert of(causes, "linear layers") == -2 * weights * 196


def test_an_lstm_differs_by_its_biases_alone() -> None:
    _, causes, _ = seen(nn.Sequential(nn.LSTM(10, 20, 2, batch_first=True)), torch.zeros(3, 7, 10))
    assert causes == {"biases": 2 * 3 * 7 * 2 * 2 * 80}


def test_a_cell_is_taken_once_for_each_value_of_its_output() -> None:
    _, causes, said = seen(Cell(), torch.zeros(3, 7, 10))
    weights = 80 * 10 + 80 * 20
    assert causes == {
        "recurrent layers whose output has two axes": 2 * 7 * 3 * weights * 19,
        "biases": 2 * 7 * 3 * 20 * 2 * 80,
    }
    assert "for a reason" not in said


def test_the_tied_head_is_explained_to_the_last_value() -> None:
    _, causes, said = seen(TiedHead(), torch.zeros(1, 5, dtype=torch.long))
    assert "it counts tied weights twice (6,400); it leaves out 1 held by" in said
    assert causes == {
        "linear layers": -2 * 4 * (64 * 5260 + 6400),
        "tables of embeddings": 2 * 6400,
    }


def test_torchscript_and_quantized_layers_are_said_to_be_unseen() -> None:
    whole = -2 * 4 * (8 * 16 + 16 * 2)
    _, causes, said = seen(torch.jit.script(Net().eval()), X)
    assert causes == {"layers inside TorchScript": whole}
    assert "biases" not in said
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
        quantized = torch.ao.quantization.quantize_dynamic(plain, {nn.Linear})
        _, causes, said = seen(quantized, X)
    assert causes == {"quantized layers": whole}
    assert "biases" not in said


def test_a_script_in_a_model_is_counted_twice_and_its_calls_are_not_seen() -> None:
    _, causes, said = seen(ScriptInside(), X)
    assert of(causes, "TorchScript") == -2 * 4 * (8 * 16 + 16 * 2)
    own = sum(p.numel() for p in Net().parameters())
    assert f"it counts {own} twice" in said


def test_layers_in_a_plain_list_are_named_as_the_cause() -> None:
    _, causes, _ = seen(Named(), torch.zeros(2, 4), mask=torch.ones(2, 4))
    assert of(causes, "plain lists") == -2 * 2 * 16


def test_shared_embeddings_of_t5_are_counted_out_exactly() -> None:
    config = transformers.T5Config(vocab_size=1000, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4)
    tokens = torch.ones(1, 6, dtype=torch.long)
    _, _, said = seen(
        transformers.T5ForConditionalGeneration(config), input_ids=tokens, decoder_input_ids=tokens
    )
    assert "not known" not in said


def test_what_has_no_known_cause_is_said_to_have_none() -> None:
    _, causes, said = seen(nn.Sequential(nn.Linear(8, 8), nn.PReLU(8)), X)
    assert causes["PReLU"] == 2 * 4 * 8
    assert "PReLU, for a reason that is not known" in said


def test_an_operation_without_a_formula_leaves_the_line_standing() -> None:
    class Unknown(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x) + torch.linalg.inv(torch.eye(8))

    traced, _, said = seen(Unknown(), torch.randn(8, 8))
    assert traced.unknown
    assert "here at least 1,024 FLOPs are counted, for not every operation has a formula" in said


def test_the_caption_says_what_it_was_given() -> None:
    for size, words in ((1, "with one sample"), (3, "with a batch of 3")):
        inputs = Inputs((torch.zeros(size, 8),), {})
        model = Net().eval()
        block = torchinfo_blocks(trace(model, inputs), model, inputs, seed=0)[0]
        assert block.caption == f"As torchinfo prints it, to depth 3, {words}."
