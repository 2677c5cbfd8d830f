"""What counts as free: whole names, none of which multiplies and adds; all else is counted or told as unknown."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - as everyone calls it
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from reportgen.data import Inputs
from reportgen.trace import trace
from reportgen.trace.free import NAMES, is_free
from reportgen.trace.steps import Trace


class Does(nn.Module):
    def __init__(self, function: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: torch.Tensor) -> torch.Tensor:
        return self.function(*args)


def done(function: Callable[..., torch.Tensor], *shapes: tuple[int, ...]) -> Trace:
    return trace(Does(function).eval(), Inputs(tuple(torch.randn(shape) for shape in shapes), {}))


# --- by hand -------------------------------------------------------------------------------------------

PRODUCTS = [
    ("bilinear", nn.Bilinear(5, 6, 7), ((3, 5), (3, 6)), 3 * 7 * 5 * 6),
    ("bilinear of a sequence", nn.Bilinear(5, 6, 7), ((3, 4, 5), (3, 4, 6)), 3 * 4 * 7 * 5 * 6),
    ("einsum", lambda a, b: torch.einsum("bi,ij->bj", a, b), ((3, 5), (5, 7)), 3 * 5 * 7),
    ("einsum, batched", lambda a, b: torch.einsum("bhid,bhjd->bhij", a, b), ((2, 3, 4, 5), (2, 3, 6, 5)), 720),
    ("tensordot", lambda a, b: torch.tensordot(a, b, 1), ((3, 5), (5, 7)), 3 * 5 * 7),
    ("mv", torch.mv, ((3, 5), (5,)), 15),
    ("addmv", torch.addmv, ((3,), (3, 5), (5,)), 15),
    ("dot", torch.dot, ((5,), (5,)), 5),
    ("inner", torch.inner, ((3, 5), (4, 5)), 3 * 4 * 5),
    ("addr", torch.addr, ((3, 5), (3,), (5,)), 15),
    ("bmm", torch.bmm, ((2, 3, 5), (2, 5, 7)), 2 * 3 * 5 * 7),
    ("baddbmm", torch.baddbmm, ((2, 3, 7), (2, 3, 5), (2, 5, 7)), 2 * 3 * 5 * 7),
    ("addbmm", torch.addbmm, ((3, 7), (2, 3, 5), (2, 5, 7)), 2 * 3 * 5 * 7),
    ("conv_tbc", torch.conv_tbc, ((9, 2, 4), (3, 4, 6), (6,)), 7 * 2 * 3 * 4 * 6),
    ("grouped convolution", lambda x, w: F.conv2d(x, w, groups=2), ((2, 4, 9, 9), (6, 2, 3, 3)), 2 * 49 * 6 * 2 * 9),
    ("attention", F.scaled_dot_product_attention, ((2, 2, 5, 4), (2, 2, 6, 4), (2, 2, 6, 4)), 2 * 2 * 5 * 6 * 8),
    ("vmap", torch.func.vmap(torch.mv), ((4, 3, 5), (4, 5)), 4 * 3 * 5),
    ("LSTM cell", nn.LSTMCell(5, 6), ((2, 5),), 2 * 4 * 6 * (5 + 6)),
    ("GRU cell", nn.GRUCell(5, 6), ((2, 5),), 2 * 3 * 6 * (5 + 6)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("function", "shapes", "macs"), [row[1:] for row in PRODUCTS], ids=[row[0] for row in PRODUCTS]
)
def test_a_product_is_two_flops_a_multiply_add(
    function: Callable[..., torch.Tensor], shapes: tuple[tuple[int, ...], ...], macs: int
) -> None:
    seen = done(function, *shapes)
    assert (seen.flops, seen.unknown) == (2 * macs, ())


def test_a_bilinear_layer_is_what_its_product_written_out_is() -> None:
    layer = nn.Bilinear(5, 6, 7)

    def written(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        pairs = (a[:, :, None] * b[:, None]).flatten(1)  # elementwise
        return pairs @ layer.weight.flatten(1).T + layer.bias

    a, b = torch.randn(3, 5), torch.randn(3, 6)
    assert torch.allclose(written(a, b), layer(a, b), atol=1e-5)
    with FlopCounterMode(display=False) as counter:
        written(a, b)
    assert done(layer, (3, 5), (3, 6)).flops == counter.get_total_flops() > 0


def test_rows_of_a_bag_are_a_reduction_and_with_weights_of_their_own_multiply_adds() -> None:
    which, table, by = torch.zeros(3, 4, dtype=torch.long), torch.randn(10, 5), torch.randn(3, 4)
    plain = trace(Does(F.embedding_bag), Inputs((which, table), {}))
    assert (plain.flops, plain.unknown) == (0, ())
    weighted = Does(lambda i, t, w: F.embedding_bag(i, t, per_sample_weights=w, mode="sum"))
    assert trace(weighted, Inputs((which, table, by), {})).flops == 2 * 3 * 4 * 5


@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr])
@pytest.mark.parametrize("product", [torch.mm, torch.sparse.mm, torch.matmul])
@pytest.mark.filterwarnings("ignore:Sparse CSR")
def test_a_sparse_matrix_multiplies_what_it_holds_and_no_more(
    layout: torch.layout, product: Callable[..., torch.Tensor]
) -> None:
    edges = torch.zeros(6, 6)
    edges[0, 1] = edges[2, 3] = edges[4, 5] = 1

    class Graph(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("edges", edges.to_sparse(layout=layout))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return product(self.edges, x)

    seen = trace(Graph(), Inputs((torch.randn(6, 4),), {}))
    assert (seen.flops, seen.unknown) == (2 * 3 * 4, ())


# --- what is not known is said -------------------------------------------------------------------------

UNTOLD = [
    ("Fourier", torch.fft.fft, ((3, 8),)),
    ("distances", torch.cdist, ((3, 5), (4, 5))),
    ("many distances", torch.cdist, ((30, 5), (40, 5))),
    ("sampled from a grid", F.grid_sample, ((1, 2, 4, 4), (1, 3, 3, 2))),
    ("inverse", torch.linalg.inv, ((3, 3),)),
    ("singular values", torch.linalg.svdvals, ((3, 3),)),
    ("exponential of a matrix", torch.matrix_exp, ((3, 3),)),
    ("nuclear norm", lambda x: torch.linalg.matrix_norm(x, "nuc"), ((3, 3),)),
]  # fmt: skip


@pytest.mark.parametrize(("function", "shapes"), [row[1:] for row in UNTOLD], ids=[row[0] for row in UNTOLD])
def test_what_multiplies_and_has_no_formula_is_unknown_and_never_zero(
    function: Callable[..., torch.Tensor], shapes: tuple[tuple[int, ...], ...]
) -> None:
    seen = done(function, *shapes)
    assert (seen.flops, len(seen.unknown)) == (0, 1)


# Names that speak of products in operators that do none, or only elementwise ones.
NO_PRODUCT = re.compile(
    r"upsample_(bi|tri)?linear.*|linalg_(vector_norm|check_errors)|.*flatten_weight|thnn_fused_(lstm|gru)_cell|logcumsumexp"
)
PRODUCT = re.compile(
    r"((^|_|add|b|sp|h)(mm|mv)(_|$|reduce)|matmul|(^|_|v|vec)dot(_|$)|linear|conv|attention|einsum|outer|(^|_)ger$|addr$|rnn"
    r"|lstm|gru|fft|dist(_forward)?$|solve|svd|chol|(^|_)eig|qr$|linalg|matrix_|kron|grid_sampl)"
)


def _operators() -> set[str]:
    everything = torch._C._dispatch_get_all_op_names()
    return {
        name.split("::")[1].split(".")[0].strip("_")
        for name in everything
        if name.startswith(("aten::", "prims::"))
    }


def test_no_operator_of_torch_whose_name_says_product_is_free() -> None:
    named = {name for name in _operators() if PRODUCT.search(name) and not NO_PRODUCT.fullmatch(name)}
    assert {"trilinear", "conv_tbc", "cdist_forward", "flash_attention_forward_no_dropout_inplace"} <= named
    assert named & NAMES == set()


def test_a_free_name_is_whole() -> None:
    assert is_free(torch.ops.aten.tril.default)
    assert not is_free(torch.ops.aten._trilinear.default)
    assert all(name.isidentifier() for name in NAMES)


LAYERS = [
    (nn.Linear(5, 6), (3, 5)), (nn.Conv1d(3, 4, 3), (2, 3, 9)), (nn.Conv3d(3, 4, 3), (2, 3, 5, 5, 5)),
    (nn.ConvTranspose1d(3, 4, 3), (2, 3, 9)), (nn.ConvTranspose3d(3, 4, 3), (2, 3, 5, 5, 5)),
    (nn.Softmax(-1), (2, 4)), (nn.GLU(), (2, 4)), (nn.PReLU(), (2, 4)), (nn.SELU(), (2, 4)), (nn.LogSigmoid(), (2, 4)),
    (nn.LayerNorm(4), (2, 4)), (nn.RMSNorm(4), (2, 4)), (nn.BatchNorm1d(4), (2, 4)), (nn.GroupNorm(2, 4), (2, 4, 6)),
    (nn.LocalResponseNorm(2), (2, 4, 6, 6)), (nn.MaxPool2d(2), (2, 4, 6, 6)), (nn.AvgPool2d(2), (2, 4, 6, 6)),
    (nn.LPPool2d(2, 2), (2, 4, 6, 6)), (nn.AdaptiveMaxPool2d(1), (2, 4, 6, 6)), (nn.ReflectionPad2d(1), (2, 4, 6, 6)),
    (nn.PixelShuffle(2), (2, 4, 6, 6)), (nn.ChannelShuffle(2), (2, 4, 6, 6)), (nn.Unfold(2), (1, 3, 4, 4)),
    (nn.Fold((4, 4), 2), (1, 12, 9)), (nn.Upsample(scale_factor=2, mode="bilinear"), (1, 2, 4, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=[type(layer).__name__ for layer, _ in LAYERS])
def test_layers_of_torch_are_known_in_whole_and_counted_as_torch_counts(
    layer: nn.Module, shape: tuple[int, ...]
) -> None:
    seen = trace(layer.eval(), Inputs((torch.randn(shape),), {}))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layer(torch.randn(shape))
    assert (seen.flops, seen.unknown) == (counter.get_total_flops(), ())


def test_a_higher_order_operator_is_counted_by_torchs_formula_or_is_unknown() -> None:
    from torch.nn.attention.flex_attention import flex_attention

    flex = trace(Does(flex_attention), Inputs((torch.randn(1, 2, 16, 8),) * 3, {}))
    assert (flex.flops, flex.unknown) == (2 * 2 * 16 * 16 * (8 + 8), ())
    either = Does(lambda x: torch.cond(x.sum() > 0, lambda y: y @ y, lambda y: y @ y.T, (x,)))
    assert trace(either, Inputs((torch.randn(4, 4),), {})).unknown == (("cond", 1),)
