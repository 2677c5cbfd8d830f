"""The Architecture section beside torchinfo, torchview and torchlens; its growth: python -m benchmarks.architecture."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import PEAK_UNIT, table
from reportgen.units import show

RUNS = 3
LIMIT = 600.0  # seconds that one run may take
CHILD = """
import resource, sys, time, warnings; sys.path[:0] = sys.argv[1:]
warnings.simplefilter("ignore")
import torch
{model}
start = time.perf_counter()
{imports}
imported = time.perf_counter()
{work}
done = time.perf_counter()
print("MEASURED", imported - start, done - imported, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, said)
"""
RESNET = """
from architectures import ResNet50
model, args, kwargs = ResNet50().eval(), (torch.zeros(1, 3, 224, 224),), {}
"""
VIT = """
from transformers import ViTConfig, ViTModel
model, args, kwargs = ViTModel(ViTConfig(), add_pooling_layer=False).eval(), (torch.zeros(1, 3, 224, 224),), {}
"""
# The mask in full and the positions: without them its own code reads values that meta tensors lack.
LLAMA = """
from transformers import LlamaConfig, LlamaForCausalLM
config = LlamaConfig(hidden_size=8192, num_hidden_layers=80, num_attention_heads=64, num_key_value_heads=8,
                     intermediate_size=28672, vocab_size=128256, tie_word_embeddings=False)
with torch.device("meta"):
    model = LlamaForCausalLM(config).to(torch.bfloat16).eval()
    ids, mask = torch.zeros(1, 512, dtype=torch.long), torch.zeros(1, 1, 512, 512, dtype=torch.bfloat16)
    args, kwargs = (), {"input_ids": ids, "attention_mask": mask, "position_ids": torch.arange(512)[None]}
"""
MODELS = {"ResNet-50": RESNET, "ViT-B/16": VIT, "70B on meta": LLAMA}
# What is imported beside torch (its modes import its compiler), and what is done then.
OURS = (
    "import torch._dynamo\nfrom reportgen.data import Inputs\nfrom reportgen.trace import picture, table, trace\n"
    "from reportgen.trace.cost import cost\nfrom reportgen.trace.findings import findings\n"
    "from reportgen.render.graph import drawing",
    "seen = trace(model, Inputs(args, kwargs))\n"
    "assert seen.complete\n"
    "graph = picture(seen); table(seen); cost(seen); findings(seen, model); drawing(graph, {})\n"
    "said = f'{seen.totals.parameters:,} params, {seen.flops / 1e9:,.2f} GFLOPs, {len(graph.nodes)} nodes'",
)
ROWS = {
    "reportgen: trace, tables, findings, laid-out picture": OURS,
    "torchinfo: summary, depth 10": (
        "import torchinfo",
        "given = list(args) if args else kwargs\n"
        "result = torchinfo.summary(model, input_data=given, depth=10, verbose=0)\n"
        "str(result); said = f'{result.total_params:,} params, {2 * result.total_mult_adds / 1e9:,.2f} GFLOPs'",
    ),
    "torchview: draw_graph, depth 10": (
        "from torchview import draw_graph",
        "graph = draw_graph(model, input_data=args or kwargs, depth=10, device='meta' if kwargs else 'cpu')\n"
        "said = f'{len(graph.visual_graph.body):,} lines of DOT, not laid out'",
    ),
    "torchlens: trace": (
        "import torchlens",
        "log = torchlens.trace(model, list(args) or None, kwargs or None)\nsaid = f'{len(log):,} operations'",
    ),
}
GROWTH = (10, 100, 1_000, 10_000)
CHAIN = """
import os
model = torch.nn.Sequential(*(torch.nn.Linear(8 + at % 3, 8 + (at + 1) % 3) for at in range({count}))).eval()
"""
CHAIN_WORK = """
report = reportgen.collect(model, example_inputs=torch.zeros(1, 8), sections=["architecture"])
made = time.perf_counter() - imported
import tempfile
with tempfile.TemporaryDirectory() as folder:
    size = os.path.getsize(report.save(folder + "/chain.html"))
nodes = len(report.sections[0].block("graph").nodes)
said = f"section {made:.2f} s, {nodes} nodes, HTML {size / 1024:,.0f} KiB"
"""


def main() -> None:
    for name, model in MODELS.items():
        rows = [[name, "imports", "work", "peak memory", "says"]]
        rows += [_row(tool, model, *steps) for tool, steps in ROWS.items()]
        print(table(rows), end="\n\n", flush=True)
    rows = [["a chain of layers", "imports", "work", "peak memory", "says"]]
    ours = "import torch._dynamo\nimport reportgen\nimport torchinfo, torchviz"
    for count in GROWTH:
        rows.append(_row(f"{count:,}", CHAIN.format(count=count), ours, CHAIN_WORK))
    print(table(rows))
    print(
        f"Medians of {RUNS} runs, each a process of its own; imports are those beside torch and the model's."
    )


def _row(name: str, model: str, imports: str, work: str) -> list[str]:
    code = CHILD.format(model=model, imports=imports, work=work)
    costs = []
    for _ in range(RUNS):
        run = _run(code)
        if isinstance(run, str):
            return [name, "", "", "", run]
        costs.append(run[0])
        said = run[1]
        if run[0][1] > LIMIT / 20:
            break  # once is enough for what takes this long
    imported, worked, peak = (statistics.median(values) for values in zip(*costs, strict=True))
    return [name, f"{imported:.2f} s", f"{worked:.2f} s", show(peak * PEAK_UNIT, "bytes"), said]


def _run(code: str) -> tuple[list[float], str] | str:
    """Seconds of importing and of work, and peak memory; or in one line why there are none."""
    root = Path(__file__).parents[1]
    words = [sys.executable, "-c", code, str(root / "tests"), str(root)]
    try:
        child = subprocess.run(
            words, capture_output=True, text=True, timeout=LIMIT, env={**os.environ, "HF_HUB_OFFLINE": "1"}
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {LIMIT:.0f} s"
    line = next((one for one in child.stdout.splitlines() if one.startswith("MEASURED ")), None)
    if child.returncode or line is None:
        errors = child.stderr.strip().splitlines()
        return f"fails: {errors[-1][:110] if errors else child.returncode}"
    parts = line.split(maxsplit=4)
    return [float(value) for value in parts[1:4]], parts[4]


if __name__ == "__main__":
    main()
