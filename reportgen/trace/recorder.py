"""Watches one forward pass: hooks tell the hierarchy, two modes the operations and the kernels."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from reportgen.trace.fakes import Fakes
from reportgen.trace.families import operation_family, operation_name
from reportgen.trace.flops import count
from reportgen.trace.layers import Catalogue
from reportgen.trace.memory import Memory
from reportgen.trace.modes import Kernels, Operations
from reportgen.trace.steps import Layer, Link, Step, TensorInfo
from reportgen.trace.tensors import Producers, info, tensors, tensors_in, version


@dataclasses.dataclass
class _Open:
    """A module call that has not returned: its step and the tensors it was given, with their versions."""

    step: int
    leaf: bool
    given: list[torch.Tensor]
    versions: list[int]


_Cost = tuple[int | None, int]  # of one kernel: FLOPs, None without a formula, and the bytes it made


class Recorder:
    """What one forward pass does. Use `watching()` around it; the record stays good after an exception."""

    def __init__(self, catalogue: Catalogue, fake: Fakes | None = None) -> None:
        """`fake` stands in for the real tensors that kernels are given: weights, constants."""
        self._fake = fake
        self.steps: list[Step] = []
        self.links: list[Link] = []
        self.known = 0
        self.unknown: dict[str, int] = {}
        self.used: set[str] = set()
        self.reached: set[str] | None = None
        self.autograd = 0
        self.failed: tuple[BaseException, str] | None = None
        self.producers = Producers()
        self.memory = Memory(self.producers.key)
        self._catalogue = catalogue
        self._layers: dict[str, Layer] = {
            layer.path: layer for layer in catalogue.layers if not layer.alias_of
        }
        self._stack: list[_Open] = []
        self._leaves = 0  # how many of the open calls are leaves
        self._busy = False  # an operation is running, and its kernels are its own
        self._paused = False
        self._pending: list[_Cost] = []  # of the kernels of the operation that is running
        self._weights = {id(tensor): name for name, tensor in catalogue.tensors.items()}
        self._stores: dict[int, list[str]] = {}
        for name, tensor in catalogue.tensors.items():
            key = self.producers.key(tensor) if not torch.nn.parameter.is_lazy(tensor) else None
            if key is not None:
                self._stores.setdefault(key, []).append(name)

    # --- running ------------------------------------------------------------------------------------

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Hooks on every module and both modes on; all of it is taken off again, whatever happens."""
        handles: list[Any] = []
        try:
            for path, module in self._catalogue.modules.items():
                # The root is called by us, and a scripted module's inner ones are not Python.
                if path and not isinstance(module, torch.jit.ScriptModule):
                    handles += self._hook(path, module)
            with Kernels(self), Operations(self):
                yield
        finally:
            for handle in handles:
                handle.remove()

    def _hook(self, path: str, module: nn.Module) -> list[Any]:
        return [
            module.register_forward_pre_hook(
                lambda _, args, kwargs: self.enter(path, (args, kwargs)), with_kwargs=True
            ),
            module.register_forward_hook(
                lambda _, args, kwargs, out: self.leave(path, out), with_kwargs=True, always_call=True
            ),
        ]

    def run(
        self, model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], names: list[str]
    ) -> None:
        """Call the model. `names` are those of the tensors in the call, in order. Raises what it raises."""
        self.play(tensors((args, kwargs)), names, lambda: model(*args, **kwargs))

    def play(self, given: list[torch.Tensor], names: list[str], forward: Callable[[], Any]) -> None:
        """Watch a forward pass on these named tensors. Raises what it raises."""
        for name, tensor in zip(names, given, strict=True):
            seen = info(tensor)
            step = self._step("input", name, "", family="input", outputs=(seen,))
            self.producers.set(tensor, step.index)
            self.memory.ignore(tensor)
        with self.watching():
            self.enter("", given)
            out = None
            try:
                out = forward()
            finally:
                self.leave("", out)
        self._outputs(out)
        if torch.is_grad_enabled():
            self._reach(out)

    def _reach(self, out: Any) -> None:
        """Which parameters a gradient of the outputs would come to, and how many nodes it would pass."""
        waiting = [tensor.grad_fn for tensor in tensors(out) if tensor.grad_fn is not None]
        seen, self.reached = set(waiting), set()
        # An output may be a parameter itself.
        self.reached.update(
            self._weights[id(t)] for t in tensors(out) if t.is_leaf and id(t) in self._weights
        )
        while waiting:
            node = waiting.pop()
            name = self._weights.get(id(getattr(node, "variable", None)))
            if name is not None:
                self.reached.add(name)
            further = {inner for inner, _ in node.next_functions if inner is not None} - seen
            seen |= further
            waiting += further
        self.autograd = len(seen)

    def _outputs(self, out: Any) -> None:
        for name, tensor in tensors_in(out):
            self.memory.keep(tensor)
            seen = info(tensor)
            made = self.producers.of(tensor)
            step = self._step(
                "output",
                f"output{name}" if name.startswith("[") else name or "output",
                "",
                family="output",
                inputs=(seen,),
            )
            if made is not None:
                self.links.append(Link(made, step.index, seen))

    # --- the hierarchy ---------------------------------------------------------------------------------

    def enter(self, path: str, given: Any) -> None:
        """A module is called."""
        with torch._C.DisableTorchFunction():
            layer = self._layers[path]
            found = tensors(given)
            step = self._step(
                "call", path, path, family=layer.family, inputs=tuple(info(tensor) for tensor in found),
                type=layer.type, settings=layer.settings, leaf=layer.leaf,
            )  # fmt: skip
            if layer.leaf and not self._leaves:
                self._link(found, step.index)
            self._stack.append(_Open(step.index, layer.leaf, found, [version(t) for t in found]))
            self._leaves += layer.leaf

    def leave(self, path: str, out: Any) -> Any:
        """A module has returned `out`, or raised. Returns what is to be passed on, None for `out` itself."""
        with torch._C.DisableTorchFunction():
            if not any(self.steps[call.step].path == path for call in self._stack):
                return None
            raised = sys.exception()
            if raised is not None and (self.failed is None or self.failed[0] is not raised):
                self.failed = (raised, self.steps[self._stack[-1].step].path)
            while True:
                call = self._stack.pop()
                self._leaves -= call.leaf
                self.steps[call.step].end = len(self.steps)
                if self.steps[call.step].path == path:
                    break
            found = tensors(out)
            self.steps[call.step].outputs = tuple(info(tensor) for tensor in found)
            return self._made(call, out, found) if call.leaf and not self._leaves else None

    def _made(self, call: _Open, out: Any, found: list[torch.Tensor]) -> Any:
        changed = [t for t, old in zip(call.given, call.versions, strict=True) if version(t) != old]
        for tensor in changed:
            self.producers.set(tensor, call.step, overwrite=True)
        for tensor in found:
            if not any(tensor is other for other in changed):
                if (
                    type(tensor) is not nn.Parameter
                    and tensor is out
                    and any(tensor is t for t in call.given)
                ):
                    # Identity and the like hand their input through. A new name for it tells the two
                    # branches apart that would otherwise both seem to come from here.
                    self._paused = True
                    tensor = out = torch.ops.aten.alias(out)
                    self._paused = False
                    self.producers.set(tensor, call.step)
                    return out
                self.producers.set(tensor, call.step)
        return None

    # --- operations ------------------------------------------------------------------------------------

    def operation(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a function of torch that was called outside the leaves, and note what it made of what."""
        if self._leaves or self._busy or not self._stack:
            return func(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            given = tensors((args, kwargs))
            before = [(info(t), version(t)) for t in given]
        self._busy, self._pending = True, []
        try:
            out = func(*args, **kwargs)
        finally:
            self._busy = False
        with torch._C.DisableTorchFunction():
            name = getattr(func, "__name__", type(func).__name__)
            self._note(name, (args, kwargs), given, before, out)
        return out

    def _note(
        self,
        name: str,
        arguments: tuple[tuple[Any, ...], dict[str, Any]],
        given: list[torch.Tensor],
        before: list[tuple[TensorInfo, int]],
        out: Any,
    ) -> None:
        kernels, self._pending = self._pending, []
        changed = [t for t, (_, old) in zip(given, before, strict=True) if version(t) != old]
        made = tensors(out)
        known = any(self.producers.of(tensor) is not None for tensor in given)
        if not known or (not changed and self._folds(given, made)):
            # Nothing of the input went in, or nothing but another view of it came out.
            _add(self.steps[self._stack[-1].step], kernels)
            return
        bare = operation_name(name)
        step = self._step(
            "op", bare, self.steps[self._stack[-1].step].path, family=operation_family(bare),
            settings=_settings(bare, *arguments), inputs=tuple(seen for seen, _ in before), type=bare,
            outputs=tuple(info(tensor) for tensor in made),
        )  # fmt: skip
        _add(step, kernels)
        self._link(given, step.index, [seen for seen, _ in before])
        for tensor in changed:
            self.producers.set(tensor, step.index, overwrite=True)
        for tensor in made:
            if not any(tensor is other for other in changed):
                self.producers.set(tensor, step.index)

    def _folds(self, given: list[torch.Tensor], made: list[torch.Tensor]) -> bool:
        """Whether all that was made are views of what was given; each is then its base's producer's."""
        bases = {self.producers.key(tensor): tensor for tensor in reversed(given)}
        found = [(tensor, bases.get(self.producers.key(tensor))) for tensor in made]
        if any(base is None for _, base in found):
            return False
        for tensor, base in found:
            step = self.producers.of(base) if base is not None else None
            if step is not None and tensor is not base:
                self.producers.set(tensor, step)
        return True

    # --- kernels ---------------------------------------------------------------------------------------

    def kernel(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a kernel and count it: FLOPs, memory, the weights it reads."""
        if self._paused:
            return func(*args, **kwargs)
        given = tensors((args, kwargs))
        alone = bool(self._stack) and not self._busy and not self._leaves
        with torch._C.DisableTorchFunction():
            # A kernel that no function of torch was called for: a custom autograd function, a script.
            before = [(info(t), version(t)) for t in given] if alone else []
            for tensor in given:
                self._use(tensor)
        if self._fake is not None:
            # The mode would convert them too, but then finds nothing in its cache of shapes.
            args, kwargs = _swap(args, self._fake), _swap(kwargs, self._fake)
        # Calling a kernel from Python passes the function mode again, where it is no operation.
        busy, self._busy = self._busy, True
        try:
            out = self._fake.result(func, args) if self._fake is not None else None
            if out is None:
                out = func(*args, **kwargs)
        finally:
            self._busy = busy
        with torch._C.DisableTorchFunction():
            made = self.memory.kernel(given, tensors(out), aliased=_aliases(func))
            self._count(func, args, kwargs, out, made)
            if alone:
                self._note(func._schema.name, (args, kwargs), given, before, out)
        return out

    def _use(self, tensor: torch.Tensor) -> None:
        name = self._weights.get(id(tensor))
        if name is not None:
            self.used.add(name)
        elif self._stores:
            key = self.producers.key(tensor)
            self.used.update(self._stores.get(key, ()) if key is not None else ())

    def _count(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, made: int) -> None:
        try:
            flops = count(func, args, kwargs, out)
        except Exception:  # noqa: BLE001 - a formula that does not fit these arguments knows nothing of them
            flops = None
        if flops is None:
            name = func._schema.name.removeprefix("aten::")
            self.unknown[name] = self.unknown.get(name, 0) + 1
        elif flops:
            self.known += 1
        if not self._leaves:
            self._pending.append((flops, made))
        elif self._stack:
            _add(self.steps[self._stack[-1].step], [(flops, made)])

    # --- small things ------------------------------------------------------------------------------------

    def _step(self, kind: Any, name: str, path: str, **more: Any) -> Step:
        parent = self._stack[-1].step if self._stack else -1
        step = Step(len(self.steps), kind, name, path, parent, end=len(self.steps) + 1, **more)
        self.steps.append(step)
        return step

    def _link(self, given: list[torch.Tensor], step: int, seen: list[TensorInfo] | None = None) -> None:
        linked: set[tuple[int, tuple[int, ...]]] = set()
        for number, tensor in enumerate(given):
            made = self.producers.of(tensor)
            what = seen[number] if seen is not None else info(tensor)
            if made is not None and (made, what.shape) not in linked:
                linked.add((made, what.shape))
                self.links.append(Link(made, step, what))


def _add(step: Step, kernels: list[_Cost]) -> None:
    """Put what kernels cost down to a step."""
    step.flops += sum(flops for flops, _ in kernels if flops is not None)
    step.unknown += sum(flops is None for flops, _ in kernels)
    step.made += sum(made for _, made in kernels)


def _swap(value: Any, fake: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A kernel's arguments with `fake` for every tensor; they nest no deeper than a list."""
    if isinstance(value, torch.Tensor):
        return fake(value)
    if isinstance(value, tuple | list):
        return type(value)(_swap(item, fake) for item in value)
    if isinstance(value, dict):
        return {key: _swap(item, fake) for key, item in value.items()}
    return value


def _aliases(func: Any) -> bool:
    """Whether a kernel returns what it was given: a view of it, or the same overwritten."""
    return any(result.alias_info is not None for result in func._schema.returns)


def _settings(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """The plain numbers among an operation's arguments, by name where they were named."""
    named = {key: value for key, value in kwargs.items() if value is not False and _plain(value)}
    if (
        name in ("softmax", "log_softmax", "cat", "stack")
        and len(args) > 1
        and "dim" not in named
        and _plain(args[1])
    ):
        named["dim"] = args[1]
    return ", ".join(f"{key}={value}" for key, value in named.items())[:80]


def _plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return len(value) <= 4 and all(isinstance(item, int | float) for item in value)
    return isinstance(value, int | float | str) and len(str(value)) <= 20
