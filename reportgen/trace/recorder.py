"""Watches one forward pass: hooks tell the hierarchy, two modes the operations and the kernels."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from reportgen.trace.arguments import aliases, kernel_name, settings, swapped
from reportgen.trace.batch import Rows, rows_of
from reportgen.trace.fakes import Fakes
from reportgen.trace.families import operation_family, operation_name
from reportgen.trace.flops import count
from reportgen.trace.gradients import reached
from reportgen.trace.layers import Catalogue
from reportgen.trace.memory import Memory
from reportgen.trace.modes import watched
from reportgen.trace.record import Cost, Record, add
from reportgen.trace.steps import Step, TensorInfo, is_square
from reportgen.trace.tensors import info, tensors, tensors_in, version
from reportgen.trace.usage import Usage

MOST_STEPS = 200_000  # a loop over pixels or words runs millions, which no picture shows and no memory holds
SWEEP = 50_000  # storages known, after which those that are gone are forgotten


@dataclasses.dataclass
class _Open:
    """A module call that has not returned, and the tensors it was given, with their versions.

    Its costs go to `step`, and `within` is the innermost open step: itself where it is `kept`.
    """

    path: str
    step: int
    within: int
    kept: bool
    leaf: bool
    given: list[torch.Tensor]
    versions: list[int]


_PRODUCTS = (torch.ops.aten.bmm.default, torch.ops.aten.baddbmm.default)


class Recorder:
    """What one forward pass does. The record stays good after an exception."""

    def __init__(
        self, catalogue: Catalogue, fake: Fakes | None = None, *, most_steps: int = MOST_STEPS
    ) -> None:
        """`fake` stands in for the real tensors that kernels are given: weights, constants.

        After `most_steps` steps, operations and calls add their costs to the steps that are there, and of
        those no more are kept but inputs, outputs and each layer's first call.
        """
        self._fake = fake
        self._last: dict[str, int] = {}  # the last step of each layer
        self.record = Record(most_steps)
        self.known = 0
        self.unknown: dict[str, int] = {}
        self.reached: set[str] | None = None
        self.autograd = 0
        self.failed: tuple[BaseException, str] | None = None
        self.rows: Rows | None = None
        self.producers = self.record.producers
        self.memory = Memory(self.producers.key)
        self.usage = Usage(catalogue.tensors, self.producers.key)
        self._sweep = SWEEP
        self._catalogue = catalogue
        self._layers = {layer.path: layer for layer in catalogue.layers if not layer.alias_of}
        self._stack: list[_Open] = []
        self._leaves = 0  # how many of the open calls are leaves
        self._busy = False  # an operation is running, and its kernels are its own
        self._paused = False
        self._pending: list[Cost] = []  # of the kernels of the operation that is running

    # --- running ------------------------------------------------------------------------------------

    def play(self, given: list[torch.Tensor], names: list[str], forward: Callable[[], Any]) -> None:
        """Watch a forward pass on these named tensors. Raises what it raises."""
        for name, tensor in zip(names, given, strict=True):
            seen = info(tensor)
            step = self._step("input", name, "", family="input", outputs=(seen,))
            self.producers.set(tensor, step.index)
            self.memory.ignore(tensor)
        with watched(self, self._catalogue.modules):
            self.enter("", given)
            out = None
            try:
                out = forward()
            finally:
                self.leave("", out)
        self._outputs(out)
        self.rows = rows_of(out)
        if torch.is_grad_enabled():
            self.reached, self.autograd = reached(out, self.usage.names, self.usage.unwatched)

    def _outputs(self, out: Any) -> None:
        for name, tensor in tensors_in(out):
            self.memory.keep(tensor)
            seen = info(tensor)
            named = f"output{name}" if name.startswith("[") else name or "output"
            step = self._step("output", named, "", family="output", inputs=(seen,))
            self.record.link([tensor], step, [seen])

    # --- the hierarchy ---------------------------------------------------------------------------------

    def enter(self, path: str, given: Any) -> None:
        """A module is called."""
        with torch._C.DisableTorchFunction():
            layer = self._layers[path]
            found = tensors(given)
            kept = not self.record.full or path not in self._last
            if not kept:
                step = self.record.steps[self._last[path]]
                step.further += 1
                self.record.leave_out()
                within = self._stack[-1].within
            else:
                step = self._step(
                    "call", path, path, family=layer.family, inputs=tuple(info(tensor) for tensor in found),
                    type=layer.type, settings=layer.settings, leaf=layer.leaf,
                )  # fmt: skip
                within = self._last[path] = step.index
                if layer.leaf and not self._leaves:
                    self.record.link(found, step)
            versions = [version(tensor) for tensor in found]
            self._stack.append(_Open(path, step.index, within, kept, layer.leaf, found, versions))
            self._leaves += layer.leaf

    def leave(self, path: str, out: Any) -> Any:
        """A module has returned `out`, or raised. Returns what is to be passed on, None for `out` itself."""
        with torch._C.DisableTorchFunction():
            if not any(call.path == path for call in self._stack):
                return None
            raised = sys.exception()
            if raised is not None and (self.failed is None or self.failed[0] is not raised):
                self.failed = (raised, self._stack[-1].path)
            while True:
                call = self._stack.pop()
                self._leaves -= call.leaf
                if call.kept:
                    self.record.steps[call.step].end = len(self.record.steps)
                if call.path == path:
                    break
            found = tensors(out)
            if not call.kept:
                return None
            self.record.steps[call.step].outputs = tuple(info(tensor) for tensor in found)
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
        if self._leaves or self._busy or not self._stack or self.record.full:
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
            add(self.record.steps[self._stack[-1].step], kernels)
            return
        bare = operation_name(name)
        step = self._step(
            "op", bare, self._stack[-1].path, family=operation_family(bare),
            settings=settings(bare, *arguments), inputs=tuple(seen for seen, _ in before), type=bare,
            outputs=tuple(info(tensor) for tensor in made),
        )  # fmt: skip
        add(step, kernels)
        self.record.link(given, step, [seen for seen, _ in before])
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
        alone = bool(self._stack) and not self._busy and not self._leaves and not self.record.full
        with torch._C.DisableTorchFunction():
            # A kernel that no function of torch was called for: a custom autograd function, a script.
            before = [(info(t), version(t)) for t in given] if alone else []
            for tensor in given:
                self.usage.read(tensor)
        counted = (
            args,
            kwargs,
        )  # as they are given: a sparse weight knows how many values it holds, its stand-in not
        if self._fake is not None:
            # The mode would convert them too, but then finds nothing in its cache of shapes.
            args, kwargs = swapped(args, self._fake), swapped(kwargs, self._fake)
        # Calling a kernel from Python passes the function mode again, where it is no operation.
        busy, self._busy = self._busy, True
        try:
            out = self._fake.result(func, args) if self._fake is not None else None
            if out is None:
                out = func(*args, **kwargs)
        finally:
            self._busy = busy
        with torch._C.DisableTorchFunction():
            product = self._leaves > 0 and func in _PRODUCTS and all(map(self.memory.holds, given))
            made = self.memory.kernel(given, tensors(out), aliased=aliases(func))
            if len(self.producers) > self._sweep:
                self.memory.forget(self.producers.forget_dead())
                self._sweep = SWEEP + 2 * len(self.producers)
            self._count(func, *counted, out, made)
            if made and self._leaves:
                self._squares(out, product=product)
            if alone:
                self._note(kernel_name(func), (args, kwargs), given, before, out)
        return out

    def _squares(self, out: Any, *, product: bool) -> None:
        """Note what a leaf makes that has a value for every pair of positions, from the first product on."""
        step = self.record.steps[self._stack[-1].step]
        if not product and not step.squares:
            return
        found = tuple(seen for seen in map(info, tensors(out)) if is_square(seen))
        step.squares += found

    def _count(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, made: int) -> None:
        try:
            flops = count(func, args, kwargs, out)
        except Exception:  # noqa: BLE001 - a formula that does not fit these arguments knows nothing of them
            flops = None
        if flops is None:
            name = kernel_name(func)
            self.unknown[name] = self.unknown.get(name, 0) + 1
        elif flops:
            self.known += 1
        if not self._leaves and not self.record.full:
            self._pending.append((flops, made))
        elif self._stack:
            if not self._leaves:
                self.record.leave_out()
            add(self.record.steps[self._stack[-1].step], [(flops, made)])

    def _step(self, kind: Any, name: str, path: str, **more: Any) -> Step:
        return self.record.step(kind, name, path, self._stack[-1].within if self._stack else -1, **more)
