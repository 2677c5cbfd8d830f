"""What a trace holds: layers, steps in order of execution, links between them. Plain data, no tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

How = Literal["fake", "meta", "real", "program", "static"]


@dataclass(frozen=True)
class TensorInfo:
    """A tensor's shape, dtype (`float32`) and size in bytes."""

    shape: tuple[int, ...]
    dtype: str
    bytes: int


@dataclass(frozen=True)
class Weight:
    """A parameter or buffer where it is registered.

    `numel` is None while it is lazy. `tied_to` is the name it was met under before: it is the same
    tensor and not counted again.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    numel: int | None
    bytes: int
    trainable: bool
    tied_to: str = ""
    saved: bool = True


@dataclass(frozen=True)
class Layer:
    """A module at its place in the hierarchy; "" is the path of the root.

    `alias_of` is the path that the very module was met under before. `registered` is False for a
    module in a plain list or dict, which `parameters()` and `state_dict()` don't see. A `leaf` is
    drawn as one node, whatever it does inside. Of a `scripted` one no calls are seen.
    """

    path: str
    depth: int
    type: str
    settings: str
    family: str
    leaf: bool
    parent: str = ""
    weights: tuple[Weight, ...] = ()
    buffers: tuple[Weight, ...] = ()
    alias_of: str = ""
    registered: bool = True
    quantized: bool = False
    scripted: bool = False
    signature: tuple[str, ...] = ()

    @property
    def own(self) -> tuple[Weight, ...]:
        """The parameters counted here: those not tied to an earlier one."""
        return tuple(weight for weight in self.weights if not weight.tied_to)


@dataclass
class Step:
    """One thing that happened: an input arrived, a module was called, an operation ran, an output left.

    Steps are numbered as they begin, so a call's inner steps are `index + 1 .. end - 1`. `flops` are
    those of the step's own kernels, its inner steps' apart, `unknown` says how many kernels had no
    formula, and `made` how many bytes of new tensors they made (views and in-place results are none).
    `fed`: how many of its inputs other steps made. `squares`: of a leaf, the square tensors that its kernels
    made from a product of two activations on. `further`: calls after the last step that is kept, which count
    in this one.
    `path` is the module's (of an operation: the module whose forward ran it).
    """

    index: int
    kind: Literal["input", "call", "op", "output"]
    name: str
    path: str
    parent: int
    type: str = ""
    settings: str = ""
    family: str = "other"
    leaf: bool = True
    inputs: tuple[TensorInfo, ...] = ()
    outputs: tuple[TensorInfo, ...] = ()
    end: int = 0
    flops: int = 0
    unknown: int = 0
    made: int = 0
    fed: int = 0
    squares: tuple[TensorInfo, ...] = ()
    further: int = 0


@dataclass(frozen=True)
class Link:
    """A tensor made by the step `source` and used by the step `target`, as it was when used."""

    source: int
    target: int
    tensor: TensorInfo


@dataclass(frozen=True)
class Totals:
    """Sums over the unique parameters and buffers of a model; `bytes` is what its state dict holds."""

    parameters: int
    trainable: int
    buffers: int
    bytes: int
    lazy: int
    packed: int

    @property
    def all(self) -> int:
        """Parameters and the packed weights of quantized layers, which are none."""
        return self.parameters + self.packed


@dataclass(frozen=True)
class Census:
    """How many modules are layers, hold layers, are parts of a layer that is counted as one, or stand here again."""

    layers: int
    holders: int
    parts: int
    again: int


@dataclass(frozen=True)
class Trace:
    """A model seen from outside, and its forward pass as far as it went.

    `how`: what it was run with; `failures`: why what was tried before did not do. `error` and
    `error_path`: what the run raised and in which module ("" is the root, None when nothing was).
    `batch`: the samples in the inputs, 0 where nothing says how many they are: then figures are of the whole
    input. `known`: kernels whose FLOPs are counted; `unknown`: names and
    numbers of those without a formula. `peak`: bytes of the tensors made by the forward pass that are
    needed at one time, when each is freed after its last use. `used`: the weights that any kernel read;
    `reached`: those that a gradient of the outputs comes to, None where that was not seen; `autograd`: how many
    nodes the gradient's graph has. `training`: where some weights were not used, those that a pass in training mode
    read, as far as it came before `training_error`; None where there was none. `kept`: paths of the layers that keep
    tensors beside their parameters and buffers. `shaped`: paths of the layers that were lazy and got their shapes from
    the inputs. `cut`: after how many steps no more were kept, 0 where all are.
    """

    layers: tuple[Layer, ...]
    how: How = "static"
    failures: tuple[str, ...] = ()
    error: str = ""
    error_path: str | None = None
    inputs: str = ""
    batch: int = 0
    steps: tuple[Step, ...] = ()
    links: tuple[Link, ...] = ()
    known: int = 0
    unknown: tuple[tuple[str, int], ...] = ()
    peak: int | None = None
    used: frozenset[str] = field(default_factory=frozenset)
    reached: frozenset[str] | None = None
    autograd: int = 0
    training: frozenset[str] | None = None
    training_error: str = ""
    kept: frozenset[str] = field(default_factory=frozenset)
    shaped: frozenset[str] = field(default_factory=frozenset)
    cut: int = 0

    @property
    def complete(self) -> bool:
        """Whether a forward pass ran to its end."""
        return self.how != "static" and not self.error

    @cached_property
    def census(self) -> Census:
        """What the modules are."""
        within: set[str] = set()  # layers, and what is inside them
        layers = holders = parts = again = 0
        for layer in self.layers:
            inside = bool(layer.path) and layer.parent in within
            if layer.alias_of:
                again += 1
            elif inside:
                parts += 1
            elif layer.leaf:
                layers += 1
            else:
                holders += 1
            if (inside or layer.leaf) and not layer.alias_of:
                within.add(layer.path)
        return Census(layers, holders, parts, again)

    @cached_property
    def by_path(self) -> dict[str, Layer]:
        """Each layer under its path."""
        return {layer.path: layer for layer in self.layers}

    @cached_property
    def root(self) -> int | None:
        """The step that is the call of the whole model."""
        return next((step.index for step in self.steps if step.kind == "call" and not step.path), None)

    @cached_property
    def calls(self) -> dict[str, list[Step]]:
        """Each module's calls, in order."""
        found: dict[str, list[Step]] = {}
        for step in self.steps:
            if step.kind == "call":
                found.setdefault(step.path, []).append(step)
        return found

    @cached_property
    def totals(self) -> Totals:
        """Sums over unique parameters and buffers, those of unregistered modules left out."""
        parameters = [w for layer in self.layers if layer.registered for w in layer.own]
        buffers = [w for layer in self.layers if layer.registered for w in layer.buffers if not w.tied_to]
        real = [weight for weight in parameters if not weight.name.endswith(PACKED)]
        return Totals(
            parameters=sum(w.numel or 0 for w in real),
            trainable=sum(w.numel or 0 for w in real if w.trainable),
            buffers=sum(w.numel or 0 for w in buffers),
            bytes=sum(w.bytes for w in (*parameters, *buffers) if w.saved),
            lazy=sum(w.numel is None for w in real),
            packed=sum(w.numel or 0 for w in parameters) - sum(w.numel or 0 for w in real),
        )

    @cached_property
    def parameters_by_path(self) -> dict[str, int]:
        """Unique parameters (packed ones too) of each layer and all that is inside it."""
        own = {layer.path: sum(w.numel or 0 for w in layer.own) for layer in self.layers}
        return self._rolled_up(own, registered=True)

    @cached_property
    def flops_by_path(self) -> dict[str, int]:
        """FLOPs (2 a multiply-add) of each layer and all that is inside it, for the whole batch."""
        return self._rolled_up(self._summed(lambda step: step.flops))

    @cached_property
    def made_by_path(self) -> dict[str, int]:
        """Bytes of the tensors that each layer and all that is inside it make, for the whole batch."""
        return self._rolled_up(self._summed(lambda step: step.made))

    @cached_property
    def unknown_by_path(self) -> dict[str, int]:
        """How many kernels without a formula ran in each layer and all that is inside it."""
        return self._rolled_up(self._summed(lambda step: step.unknown))

    @property
    def flops(self) -> int | None:
        """FLOPs of one forward pass of the whole batch; None where no complete pass was seen."""
        return sum(step.flops for step in self.steps) if self.complete else None

    def _summed(self, figure: Callable[[Step], int]) -> dict[str, int]:
        """A figure of the steps summed over each layer's own, those inside it apart."""
        own = {layer.path: 0 for layer in self.layers}
        for step in self.steps:
            own[step.path] = own.get(step.path, 0) + figure(step)
        return own

    def _rolled_up(self, own: dict[str, int], *, registered: bool = False) -> dict[str, int]:
        """Sums over the hierarchy; with `registered`, what no parent knows of does not count in it."""
        total = dict(own)
        for layer in reversed(self.layers):
            apart = registered and not layer.registered and self.by_path[layer.parent].registered
            if layer.path and not apart:
                total[layer.parent] += total[layer.path]
        return total

    def inside(self, index: int) -> Iterator[Step]:
        """The steps directly inside a call; none for a leaf."""
        if self.steps[index].leaf:
            return
        at = index + 1
        while at < self.steps[index].end:
            yield self.steps[at]
            at = self.steps[at].end


PACKED = "(packed)"  # the suffix of a quantized layer's weights, which are no parameters


FEWEST = 16  # positions below which a square is small whatever is done


def is_square(tensor: TensorInfo) -> bool:
    """Whether a tensor of three or more axes has a value for every pair of something."""
    return len(tensor.shape) >= 3 and tensor.shape[-1] == tensor.shape[-2] >= FEWEST


def per_sample(value: int | None, trace: Trace) -> int | float | None:
    """A figure of the whole batch for one sample, or as it is where it is not known of how many; None where unknown."""
    if value is None or trace.batch < 1:
        return value
    return value // trace.batch if value % trace.batch == 0 else value / trace.batch


def batch_text(trace: Trace) -> str:
    """What a pass was of."""
    if not trace.batch:
        return "the whole input"
    return "one sample" if trace.batch == 1 else f"a batch of {trace.batch}"


def of_what(text: str, trace: Trace) -> str:
    """What is said of figures `a sample`, of a pass of which it is not known how many samples it was of."""
    return text if trace.batch else text.replace("a sample", "of the whole input")


def shape_text(tensor: TensorInfo, batch: int) -> str:
    """`16×8×8`, without the batch dimension where the first is one."""
    shape = tensor.shape[1:] if tensor.shape and tensor.shape[0] == batch else tensor.shape
    return "×".join(map(str, shape)) or ("1" if tensor.shape else "scalar")
