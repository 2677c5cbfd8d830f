"""untouched(model): whatever runs inside leaves the model, the generators and the globals as they were."""

from __future__ import annotations

import contextlib
import random
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

# Above this, copying the weights could cost more memory than the machine has.
COPY_LIMIT = 2 << 30
DEEPEST = 3  # containers within containers that are looked into

Undo = Callable[[], None]


class ModelChanged(RuntimeError):  # noqa: N818 - says what happened; it is no fault of the caller's input
    """Weights too large to copy were written to, so they can't be put back."""


@contextlib.contextmanager
def untouched(model: nn.Module | None, *inputs: torch.Tensor, seed: int | None = None) -> Iterator[None]:
    """Leave `model`, `inputs` and the process's settings bit for bit as they were, also after an exception.

    Inside, the model is in eval mode, nothing is compiled and, where `seed` is given, the torch, NumPy and
    Python generators start from it. Restored are: parameters and buffers (bytes, identity, requires_grad, grad, hooks),
    each module's type, training flag, hooks and attributes (with the containers, tensors and arrays in
    them), the caller's `inputs`, the generators, grad
    mode, default dtype, thread count, determinism switches, NumPy's error state, warning filters and
    matplotlib's rcParams.

    Raises ModelChanged if weights of more than 2 GiB were written to (those are watched, not copied).
    """
    undo: list[Undo] = [*_globals(), *_generators()]
    tensors = list(inputs)
    if model is not None:
        tensors += [t for t in (*model.parameters(), *model.buffers()) if not is_lazy(t)]
        known = {id(tensor) for tensor in tensors}
        for module in model.modules():
            held: list[torch.Tensor] = []
            undo.append(_module(module, held))
            tensors += [tensor for tensor in held if id(tensor) not in known and not known.add(id(tensor))]  # type: ignore[func-returns-value]
    undo += [_tensor(tensor) for tensor in tensors]
    undo.append(_values(tensors))
    try:
        if seed is not None:
            seed_all(seed)
        if model is not None:
            set_eval(model)
        with eager():
            yield
    finally:
        # Attributes first, so that the tensors restored last are the ones the model holds again.
        with contextlib.ExitStack() as stack:
            for step in reversed(undo):
                stack.callback(step)


@contextlib.contextmanager
def eager() -> Iterator[None]:
    """What `torch.compile` made, the model's inner modules too, runs uncompiled: a compiler takes minutes."""
    compiled = "torch._dynamo" in sys.modules  # else nothing is yet
    with torch.compiler.set_stance("force_eager") if compiled else contextlib.nullcontext():
        yield


def seed_all(seed: int) -> None:
    """Seed the torch (all devices), NumPy and Python generators."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The torch, NumPy and Python generators start from `seed` inside, and are as they were after it."""
    with contextlib.ExitStack() as stack:
        for step in _generators():
            stack.callback(step)
        seed_all(seed)
        yield


def set_eval(model: nn.Module) -> None:
    """Eval mode without calling `train()`, which a model may have overridden to do more."""
    for module in model.modules():
        if not isinstance(module, torch.jit.ScriptModule):
            # Not by setattr, which a model may have overridden.
            module.__dict__["training"] = False
    if isinstance(model, torch.jit.ScriptModule) and hasattr(model, "training"):
        model.eval()


def _globals() -> list[Undo]:
    undo: list[Undo] = []

    def keep(get: Callable[[], Any], put: Callable[[Any], Any]) -> None:
        value = get()
        undo.append(lambda: None if get() == value else put(value))

    keep(torch.is_grad_enabled, torch.set_grad_enabled)
    keep(torch.get_default_dtype, torch.set_default_dtype)
    keep(torch.get_num_threads, torch.set_num_threads)
    keep(torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms)
    keep(torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly)
    cudnn = torch.backends.cudnn
    keep(lambda: cudnn.benchmark, lambda value: setattr(cudnn, "benchmark", value))
    keep(lambda: cudnn.deterministic, lambda value: setattr(cudnn, "deterministic", value))
    keep(np.geterr, lambda value: np.seterr(**value))
    filters = list(warnings.filters)
    undo.append(lambda: _refill(warnings.filters, filters))
    hooks = torch.nn.modules.module
    for name in ("_global_forward_hooks", "_global_forward_pre_hooks", "_global_backward_hooks"):
        undo.append(_container(getattr(hooks, name)))
    if "matplotlib" in sys.modules:
        import matplotlib

        parameters = matplotlib.rcParams.copy()
        undo.append(lambda: _restore_parameters(matplotlib.rcParams, parameters))
    return undo


def _restore_parameters(current: Any, before: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in before:
            if current.get(name) != before[name]:
                current[name] = before[name]


def _generators() -> list[Undo]:
    undo: list[Undo] = []
    state = torch.get_rng_state()
    undo.append(lambda: torch.set_rng_state(state))
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states = torch.cuda.get_rng_state_all()
        undo.append(lambda: torch.cuda.set_rng_state_all(states))
    if torch.backends.mps.is_available():
        mps_state = torch.mps.get_rng_state()
        undo.append(lambda: torch.mps.set_rng_state(mps_state))
    numpy_state = np.random.get_state()
    undo.append(lambda: np.random.set_state(numpy_state))
    python_state = random.getstate()
    undo.append(lambda: random.setstate(python_state))
    return undo


def _module(module: nn.Module, held: list[torch.Tensor]) -> Undo:
    """Attributes by identity, and what containers and arrays among them hold (hooks are such a container).

    Tensors among them are added to `held`, to be put back with the model's own.
    """
    if isinstance(module, torch.jit.ScriptModule):
        if not hasattr(module, "training"):  # frozen: it is what it is
            return lambda: None
        training = module.training
        return lambda: _ignore(module.train(training))
    kind = type(module)
    attributes = dict(module.__dict__)
    contents: list[Undo] = []
    for name, value in attributes.items():
        _contents(value, contents, held if name not in ("_parameters", "_buffers") else [], DEEPEST)

    def put_back() -> None:
        if type(module) is not kind:
            module.__class__ = kind
        module.__dict__.clear()
        module.__dict__.update(attributes)
        for refill in contents:
            refill()

    return put_back


def _contents(value: Any, contents: list[Undo], held: list[torch.Tensor], depth: int) -> None:
    """Note what undoes a change to a container, to what is in it, or to an array; collect the tensors."""
    if isinstance(value, torch.Tensor):
        if not is_lazy(value):
            held.append(value)
    elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
        contents.append(_array(value))
    elif isinstance(value, dict | list | set | deque):
        contents.append(_container(value))
        if depth:
            for part in value.values() if isinstance(value, dict) else value:
                _contents(part, contents, held, depth - 1)


def _array(array: np.ndarray) -> Undo:
    before = array.copy()

    def put_back() -> None:
        if array.tobytes() != before.tobytes():
            array[...] = before

    return put_back


def _ignore(value: object) -> None:
    """Nothing, of anything."""


def _container(holder: Any) -> Undo:
    before = holder.copy()
    return lambda: _refill(holder, before)


def _refill(holder: Any, before: Any) -> None:
    if isinstance(holder, list):
        holder[:] = before
    elif isinstance(holder, deque):
        holder.clear()
        holder.extend(before)
    else:
        holder.clear()
        holder.update(before)


def _tensor(tensor: torch.Tensor) -> Undo:
    """requires_grad, grad (the object and its bytes) and hooks of one tensor."""
    wanted = tensor.requires_grad
    gradient = tensor.grad if tensor.is_leaf else None
    values = None if gradient is None else gradient.detach().clone()
    hooks = getattr(tensor, "_backward_hooks", None)
    kept = None if hooks is None else hooks.copy()

    def put_back() -> None:
        if tensor.is_leaf:
            if tensor.requires_grad != wanted:
                tensor.requires_grad_(wanted)
            tensor.grad = gradient
        if gradient is not None and values is not None and not _same(gradient, values):
            gradient.detach().copy_(values)
        if hooks is not None:
            _refill(hooks, kept)
        elif getattr(tensor, "_backward_hooks", None):
            tensor._backward_hooks.clear()  # type: ignore[union-attr]

    return put_back


def _values(tensors: list[torch.Tensor]) -> Undo:
    """The bytes of the tensors: copied where they fit, watched by their version counters where not."""
    real = [tensor for tensor in tensors if tensor.device.type != "meta" and not tensor.is_inference()]
    if sum(tensor.numel() * tensor.element_size() for tensor in real) > COPY_LIMIT:
        return _watch(real)
    storages = [tensor.data for tensor in real]
    copies = [tensor.detach().clone() for tensor in real]

    def put_back() -> None:
        for tensor, storage, copy in zip(real, storages, copies, strict=True):
            if tensor.layout != torch.strided or copy.layout != torch.strided:
                if not _same(tensor, copy):
                    tensor.data = copy
                continue
            if tensor.data_ptr() != storage.data_ptr() or tensor.shape != storage.shape:
                tensor.data = storage
            if not _same(tensor, copy):
                with torch.no_grad():
                    storage.copy_(copy)

    return put_back


def _watch(tensors: list[torch.Tensor]) -> Undo:
    versions = [tensor._version for tensor in tensors]

    def check() -> None:
        changed = sum(tensor._version != old for tensor, old in zip(tensors, versions, strict=True))
        if changed:
            raise ModelChanged(
                f"{changed} of {len(tensors)} weights were written to while the model was looked at; "
                "they are too large to be copied beforehand, so reload them"
            )

    return check


def _same(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Equal bit for bit: NaN equals NaN, and 0.0 does not equal -0.0."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if left.layout != right.layout:
        return False
    if left.layout == torch.sparse_coo:
        pairs = zip(_parts(left.detach()), _parts(right), strict=True)
        return all(_same(one, other) for one, other in pairs)
    if left.layout != torch.strided or left.is_quantized:
        return bool(torch.equal(left.detach(), right))
    try:
        a = left.detach().contiguous().reshape(-1).view(torch.uint8)
        b = right.contiguous().reshape(-1).view(torch.uint8)
    except RuntimeError:
        return bool(torch.equal(left.detach(), right))
    return bool(torch.equal(a, b))


def _parts(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The indices and values of a sparse tensor."""
    whole = tensor.coalesce()
    return whole.indices(), whole.values()
