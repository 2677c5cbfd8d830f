"""Environment: what the report was made with, and from what."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from reportgen.errors import RAISED, one_line
from reportgen.gitinfo import commit
from reportgen.machine import cores, processor
from reportgen.report import Code, Column, Fact, Facts, Row, Section, Table
from reportgen.units import show

if TYPE_CHECKING:
    from torch import nn

    from reportgen.experiment import Experiment, Options

PACKAGES = (
    "reportgen", "torch", "numpy", "captum", "lime", "scikit-learn", "scikit-image", "torchinfo",
    "matplotlib", "seaborn", "jinja2", "weasyprint", "pygraphviz", "pydantic", "safetensors",
)  # fmt: skip


def environment(experiment: Experiment, options: Options) -> Section:
    """Versions, hardware, git commit, weights digest, seed and command."""
    options.step("machine", 0, 3)
    machine = Facts(id="machine", title="Machine", facts=(*_system(), *_compute(experiment)))
    options.step("weights digest", 1, 3)
    origin = Facts(id="origin", title="Where it comes from", facts=_origin(experiment, options))
    options.step("versions", 2, 3)
    blocks: list[Facts | Table | Code] = [origin, machine, _versions()]
    if experiment.command:
        blocks.append(Code(id="command", title="Command", text=experiment.command, language="shell"))
    python = platform.python_version()
    summary = f"Python {python}, {_version('torch') or 'no torch'}, {platform.system()} {platform.machine()}."
    return Section(name="environment", title="Environment", summary=summary, blocks=tuple(blocks))


def _version(package: str) -> str:
    try:
        found = version(package)
    except PackageNotFoundError:
        return ""
    return f"{package} {found}" if package == "torch" else found


def _versions() -> Table:
    rows = []
    for package in PACKAGES:
        found = _version(package).removeprefix("torch ")
        rows.append(Row(cells=(package, found or "not installed")))
    columns = (Column(name="Package"), Column(name="Version"))
    return Table(id="versions", title="Versions", columns=columns, rows=tuple(rows))


def _system() -> tuple[Fact, ...]:
    return (
        Fact(label="System", value=f"{platform.system()} {platform.release()} ({platform.machine()})"),
        Fact(label="Python", value=f"{platform.python_implementation()} {platform.python_version()}"),
        Fact(label="Processor", value=processor()),
        Fact(label="Cores", value=cores(), note="that this process may use"),
        Fact(label="Memory", value=_memory(), unit="bytes"),
    )


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _compute(experiment: Experiment) -> tuple[Fact, ...]:
    if experiment.model is None:
        return ()
    import torch

    facts = [
        Fact(label="Threads", value=torch.get_num_threads(), note="of torch, within an operation"),
        Fact(
            label="Kernels",
            value=torch.backends.cpu.get_cpu_capability(),
            note="vector instructions of torch on the CPU; others round the last digits of floats differently",
        ),
        Fact(label="Ran on", value=experiment.device),
    ]
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        facts.append(Fact(label=f"GPU {index}", value=f"{card.name}, {show(card.total_memory, 'bytes')}"))
    return tuple(facts)


def _origin(experiment: Experiment, options: Options) -> tuple[Fact, ...]:
    facts = [
        Fact(label="Seed", value=options.seed),
        Fact(label="Git commit", value=commit() or None, note="of the folder it was made in"),
    ]
    if experiment.weights is not None:
        note = "; ".join(experiment.weights.notes)
        facts.append(Fact(label="Weights file", value=experiment.weights.name, note=note))
        facts.append(Fact(label="SHA-256 of the file", value=experiment.weights.sha256))
    if experiment.model is not None:
        try:
            tensors = len(experiment.model.state_dict())
            digest = weights_digest(experiment.model)
            note = (
                f"SHA-256 over the names, shapes, dtypes and bytes of {tensors} tensors in state_dict order"
            )
        except RAISED as error:  # a class's own tensors or state_dict
            digest, note = None, f"the weights can't be read: {one_line(error, 200)}"
        facts.append(Fact(label="Weights digest", value=digest, note=note))
    return tuple(facts)


def weights_digest(model: nn.Module) -> str | None:
    """SHA-256 over name, shape, dtype and bytes of every tensor of the state dict; None where it has no values.

    Raises what a class of tensors raises that shows none.
    """
    import torch
    from torch.nn.parameter import is_lazy

    from reportgen.dense import parts, sizes

    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        if not isinstance(value, torch.Tensor):
            digest.update(f"{name}:{type(value).__name__};".encode("utf-8", "surrogatepass"))
            continue
        if value.device.type == "meta" or is_lazy(value):
            return None
        head = f"{name}:{sizes(value)}:{value.dtype};"
        digest.update(head.encode("utf-8", "surrogatepass"))
        for part in parts(value):
            raw = part.resolve_conj().cpu().contiguous().reshape(-1).view(torch.uint8)
            digest.update(raw.numpy().data)
    return digest.hexdigest()
