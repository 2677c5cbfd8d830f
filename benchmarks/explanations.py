"""Explanations: published values, completeness, and time and memory beside lime, captum and shap.

python -m benchmarks.explanations [digits] [efficientnet]
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks._explainers import FOUR, MODELS, TOOLS, load, methods, prepared
from benchmarks.measure import table

sys.path.append(str(Path(__file__).parents[1] / "tests" / "attribution"))
RUNS = 3
LIMIT = 900.0  # seconds for one explainer
HIDING, SLOPES = ("LIME", "KernelShap", "Occlusion"), ("Integrated Gradients", "SmoothGrad", "GradientShap")
AIMS = {**dict.fromkeys(HIDING, 1.2), **dict.fromkeys(SLOPES, 1.3)}


def main(names: tuple[str, ...] = MODELS) -> None:
    print(table([["published value", "expected", "here", ""], *published(), *lime_on_iris(), same_as_lime()]))
    for name in names:
        print(f"\n{name}\n")
        print(table([["picture", "completeness error", "at 50 steps", ""], *completeness(name)]), flush=True)
        print()
        print(table([["method", "evaluations", "s", "at the best rate, s", "ratio", ""], *ratios(name)]))
        print()
        print(table([["explainer, one picture", "evaluations", "s", "peak MB"], *beside(name)]), flush=True)
    if MODELS[1] in names:
        print(f"\nFour pictures of 224 × 224, {', '.join(FOUR)}\n")
        print(table([["script", "s", "peak MB", ""], *four()]))
    print(
        f"\nTimes are the best of {RUNS} runs, each in turn with the others, since other programs may run too. "
        "In processes of their own, reportgen's hold the search for the pace, which a report makes once."
    )


def met(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def published() -> list[list[str]]:
    """What captum publishes for its own test models."""
    from captum.testing.helpers.basic_models import BasicModel_ConvNet_One_Conv, BasicModel_MultiLayer
    from looks import sight_of, tools_of

    from reportgen.attribution.cam import cam
    from reportgen.attribution.lime import lime
    from reportgen.attribution.occlusion import occlusion_parts
    from reportgen.attribution.shap import kernel_shap

    sight = sight_of(BasicModel_MultiLayer(), torch.tensor([[20.0, 50.0, 30.0]]))
    picture = torch.arange(16.0).reshape(1, 1, 4, 4)
    model = BasicModel_ConvNet_One_Conv()
    grad_cam = cam(sight_of(model, picture).score, picture, model.conv1)
    rows = [
        ("Occlusion", [80, 200, 120], occlusion_parts(sight, tools_of()).values, 1e-4),
        ("KernelShap", [76.67, 196.67, 116.67], kernel_shap(sight, tools_of()).values, 1e-2),
        # Both draw their masks, and lime's ridge takes a few per cent away.
        ("Lime, to a tenth", [73.37, 193.33, 113.33], lime(sight, tools_of()).values, 0.1 * 193.33),
        ("Grad-CAM", [11.25, 13.5, 20.25, 22.5], grad_cam.ravel(), 1e-6),
    ]
    return [
        [
            f"{name}, captum's test model",
            str(expected),
            str(np.round(made, 2).tolist()),
            met(bool(np.abs(made - expected).max() <= near)),
        ]
        for name, expected, made, near in rows
    ]


def lime_on_iris() -> list[list[str]]:
    """The two measures of the petal come first."""
    from networks import mlp, train
    from sklearn.datasets import load_iris

    from reportgen.attribution.choose import choose
    from reportgen.attribution.explain import prepare
    from reportgen.attribution.kinds import sights
    from reportgen.attribution.methods import suited
    from reportgen.experiment import Options, build

    found = load_iris()
    rows = torch.tensor((found.data - found.data.mean(0)) / found.data.std(0), dtype=torch.float32)
    targets = torch.tensor(found.target)
    model = train(mlp(4, 3), rows, targets, nn.CrossEntropyLoss(), 20)
    experiment = build(model, data=(rows, targets))
    subjects, _ = choose(experiment, 2, (0, 140))
    ready = prepare(experiment, Options(), sights(experiment, subjects), 1.0)
    lime = next(method for method in suited("table") if method.name == "LIME")
    lines = []
    for sight in ready.sights:
        order = np.argsort(-np.abs(lime.make(sight, ready.tools).values))[:2]
        names = [found.feature_names[column].removesuffix(" (cm)") for column in sorted(order)]
        lines.append(
            [
                f"LIME, iris {sight.subject.number}",
                "petal length, width",
                ", ".join(names),
                met(set(order) == {2, 3}),
            ]
        )
    return lines


def same_as_lime() -> list[str]:
    """lime's own image explainer and ours on the masks that it drew."""
    from lime.lime_image import LimeImageExplainer

    from reportgen.attribution.lime import solve

    parts, masks, scores = np.arange(16).reshape(4, 4), [], []

    def classify(pictures: np.ndarray) -> np.ndarray:
        shown = np.stack(pictures)[..., 0].reshape(-1, 16)
        masks.append(shown)
        scores.append(np.tanh(shown @ np.linspace(-1, 1, 16))[:, None])
        return scores[-1]

    explainer = LimeImageExplainer(random_state=0)
    picture = np.ones((4, 4, 3))
    theirs = explainer.explain_instance(
        picture,
        classify,
        labels=(0,),
        hide_color=0,
        num_samples=500,
        segmentation_fn=lambda _: parts,
    )
    made, _ = solve(np.concatenate(masks), np.concatenate(scores)[:, 0])
    expected = dict(theirs.local_exp[0])
    furthest = max(abs(made[part] - expected[part]) for part in range(16))
    return ["LIME, lime's own coefficients", "to 1e-6", f"to {furthest:.1e}", met(furthest <= 1e-6)]


def completeness(name: str) -> list[list[str]]:
    """Of Integrated Gradients as the report makes them, and of 50 steps alone."""
    from reportgen.attribution.gradients import COMPLETENESS, integrated_gradients

    model, pictures = load(name)
    ready = prepared(model, pictures, len(pictures))
    rows = []
    for sight in ready.sights:
        made = integrated_gradients(sight, ready.tools)
        error = made.trust[COMPLETENESS]
        first = "" if "missed" not in made.settings else "over 1 %"
        rows.append(
            [sight.subject.name, f"{error:.2%}, {made.settings.split(' (')[0]}", first, met(error < 0.01)]
        )
    return rows


def ratios(name: str) -> list[list[str]]:
    """Each method's time beside its evaluations at the model's best rate, all measured in turn."""
    model, pictures = load(name)
    ready, known = prepared(model, pictures, 1), methods()
    seconds: dict[str, float] = {}
    counts: dict[str, int] = {}
    best = {False: (0.0, ""), True: (0.0, "")}
    for _ in range(RUNS):
        for backward in best:
            best[backward] = max(best[backward], rate(model, pictures[:1], backward))
        for method in AIMS:
            start = time.perf_counter()
            made = known[method].make(ready.sights[0], ready.tools)
            seconds[method] = min(time.perf_counter() - start, seconds.get(method, np.inf))
            counts[method] = made.evaluations
    tools, last = ready.tools, ready.sights[0].score.channels_last
    for backward, size in ((False, tools.forward), (True, tools.gradient)):
        top, how = best[backward]
        layout = "channels-last" if last[backward] else "contiguous"
        kind = "gradient" if backward else "forward"
        print(f"best {kind} rate {top:,.0f}/s ({how}); the pace found: batch {size}, {layout}")
    print()
    rows = []
    for method, aim in AIMS.items():
        least = counts[method] / best[method in SLOPES][0]
        ratio = seconds[method] / least
        verdict = f"aim {aim}: {met(ratio <= aim)}"
        rows.append(
            [
                method,
                f"{counts[method]:,}",
                f"{seconds[method]:.3f}",
                f"{least:.3f}",
                f"{ratio:.2f}",
                verdict,
            ]
        )
    return rows


def rate(model: nn.Module, picture: torch.Tensor, backward: bool) -> tuple[float, str]:
    """Samples a second at the best batch and memory format, and which that is."""
    sizes = (1, 2, 4, 8, 16) if picture.numel() > 10_000 else (1, 8, 32, 64, 128, 256, 512)
    layouts = {"contiguous": torch.contiguous_format}
    if picture.shape[1] > 1:
        layouts["channels-last"] = torch.channels_last
    best = (0.0, "")
    for size in sizes:
        for layout, form in layouts.items():
            batch = picture.repeat(size, 1, 1, 1).contiguous(memory_format=form)
            spent = min(_once(model, batch, backward) for _ in range(3))
            best = max(best, (size / spent, f"batch {size}, {layout}"))
    return best


def _once(model: nn.Module, batch: torch.Tensor, backward: bool) -> float:
    start = time.perf_counter()
    if backward:
        leaf = batch.detach().clone().requires_grad_()
        torch.autograd.grad(model(leaf)[:, 0].sum(), leaf)
    else:
        with torch.no_grad():
            model(batch)
    return time.perf_counter() - start


def beside(name: str) -> list[list[str]]:
    """Each explainer in processes of its own."""
    return [[tool, *cost(name, tool)] for tool in TOOLS if not tool.startswith("four")]


def cost(name: str, tool: str) -> list[str]:
    found = [_child(name, tool) for _ in range(RUNS)]
    broken = next((made for made in found if isinstance(made, str)), None)
    if broken is not None:
        return ["", "", broken]
    best = min(found, key=lambda made: made["seconds"])
    return [f"{best['evaluations']:,}", f"{best['seconds']:.2f}", f"{best['peak'] / 1e6:,.0f}"]


def _child(name: str, tool: str) -> dict | str:
    """What the child measured, or in one line why it did not."""
    words = [sys.executable, "-m", "benchmarks._explainers", name, tool]
    try:
        child = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return f"did not end within {LIMIT:.0f} s"
    if child.returncode:
        return f"fails: {(child.stderr.strip().splitlines() or [child.returncode])[-1]}"
    return json.loads(child.stdout.strip().splitlines()[-1])


def four() -> list[list[str]]:
    found = {tool: [] for tool in ("by hand", "reportgen")}
    for _ in range(RUNS):
        for tool, runs in found.items():
            runs.append(_child(MODELS[1], f"four: {tool}"))
    if any(isinstance(made, str) for runs in found.values() for made in runs):
        return [[tool, "", "", str(runs[0])] for tool, runs in found.items()]
    seconds = {tool: min(made["seconds"] for made in runs) for tool, runs in found.items()}
    peaks = {tool: max(made["peak"] for made in runs) for tool, runs in found.items()}
    share = seconds["reportgen"] / seconds["by hand"]
    verdicts = {
        "by hand": "captum at its defaults",
        "reportgen": f"{share:.2f} of the time, aim 0.33: {met(share <= 1 / 3)}; "
        f"under 1 GB: {met(peaks['reportgen'] < 1e9)}",
    }
    return [
        [tool, f"{seconds[tool]:.1f}", f"{peaks[tool] / 1e6:,.0f}", verdicts[tool]]
        for tool in ("by hand", "reportgen")
    ]


if __name__ == "__main__":
    asked = [name for name in MODELS if any(word in name.lower() for word in sys.argv[1:])]
    main(tuple(asked) or MODELS)
