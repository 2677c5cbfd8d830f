"""Whatever runs inside the guard, the model and the process come out bit for bit as they were."""

from __future__ import annotations

import collections
import random
import warnings

import matplotlib as mpl
import numpy as np
import pytest
import state
import torch
from torch import nn

from reportgen.guard import tensors, untouched


class Counting(nn.Module):
    """A model with a state of its own that a forward pass changes."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4, 3)
        self.register_buffer("scratch", torch.zeros(3), persistent=False)
        self.calls = 0
        self.seen = []

    def forward(self, x):
        self.calls += 1
        self.seen.append(len(x))
        self.scratch.add_(1)
        self.fresh = x.mean()
        return self.head(self.drop(self.norm(self.conv(x))).mean(dim=(2, 3)))


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = Counting().train()
    model.norm.eval()
    model.head.bias.requires_grad_(False)
    model(torch.randn(2, 1, 4, 4)).sum().backward()
    model.conv.register_forward_hook(lambda *_: None)
    model.conv.weight.register_hook(lambda gradient: gradient)
    return model


def havoc(model):
    """Every kind of change that a careless method leaves behind."""
    x = torch.randn(2, 1, 4, 4)
    model.train()
    model(x).sum().backward()
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.add_(1)
        model.conv.weight.data.mul_(2)
    model.head.weight.data = torch.zeros(3, 4)
    model.head.weight = nn.Parameter(torch.ones(3, 4))
    model.norm.running_mean = torch.full((4,), 7.0)
    model.register_buffer("extra", torch.zeros(1))
    model.conv.left_behind = "attribute"
    del model.calls
    model.zero_grad(set_to_none=True)
    model.conv.bias.register_hook(lambda gradient: gradient * 2)
    for parameter in model.parameters():
        parameter.requires_grad_(not parameter.requires_grad)
    model.conv.register_forward_hook(lambda *_: None)
    model.register_full_backward_hook(lambda *_: None)
    model.__class__ = type("Other", (Counting,), {})
    model.drop = nn.Identity()
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.rand(3), np.random.rand(3), random.random()
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    mpl.rcParams["font.size"] = 33
    nn.modules.module.register_module_forward_hook(lambda *_: None)


def test_nothing_is_left_of_any_change(model):
    before = (state.of_model(model), state.of_process(), len(model.seen), model.calls)
    with untouched(model):
        havoc(model)
    assert (state.of_model(model), state.of_process(), len(model.seen), model.calls) == before
    assert not nn.modules.module._global_forward_hooks


def test_nothing_is_left_after_an_exception_and_it_goes_on_its_way(model):
    before = (state.of_model(model), state.of_process())

    def fail():
        havoc(model)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), untouched(model):
        fail()
    assert (state.of_model(model), state.of_process()) == before


def test_havoc_is_havoc(model):
    """The comparison sees what the guard is to undo, or the tests above could not fail."""
    with untouched(model):
        before = (state.of_model(model), state.of_process())
        havoc(model)
        after = (state.of_model(model), state.of_process())
    for old, new in zip(before, after, strict=True):
        differing = [key for key in old if old[key] != new.get(key)]
        assert len(differing) >= 8


def test_the_model_can_be_trained_on_afterwards_with_its_own_optimizer(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with untouched(model):
        havoc(model)
    old = model.head.weight.detach().clone()
    model(torch.randn(2, 1, 4, 4)).sum().backward()
    optimizer.step()
    assert not torch.equal(old, model.head.weight)


def test_inside_the_model_is_in_eval_mode_and_the_seed_holds(model):
    draws = []
    for _ in range(2):
        with untouched(model, seed=3):
            assert not any(module.training for module in model.modules())
            draws.append((torch.rand(2).tolist(), np.random.rand(2).tolist(), random.random()))
    assert draws[0] == draws[1]
    assert model.training
    assert not model.norm.training


def test_the_callers_inputs_stay_as_they_were():
    x = torch.zeros(3)
    with untouched(None, x):
        x.add_(1)
        x.requires_grad_(True)
    assert x.tolist() == [0, 0, 0]
    assert not x.requires_grad
    assert x.grad is None


def test_a_gradient_that_was_there_keeps_its_object_and_bytes(model):
    gradient = model.conv.weight.grad
    values = gradient.clone()
    with untouched(model):
        model(torch.randn(2, 1, 4, 4)).sum().backward()
    assert model.conv.weight.grad is gradient
    assert torch.equal(gradient, values)


@pytest.mark.parametrize("value", [float("nan"), -0.0, float("inf")])
def test_nan_and_signed_zero_count_as_bits(value):
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.fill_(value)
    before = state.of_model(model)
    with untouched(model), torch.no_grad():
        model.weight.zero_()
    assert state.of_model(model) == before


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.complex64])
def test_every_dtype_is_put_back(dtype):
    model = nn.Linear(3, 3).to(dtype)
    before = state.of_model(model)
    with untouched(model), torch.no_grad():
        model.weight.mul_(3)
    assert state.of_model(model) == before


def test_guards_nest(model):
    before = state.of_model(model)
    with untouched(model, seed=1):
        with untouched(model, seed=2):
            havoc(model)
        assert not any(module.training for module in model.modules())
    assert state.of_model(model) == before


def test_tied_weights_stay_tied():
    model = nn.ModuleDict({"a": nn.Embedding(5, 3), "b": nn.Linear(3, 5, bias=False)})
    model["b"].weight = model["a"].weight
    with untouched(model):
        model["b"].weight = nn.Parameter(torch.zeros(5, 3))
    assert model["b"].weight is model["a"].weight


def test_weights_too_large_to_copy_are_watched_and_the_smaller_ones_copied(model, monkeypatch):
    size = model.conv.weight.numel() * 4  # the largest
    rest = sum(t.numel() * t.element_size() for t in (*model.parameters(), *model.buffers())) - size
    gradients = sum(p.grad.numel() * 4 for p in model.parameters() if p.grad is not None)
    monkeypatch.setattr(tensors, "COPY_LIMIT", rest + gradients - size)
    with untouched(model) as said:
        model.conv(torch.randn(1, 1, 4, 4))
    assert not said
    bias = model.head.bias.detach().clone()
    with untouched(model) as said, torch.no_grad():
        model.conv.weight.add_(1)
        model.head.bias.add_(1)
    assert list(said.changed) == [tensors.TOO_LARGE]
    assert list(said.changed[tensors.TOO_LARGE]) == ["conv.weight"]
    assert torch.equal(model.head.bias, bias)


def test_a_model_on_the_meta_device_and_a_script_module_pass_through():
    with torch.device("meta"):
        meta = nn.Linear(3, 3)
    with untouched(meta):
        meta.weight.requires_grad_(False)
    assert meta.weight.requires_grad
    script = torch.jit.script(nn.Sequential(nn.Linear(3, 3), nn.Dropout()))
    with untouched(script):
        assert not script.training
    assert script.training
    frozen = torch.jit.freeze(script.eval())
    with untouched(frozen):
        frozen(torch.zeros(1, 3))


def test_without_a_model_the_process_is_guarded():
    before = state.of_process()
    with untouched(None, seed=0):
        torch.rand(1)
        np.random.rand()
    assert state.of_process() == before


class Stateful(nn.Module):
    """Keeps its state in whatever a module can hold."""

    def __init__(self):
        super().__init__()
        self.register_buffer("adjacency", torch.eye(3).to_sparse())
        self.plain = torch.zeros(1)
        self.array = np.zeros(2)
        self.recent = collections.deque([1, 2], maxlen=2)
        self.nested = {"seen": [], "tensors": [torch.zeros(2)]}

    def forward(self, x):
        self.plain += 1
        self.array += 1
        self.recent.append(3)
        self.nested["seen"].append(1)
        self.nested["tensors"][0] += 1
        return x @ self.adjacency


def test_state_in_tensors_arrays_and_nested_containers_is_put_back():
    model = Stateful()
    with untouched(model):
        model(torch.ones(1, 3))
        with torch.no_grad():
            model.adjacency.mul_(2)
    assert model.plain.tolist() == [0]
    assert model.array.tolist() == [0, 0]
    assert list(model.recent) == [1, 2]
    assert model.nested["seen"] == []
    assert model.nested["tensors"][0].tolist() == [0, 0]
    assert torch.equal(model.adjacency.to_dense(), torch.eye(3))


def test_a_model_that_forbids_to_set_attributes_is_guarded_too():
    class Sealed(nn.Linear):
        def __setattr__(self, name, value):
            if "sealed" in self.__dict__:
                raise AttributeError(name)
            super().__setattr__(name, value)

    model = Sealed(2, 2)
    model.__dict__["sealed"] = True
    with untouched(model):
        assert not model.training
    assert model.training
