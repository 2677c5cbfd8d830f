"""The trace on more than two hundred architectures of four libraries: python -m benchmarks.architectures [NAME ...]."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from benchmarks.measure import table
from reportgen.units import show

WORKERS = 2
PER_WORKER = 12  # models that one process traces before the next takes over
MOST_NODES = 60


@dataclass(frozen=True)
class Result:
    """What became of one model; `problems` are what the trace did wrong, `unbuilt` why there was no model."""

    library: str
    name: str
    unbuilt: str = ""
    problems: tuple[str, ...] = ()
    how: str = ""
    why: str = ""
    parameters: int = 0
    flops: int | None = None
    unknown: int = 0
    nodes: int = 0
    rows: int = 0
    seconds: float = 0.0


def main() -> None:
    wanted = sys.argv[1:]
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1")
    results = []
    for result in _results(wanted):
        results.append(result)
        print(_line(result), flush=True)
    print(f"\n{_totals(results)}")
    for result in results:
        if result.unbuilt:
            print(f"not built: {result.library} {result.name}: {result.unbuilt}")
        if result.how == "real":
            print(f"not with fake tensors: {result.library} {result.name}: {result.why}")
    failed = [result for result in results if result.problems]
    for result in failed:
        print(f"FAILED: {result.library} {result.name}: {'; '.join(result.problems)}")
    sys.exit(1 if failed or not results else 0)


def _results(wanted: list[str]) -> Iterator[Result]:
    from benchmarks._zoo import names

    jobs = [(library, name) for library, found in names().items() for name in found]
    jobs = [job for job in jobs if not wanted or job[0] in wanted or job[1] in wanted]
    with get_context("spawn").Pool(WORKERS, maxtasksperchild=PER_WORKER) as pool:
        yield from pool.imap(_one, jobs)


def _line(result: Result) -> str:
    name = f"{result.library:<16}{result.name:<26}"
    if result.unbuilt:
        return f"{name}not built: {result.unbuilt[:90]}"
    flops = "unknown" if result.flops is None else show(result.flops, "FLOPs")
    unknown = f" ({result.unknown} unknown)" if result.unknown else ""
    said = "FAILED" if result.problems else "ok"
    return (
        f"{name}{show(result.parameters, 'count'):>8} params  {flops + unknown:>24}  {result.nodes:>3} nodes  "
        f"{result.rows:>5} rows  {result.how:<5} {result.seconds:>6.2f} s  {said}"
    )


def _totals(results: list[Result]) -> str:
    rows = [["library", "models", "built", "ok", "fake", "real", "all FLOPs known", "median", "slowest"]]
    for library in dict.fromkeys(result.library for result in results):
        mine = [result for result in results if result.library == library]
        built = [result for result in mine if not result.unbuilt]
        times = sorted(result.seconds for result in built) or [0.0]
        rows.append([
            library, str(len(mine)), str(len(built)), str(sum(not r.problems for r in built)),
            str(sum(r.how == "fake" for r in built)), str(sum(r.how == "real" for r in built)),
            str(sum(r.flops is not None and not r.unknown for r in built)),
            f"{times[len(times) // 2]:.2f} s", f"{times[-1]:.2f} s",
        ])  # fmt: skip
    return table(rows)


# --- in a process of its own --------------------------------------------------------------------------


def _one(job: tuple[str, str]) -> Result:
    import warnings

    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    from benchmarks._zoo import build

    library, name = job
    try:
        model, inputs = build(library, name)
    except Exception as error:  # noqa: BLE001 - whatever a library raises is the reason it is listed with
        return Result(library, name, unbuilt=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
    try:
        result = _traced(library, name, model, inputs)
        refusal = _refusal(model, inputs) if result.problems and not result.flops else ""
        return Result(library, name, unbuilt=refusal) if refusal else result
    except Exception as error:  # noqa: BLE001 - a crash of ours is a failure of this model alone
        return Result(library, name, problems=(f"raised {type(error).__name__}: {error}"[:300],))


def _refusal(model: Any, inputs: Any) -> str:
    """What the model's own forward pass raises on these inputs, or nothing."""
    import torch

    try:
        with torch.no_grad():
            model(*inputs.args, **inputs.kwargs)
    except Exception as error:  # noqa: BLE001 - a model that does not run was not built rightly
        return f"its own forward pass raises {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return ""


def _traced(library: str, name: str, model: Any, inputs: Any) -> Result:
    from reportgen.trace import picture, table, trace

    before = _state(model)
    start = time.perf_counter()
    seen = trace(model, inputs)
    graph, rows = picture(seen), table(seen)
    seconds = time.perf_counter() - start
    problems = []
    if not seen.complete:
        problems.append(f"the trace did not end: {'; '.join(seen.failures)}")
    if graph is None or not 0 < len(graph.nodes) <= MOST_NODES:
        problems.append(f"the picture has {len(graph.nodes) if graph else 0} nodes")
    unique = sum(p.numel() for p in {id(p): p for p in model.parameters()}.values())
    if seen.totals.parameters != unique:
        problems.append(f"{seen.totals.parameters:,} parameters where {unique:,} are unique")
    if _state(model) != before:
        problems.append("the model was changed")
    elif seen.complete and not seen.unknown:
        problems += _compared(model, inputs, seen.flops)
    return Result(
        library, name, "", tuple(problems), seen.how, "; ".join(seen.failures), unique, seen.flops,
        sum(count for _, count in seen.unknown), len(graph.nodes) if graph else 0, len(rows.rows), seconds,
    )  # fmt: skip


def _compared(model: Any, inputs: Any, flops: int | None) -> list[str]:
    """FLOPs beside those of PyTorch's own counter, which sees no attention on the CPU and no recurrence."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode

    attention = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
    recurrent = any(isinstance(module, torch.nn.RNNBase) for module in model.modules())
    counter = FlopCounterMode(display=False)
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    try:
        own = inputs.map(mode.from_tensor)
        with torch.no_grad(), attention, mode, counter:
            model(*own.args, **own.kwargs)
    except Exception:  # noqa: BLE001 - nothing to compare with where its own way does not run
        return []
    theirs = counter.get_total_flops()
    if recurrent or theirs == flops:
        return []
    return [f"{flops:,} FLOPs where PyTorch's counter has {theirs:,}"]


def _state(model: Any) -> str:
    """A digest of all values, flags, hooks and attributes that a trace could have left something on."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        digest.update(
            f"{name} {tensor.shape} {tensor.dtype} {tensor.requires_grad} {tensor.grad is None}".encode()
        )
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    for name, module in model.named_modules():
        hooks = len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
        own = sorted(f"{key}:{type(value).__name__}" for key, value in vars(module).items())
        digest.update(f"{name} {module.training} {hooks} {own}".encode())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
