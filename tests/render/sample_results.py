"""A sample report: evaluation, features, explanations and environment."""

from __future__ import annotations

import math

import numpy as np

from reportgen.report import (
    Bars,
    Column,
    Distribution,
    Fact,
    Facts,
    Failure,
    Finding,
    Heatmap,
    Histogram,
    Images,
    Map,
    Picture,
    Raster,
    Row,
    Scatter,
    Section,
    Signal,
    Strip,
    Swarm,
    Table,
    Tokens,
)

DIGITS = tuple(str(digit) for digit in range(10))


def evaluation() -> Section:
    rng = np.random.default_rng(1)
    counts = rng.poisson(0.4, (10, 10)) * (rng.random((10, 10)) > 0.7)
    np.fill_diagonal(counts, rng.integers(40, 48, 10))
    rows = tuple(
        Row(cells=(digit, int(counts[at].sum()), 0.95 + at / 300, 0.99 - at / 250, 0.97 - at / 400))
        for at, digit in enumerate(DIGITS)
    )
    many = tuple(Row(cells=(at, DIGITS[at % 10], DIGITS[(at * 7) % 10], 0.99 - at / 40)) for at in range(16))
    blocks = (
        Facts(
            title="Metrics",
            facts=(
                Fact(
                    label="Accuracy",
                    value=0.9778,
                    unit="share",
                    note="95 % interval 95.9 % to 98.9 % (Wilson, n = 450)",
                ),
                Fact(label="Cross-entropy", value=0.0931, note="nats, mean of 450"),
                Fact(label="Expected calibration error", value=0.0142, unit="share", note="15 bins"),
            ),
        ),
        Heatmap(
            title="Confusion",
            row_labels=DIGITS,
            column_labels=DIGITS,
            values=counts.tolist(),
            row_title="true",
            column_title="predicted",
            caption="450 validation samples; counts.",
        ),
        Table(
            title="Per class",
            rows=rows,
            columns=(
                Column(name="Class"),
                Column(name="Samples", unit="exact"),
                Column(name="Precision", unit="share"),
                Column(name="Recall", unit="share"),
                Column(name="F1", unit="share"),
            ),
            caption="450 validation samples.",
        ),
        Bars(
            title="Recall with its interval",
            labels=DIGITS,
            values=tuple(0.99 - at / 60 for at in range(10)),
            unit="share",
            low=tuple(0.94 - at / 50 for at in range(10)),
            high=tuple(min(1.0, 1.0 - at / 90) for at in range(10)),
            x_label="recall",
            caption="Wilson intervals of 95 %, 43 to 48 samples a class.",
        ),
        Table(
            title="The most certain mistakes",
            rows=many,
            columns=(
                Column(name="Sample", unit="exact"),
                Column(name="True"),
                Column(name="Predicted"),
                Column(name="Confidence", unit="share"),
            ),
            total=31,
            caption="In order of confidence.",
        ),
        Images(
            title="The worst mistakes",
            columns=8,
            caption="8 of 10 mistakes, the highest loss first.",
            pictures=tuple(
                Picture(
                    raster=digit(at),
                    caption=f"{at % 10}, read as {(at * 3 + 1) % 10}",
                    alt=f"Scan of a {at % 10}, read as {(at * 3 + 1) % 10}",
                )
                for at in range(8)
            ),
        ),
    )
    findings = (
        Finding(
            severity="warning",
            rule="evaluation: pair with at least 20 % of the mistakes",
            message="8 and 1 are taken for each other in 3 of 10 mistakes.",
            evidence="evaluation/confusion",
        ),
        Finding(
            severity="info",
            rule="evaluation: always",
            message="Accuracy is 97.8 % (440 of 450; 95 % interval 95.9 % to 98.9 %).",
            evidence="evaluation/metrics",
        ),
    )
    return Section(
        name="evaluation",
        title="Evaluation",
        seconds=1.31,
        blocks=blocks,
        findings=findings,
        summary="97.8 % of 450 validation samples are right (95 % interval 95.9 % to 98.9 %).",
    )


def digit(seed: int) -> Raster:
    rng = np.random.default_rng(seed + 10)
    across, down = np.meshgrid(np.arange(8), np.arange(8))
    ring = np.exp(
        -((np.hypot(across - 3.5, (down - 3.5) * (0.7 + 0.1 * (seed % 3))) - 2.2 - 0.2 * (seed % 4)) ** 2)
    )
    return Raster.from_array((255 * np.clip(ring + rng.normal(0, 0.05, ring.shape), 0, 1)).astype(np.uint8))


def features() -> Section:
    rng = np.random.default_rng(2)
    x, y, member = [], [], []
    for digit in range(10):
        angle = digit / 10 * 2 * math.pi
        x += list(rng.normal(5 * math.cos(angle), 0.9, 45))
        y += list(rng.normal(3.4 * math.sin(angle), 0.8, 45))
        member += [digit] * 45
    edges = np.linspace(-3, 3, 31)
    zero = np.histogram(rng.normal(0, 0.6, 4000), edges)[0]
    blocks = (
        Images(
            title="First-layer filters",
            columns=8,
            caption="stem.conv, 16 filters of 3 × 3, one scale for all.",
            pictures=tuple(
                Picture(
                    map=Map.from_array(rng.normal(0, 0.4, (3, 3)), signed=True, limit=1.2),
                    caption=f"{at}",
                    alt=f"Filter {at}",
                )
                for at in range(16)
            ),
        ),
        Scatter(
            title="Embedding",
            x=x,
            y=y,
            member=member,
            groups=DIGITS,
            x_label="PC 1 (31.2 % of variance)",
            y_label="PC 2 (18.4 %)",
            caption="PCA of the penultimate layer (64 values), 450 validation samples.",
        ),
        Distribution(
            title="Activations",
            x_label="value before ReLU",
            y_label="values",
            histograms=(
                Histogram(name="stage1", edges=edges, counts=zero),
                Histogram(
                    name="stage2", edges=edges, counts=np.histogram(rng.normal(0.5, 0.9, 4000), edges)[0]
                ),
                Histogram(
                    name="stage3", edges=edges, counts=np.histogram(rng.normal(-0.8, 0.5, 4000), edges)[0]
                ),
            ),
            caption="4,000 values a layer, drawn at random; seed 0.",
        ),
        Heatmap(
            title="Correlation of channels",
            row_labels=tuple(f"c{at}" for at in range(16)),
            column_labels=tuple(f"c{at}" for at in range(16)),
            values=np.corrcoef(rng.normal(size=(16, 40))).tolist(),
            scale="diverging",
            caption="stem.conv, Pearson, 512 samples.",
        ),
    )
    findings = (
        Finding(
            severity="warning",
            rule="features: unit at zero on all samples",
            message="6 of 64 channels of stage3.first.conv2 are zero on all 450 samples.",
            evidence="features/activations",
        ),
    )
    return Section(name="features", title="Features", seconds=2.04, blocks=blocks, findings=findings)


def explanations() -> Section:
    rng = np.random.default_rng(3)
    pictures: list[Picture] = []
    for sample in range(3):
        pictures.append(Picture(raster=digit(sample), alt=f"Sample {sample}"))
        across, down = np.meshgrid(np.arange(8), np.arange(8))
        field = np.sin(across / 1.3 + sample) * np.cos(down / 1.7) + rng.normal(0, 0.1, (8, 8))
        pictures.append(
            Picture(
                raster=digit(sample),
                map=Map.from_array(field, signed=True, limit=1.3),
                caption="R² 0.71",
                alt=f"LIME of sample {sample}",
            )
        )
        pictures.append(
            Picture(
                raster=digit(sample),
                map=Map.from_array(np.abs(field), signed=False, limit=1.3),
                alt=f"Saliency of sample {sample}",
            )
        )
        pictures.append(
            Picture(missing="Grad-CAM needs a convolution; none was found.")
            if sample == 2
            else Picture(
                map=Map.from_array(np.abs(field), signed=False, limit=1.3), alt=f"Grad-CAM of sample {sample}"
            )
        )
    wave = np.sin(np.arange(900) / 14) * np.exp(-(((np.arange(900) - 450) / 200) ** 2))
    words = (
        "the",
        "plot",
        "is",
        "thin",
        ",",
        "but",
        "the",
        "acting",
        "is",
        "superb",
        "and",
        "the",
        "ending",
        "moves",
    )
    blocks = (
        Images(
            title="Sample by sample",
            columns=4,
            column_titles=("input", "LIME", "saliency", "Grad-CAM"),
            pictures=tuple(pictures),
            row_titles=("7, right", "2, right", "8, read as 1"),
            caption="3 of 450 validation samples; LIME with 1,000 perturbations; seed 0.",
        ),
        Tokens(
            title="Words",
            tokens=words,
            weights=(0, -0.1, 0, -0.8, 0, 0.1, 0, 0.4, 0, 0.95, 0, 0, 0.2, 0.5),
            caption="Integrated Gradients, 50 steps, baseline: padding.",
        ),
        Tokens(
            title="Pieces",
            joined=True,
            limit=1.0,
            tokens=(
                "The",
                " un",
                "believ",
                "able",
                " plot",
                ":",
                "\n",
                "  café",
                " lovely",
                " to",
                " wat",
                "ch",
                "",
            ),
            weights=(0, -0.1, -0.8, -0.3, 0, 0, 0.05, 0.5, 0.7, -0.5, 1.2, 1.0, 0.2),
            caption="Integrated Gradients, 50 steps, baseline: padding; one scale for all texts.",
        ),
        _swarm(),
        Signal(
            title="Waveform",
            values=wave,
            rate=300.0,
            weights=np.gradient(wave) * np.abs(wave),
            y_label="amplitude",
            caption="Integrated Gradients, 50 steps, baseline 0.",
        ),
        Heatmap(
            title="Spectrogram",
            values=np.hypot(*np.meshgrid(np.linspace(-1, 1, 60), np.linspace(-1, 1, 33))).round(3).tolist(),
            row_title="frequency",
            column_title="time",
            row_ends=(0, 150),
            column_ends=(0, 3),
            row_unit="Hz",
            column_unit="s",
            caption="Short-time Fourier transform, window 64, hop 15.",
        ),
    )
    findings = (
        Finding(
            severity="warning",
            rule="explanations: LIME's R² below 0.4",
            message="LIME fits poorly on 1 of 3 samples (R² 0.21): read that map with care.",
            evidence="explanations/sample-by-sample",
        ),
    )
    return Section(name="explanations", title="Explanations", seconds=3.2, blocks=blocks, findings=findings)


def _swarm() -> Swarm:
    rng = np.random.default_rng(5)
    rows = []
    for name, weight in (
        ("mean pixel", 0.1),
        ("ink in the lower half", 1.2),
        ("width", -0.6),
        ("holes", 0.9),
    ):
        value = rng.normal(size=60)
        shades = np.argsort(np.argsort(value)) / 59
        shades[:4] = math.nan
        rows.append(Strip(name=name, x=(weight * value).round(4), shades=shades.round(3)))
    return Swarm(
        title="Which features speak",
        rows=tuple(rows),
        x_label="attribution (logit of 8)",
        caption="Integrated Gradients, 60 of 450 validation samples; seed 0.",
    )


def calibration() -> Section:
    return Section(
        name="calibration", title="Calibration", status="empty", reason="The model gives no probabilities."
    )


def environment() -> Section:
    blocks = (
        Facts(
            title="Versions",
            facts=(
                Fact(label="Python", value="3.11.9"),
                Fact(label="torch", value="2.13.0"),
                Fact(label="Device", value="CPU, 2 cores"),
                Fact(label="Seed", value=0, unit="exact"),
                Fact(
                    label="Weights (SHA-256)",
                    value="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                ),
            ),
        ),
        Failure(
            title="Git",
            error="FileNotFoundError",
            message="git is not on the PATH, so the commit is unknown.",
            hint="Install git, or pass facts={'commit': ...}.",
            details='Traceback (most recent call last):\n  File "environment.py", line 31, in commit\n'
            "    run()\n"
            "FileNotFoundError: [Errno 2] No such file or directory: 'git'",
        ),
    )
    return Section(
        name="environment",
        title="Environment",
        status="failed",
        reason="One part of it broke: Git.",
        seconds=0.02,
        blocks=blocks,
    )
