"""The values of tensors of every kind come back, and a kind that can't be copied costs nothing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reportgen.guard import untouched


class Int8(torch.Tensor):
    """As torchao's: a wrapper about two tensors that knows few operations."""

    @staticmethod
    def __new__(cls, values, scale):
        return torch.Tensor._make_wrapper_subclass(cls, values.shape, dtype=scale.dtype)

    def __init__(self, values, scale):
        self.values_, self.scale = values, scale

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.detach.default:
            return cls(args[0].values_, args[0].scale)
        raise NotImplementedError(f"Int8 knows no {func}")


class Flattened(Int8):
    def __tensor_flatten__(self):
        return ["values_", "scale"], None


class Opaque(torch.Tensor):
    """Knows nothing at all, and holds its values where nobody can look."""

    @staticmethod
    def __new__(cls):
        return torch.Tensor._make_wrapper_subclass(cls, (2,), dtype=torch.float32)

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise NotImplementedError(f"Opaque knows no {func}")


def holding(tensor):
    model = nn.Linear(2, 2)
    model.held = tensor
    return model


@pytest.mark.parametrize("kind", [Int8, Flattened])
@pytest.mark.parametrize("parameter", [False, True])
def test_a_wrapper_is_put_back_by_the_tensors_it_is_about(kind, parameter):
    values, scale = torch.ones(3, dtype=torch.int8), torch.ones(3)
    wrapped = kind(values, scale)
    model = nn.Module()
    model.weight = nn.Parameter(wrapped, requires_grad=False) if parameter else wrapped
    held = model.weight.values_
    with untouched(model) as said:
        model.weight.values_.add_(1)
        model.weight.scale.mul_(3)
        model.weight.scale = None
    assert not said
    assert model.weight.values_ is held
    assert held.tolist() == [1, 1, 1]
    assert model.weight.scale.tolist() == [1, 1, 1]


def test_a_tensor_that_cant_be_copied_is_said_and_costs_nothing():
    model = holding(Opaque())
    weight = model.weight.detach().clone()
    with untouched(model) as said:
        model.weight.data.add_(1)
    assert torch.equal(model.weight, weight)
    (line,) = said.unwatched
    assert "Opaque can't be" in line
    assert "NotImplementedError" in line


def quantized():
    return torch.quantize_per_tensor(torch.tensor([1.0, 2.0]), 0.1, 0, torch.quint8)


def csr():
    return torch.eye(3).to_sparse_csr()


def bsr():
    return torch.eye(4).to_sparse_bsr((2, 2))


def expanded():
    return torch.ones(1).expand(1 << 40)


def change_csr(tensor):
    tensor.values().mul_(2)


KINDS = {
    "coo": (lambda: torch.eye(3).to_sparse(), lambda t: t._values().mul_(2), lambda t: t.to_dense().tolist()),
    "csr": (csr, change_csr, lambda t: t.to_dense().tolist()),
    "bsr": (bsr, change_csr, lambda t: t.to_dense().tolist()),
    "quantized": (quantized, lambda t: t.copy_(torch.zeros(2)), lambda t: t.dequantize().tolist()),
    "conjugate": (lambda: torch.tensor([1 + 2j]).conj(), lambda t: t.mul_(2), lambda t: t.tolist()),
    "expanded to a million times the memory": (expanded, lambda t: t[:1].add_(1), lambda t: t[:2].tolist()),
    "view": (lambda: torch.arange(12.0).reshape(3, 4)[:, ::2], lambda t: t.add_(1), lambda t: t.tolist()),
    "empty": (lambda: torch.zeros(0, 3), lambda t: t.resize_(2, 3).fill_(1), lambda t: list(t.shape)),
    "resized": (lambda: torch.ones(2, 3), lambda t: t.resize_(4, 5).fill_(2), lambda t: t.tolist()),
    "set free": (lambda: torch.ones(3), lambda t: t.untyped_storage().resize_(0), lambda t: t.tolist()),
    "given other data": (lambda: torch.ones(3), lambda t: t.set_(torch.zeros(5)), lambda t: t.tolist()),
    "float8": (
        lambda: torch.ones(3).to(torch.float8_e4m3fn),
        lambda t: t.copy_(torch.zeros(3)),
        lambda t: t.float().tolist(),
    ),
    "nested": (
        lambda: torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(4, 3)]),
        lambda t: t.mul_(2),
        lambda t: [one.tolist() for one in t.unbind()],
    ),
    "jagged": (
        lambda: torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(4, 3)], layout=torch.jagged),
        lambda t: t.values().mul_(2),
        lambda t: [one.tolist() for one in t.unbind()],
    ),
    "mkldnn": (lambda: torch.ones(3).to_mkldnn(), lambda t: t.mul_(2), lambda t: t.to_dense().tolist()),
}


@pytest.mark.filterwarnings("ignore:.*prototype stage:UserWarning", "ignore:Sparse:UserWarning")
@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_tensor_of_every_kind_comes_back(kind, changed):
    make, change, read = KINDS[kind]
    tensor = make()
    before = read(tensor)
    with untouched(holding(tensor)) as said, torch.no_grad():
        if changed:
            change(tensor)
            assert read(tensor) != before if kind != "set free" else True
    assert read(tensor) == before
    assert not said


def test_a_tensor_of_inference_mode_comes_back():
    with torch.inference_mode():
        tensor = torch.ones(3)
    with untouched(holding(tensor)) as said, torch.inference_mode():
        tensor.add_(1)
    assert tensor.tolist() == [1, 1, 1]
    assert not said


def test_a_buffer_that_a_differentiated_pass_wrote_to_is_a_leaf_again():
    class State(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))
            self.register_buffer("state", torch.zeros(3))

        def forward(self, x):
            self.state += self.weight * x
            return self.state.sum()

    model = State()
    with untouched(model) as said, torch.enable_grad():
        model(torch.ones(3))
    assert model.state.is_leaf
    assert not model.state.requires_grad
    assert model.state.tolist() == [0, 0, 0]
    assert not said


def test_attributes_and_every_hook_of_a_tensor_come_back():
    model = nn.Linear(2, 2)
    model.weight.mark = [1]
    with untouched(model) as said:
        model.weight.mark.append(2)
        model.bias.register_post_accumulate_grad_hook(lambda _: None)
        model.bias.register_hook(lambda gradient: gradient)
    assert model.weight.mark == [1]
    assert not model.bias._backward_hooks
    assert not model.bias._post_accumulate_grad_hooks
    assert not said


def test_what_a_scripted_module_keeps_comes_back_and_each_part_keeps_its_mode():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0
            self.seen = [0]
            self.plain = torch.zeros(2)
            self.drop = nn.Dropout()

        def forward(self, x: torch.Tensor):
            self.calls += 1
            self.seen.append(self.calls)
            self.plain += 1
            return self.drop(x)

    model = nn.Sequential(torch.jit.script(Counting()))
    model.train()
    model[0].drop.eval()
    with untouched(model) as said:
        assert not model[0].training
        model(torch.zeros(2))
    assert (model[0].calls, model[0].seen, model[0].plain.tolist()) == (0, [0], [0, 0])
    assert model[0].training
    assert not model[0].drop.training
    assert not said
