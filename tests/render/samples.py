"""Reports to render: a rich one with every kind of block, and one whose every text is hostile."""

from __future__ import annotations

import math

import numpy as np

from reportgen.report import (
    Bars,
    Cluster,
    Code,
    Column,
    Curves,
    Distribution,
    Edge,
    Fact,
    Facts,
    Failure,
    Finding,
    Graph,
    Heatmap,
    Histogram,
    Images,
    Map,
    Mark,
    Node,
    Picture,
    Provenance,
    Raster,
    Report,
    Row,
    Scatter,
    Section,
    Series,
    Signal,
    Table,
    Text,
    Tokens,
)

CREATED = "2025-03-14T09:26:53+00:00"
DIGITS = tuple(str(digit) for digit in range(10))


def report() -> Report:
    """A report as it comes out of a small residual network on digits, all 14 kinds of block in it."""
    return Report(
        title="Residual network on handwritten digits",
        created=CREATED,
        sections=(
            _overview(),
            _architecture(),
            _training(),
            _evaluation(),
            _features(),
            _explanations(),
            _empty(),
            _environment(),
        ),
        provenance=Provenance(
            generator="reportgen 0.1.0",
            model="digits.models.SmallResNet",
            commit="3f2a9c1d",
            command="reportgen generate digits.toml --out report.html --out report.pdf",
            seed=0,
            notes=("Seconds are wall time on two cores.",),
        ),
    )


def empty() -> Report:
    """The least that is a report."""
    reason = "no model was given"
    section = Section(name="architecture", title="Architecture", status="empty", reason=reason)
    return Report(
        title="Nothing yet",
        created=CREATED,
        sections=(section,),
        provenance=Provenance(generator="reportgen"),
    )


def one(*blocks: object, **report_fields: object) -> Report:
    """A report of one section that holds these blocks."""
    section = Section(name="part", title="Part", blocks=blocks)  # type: ignore[arg-type]
    fields = {
        "title": "One",
        "created": CREATED,
        "provenance": Provenance(generator="reportgen"),
        **report_fields,
    }
    return Report(sections=(section,), **fields)  # type: ignore[arg-type]


# --- sections ------------------------------------------------------------------------------------------


def _overview() -> Section:
    headline = Facts(
        id="headline",
        facts=(
            Fact(label="Parameters", value=174_970, unit="count"),
            Fact(label="FLOPs a sample", value=4_912_640, unit="FLOPs"),
            Fact(label="Validation accuracy", value=0.9778, unit="share", note="best, epoch 12 of 20"),
            Fact(label="Training time", value=8.42, unit="s"),
            Fact(label="Size on disk", value=712_344, unit="bytes"),
        ),
    )
    card = Facts(
        title="What was given",
        facts=(
            Fact(label="Purpose", value="Reads single handwritten digits from 8 × 8 grey scans."),
            Fact(label="Data", value="1,797 scans (UCI optical digits), 1,347 to train, 450 to validate"),
            Fact(label="Classes", value=10, unit="exact"),
            Fact(label="Modality", value="image", note="inferred from inputs of shape 1 × 8 × 8"),
            Fact(label="Licence", value=None),
        ),
    )
    text = Text(
        title="Limits",
        text=(
            "Digits only, upright and centred; letters and rotated scans were never shown to it.\n\n"
            "The validation scans come from the same 43 writers as the training scans, so the accuracy on a new "
            "writer is likely to be lower than the one reported here."
        ),
    )
    return Section(
        name="overview",
        title="Overview",
        seconds=0.004,
        blocks=(headline, card, text),
        summary="A classifier of 10 classes with 175 k parameters.",
    )


def _architecture() -> Section:
    blocks = (
        _graph(),
        _layers(),
        _costs(),
        Code(
            title="torchinfo",
            folded=True,
            language="text",
            text=_torchinfo(),
            caption="torchinfo 1.8.0, input 1 × 1 × 8 × 8.",
        ),
    )
    findings = (
        Finding(
            severity="info",
            rule="architecture: share of parameters at least 50 %",
            message="Stage 3 holds 84.6 % of the parameters (148,000 of 174,970).",
            evidence="architecture/layers",
        ),
    )
    return Section(
        name="architecture",
        title="Architecture",
        seconds=0.61,
        blocks=blocks,
        findings=findings,
        summary="Nine residual blocks in three stages; 4.91 MFLOPs a sample, traced with one real "
        "forward pass on 2 samples.",
    )


def _graph() -> Graph:
    nodes = [
        Node(id="x", label="input", detail="1 × 8 × 8", family="input"),
        Node(id="stem.conv", label="Conv2d", detail="1 → 16, 3 × 3", family="convolution", row="stem.conv"),
        Node(id="stem.bn", label="BatchNorm2d", detail="16", family="normalisation", row="stem.bn"),
        Node(id="stem.act", label="ReLU", family="activation"),
    ]
    edges = [
        Edge(source="x", target="stem.conv", label="1×8×8"),
        Edge(source="stem.conv", target="stem.bn", label="16×8×8"),
        Edge(source="stem.bn", target="stem.act"),
    ]
    clusters, last = [], "stem.act"
    for stage, (width, size) in enumerate(((16, 8), (32, 4), (64, 2)), 1):
        clusters.append(Cluster(id=f"s{stage}", label=f"stage{stage}"))
        for block, times in (("first", 1), ("rest", 2)):
            name = f"s{stage}.{block}"
            clusters.append(Cluster(id=name, label="BasicBlock", parent=f"s{stage}", times=times))
            steps = (
                ("conv1", "Conv2d", f"{width}, 3 × 3", "convolution"),
                ("bn1", "BatchNorm2d", f"{width}", "normalisation"),
                ("conv2", "Conv2d", f"{width}, 3 × 3", "convolution"),
            )
            previous = last
            for step, kind, detail, family in steps:
                here = f"{name}.{step}"
                nodes.append(Node(id=here, label=kind, detail=detail, family=family, cluster=name, row=here))
                edges.append(
                    Edge(
                        source=previous,
                        target=here,
                        label=f"{width}×{size}×{size}" if step == "conv2" else "",
                    )
                )
                previous = here
            nodes.append(Node(id=f"{name}.add", label="add", family="arithmetic", cluster=name, times=times))
            edges += [
                Edge(source=previous, target=f"{name}.add"),
                Edge(source=last, target=f"{name}.add", label="skip"),
            ]
            last = f"{name}.add"
    nodes += [
        Node(id="pool", label="AdaptiveAvgPool2d", detail="1 × 1", family="pooling"),
        Node(id="drop", label="Dropout", detail="p = 0.1", family="regularisation"),
        Node(id="fc", label="Linear", detail="64 → 10", family="linear", row="fc"),
        Node(id="y", label="output", detail="10 logits", family="input"),
    ]
    for source, target, label in (
        (last, "pool", "64×2×2"),
        ("pool", "drop", "64"),
        ("drop", "fc", "64"),
        ("fc", "y", "10"),
    ):
        edges.append(Edge(source=source, target=target, label=label))
    return Graph(
        title="The network",
        nodes=tuple(nodes),
        edges=tuple(edges),
        clusters=tuple(clusters),
        caption="Traced from one forward pass of 2 samples; equal neighbouring blocks drawn once.",
        summary="An 8 × 8 image goes through a convolution of 16 channels, three stages of three residual "
        "blocks (16, 32 and 64 channels), average pooling and dropout into a linear layer of 10 logits.",
    )


def _layers() -> Table:
    columns = (
        Column(name="Layer"),
        Column(name="Type"),
        Column(name="Output"),
        Column(name="Parameters", unit="exact"),
        Column(name="Share", unit="share"),
        Column(name="FLOPs", unit="FLOPs"),
    )
    rows = [
        Row(cells=("SmallResNet", "SmallResNet", "10", 174_970, 1.0, 4_912_640)),
        Row(cells=("stem", "Sequential", "16 × 8 × 8", 176, 176 / 174_970, 20_480), level=1),
        Row(cells=("conv", "Conv2d", "16 × 8 × 8", 144, 144 / 174_970, 18_432), level=2, id="stem.conv"),
        Row(cells=("bn", "BatchNorm2d", "16 × 8 × 8", 32, 32 / 174_970, 2_048), level=2, id="stem.bn"),
    ]
    for stage, width in enumerate((16, 32, 64), 1):
        total = 27 * width * width
        rows.append(
            Row(cells=(f"stage{stage}", "Sequential", f"{width}", total, total / 174_970, 1_600_000), level=1)
        )
        for block in ("first", "rest"):
            rows.append(
                Row(cells=(block, "BasicBlock", f"{width}", total // 2, total / 349_940, 800_000), level=2)
            )
            for step, kind, cost in (
                ("conv1", "Conv2d", 9 * width * width),
                ("bn1", "BatchNorm2d", 2 * width),
                ("conv2", "Conv2d", 9 * width * width),
            ):
                name = f"s{stage}.{block}.{step}"
                rows.append(
                    Row(
                        cells=(
                            step,
                            kind,
                            f"{width}",
                            cost,
                            cost / 174_970,
                            None if kind == "BatchNorm2d" else 294_912,
                        ),
                        level=3,
                        id=name,
                    )
                )
    rows.append(Row(cells=("fc", "Linear", "10", 650, 650 / 174_970, 1_280), level=1, id="fc"))
    return Table(
        title="Layers",
        columns=columns,
        rows=tuple(rows),
        caption="1 multiply-add = 2 FLOPs; known for 31 of 40 operations.",
    )


def _costs() -> Bars:
    return Bars(
        title="Where the FLOPs are",
        labels=("stage1", "stage2", "stage3", "stem", "fc"),
        unit="FLOPs",
        values=(1.63e6, 1.62e6, 1.61e6, 20_480, 1_280),
        x_label="FLOPs a sample",
        caption="Counted from one forward pass; 1 multiply-add = 2 FLOPs.",
    )


def _torchinfo() -> str:
    line = "=" * 78
    body = "\n".join(
        f"├─Sequential: 1-{at:<30} [1, 16, 8, 8]            {9 * at * at * 16:>10,}" for at in range(1, 90)
    )
    return f"{line}\nLayer (type:depth-idx)                   Output Shape              Param #\n{line}\n{body}\n{line}"


def _training() -> Section:
    epochs = tuple(range(1, 21))
    train = tuple(2.2 * math.exp(-at / 3) + 0.02 for at in epochs)
    valid = tuple(2.1 * math.exp(-at / 3) + 0.09 + 0.004 * max(0, at - 12) for at in epochs)
    rng = np.random.default_rng(0)
    steps = np.arange(0, 420)
    raw = 2.2 * np.exp(-steps / 63) + 0.05 + np.abs(rng.normal(0, 0.06, steps.size))
    smooth = np.convolve(raw, np.ones(15) / 15, mode="same")
    raw[301] = math.nan
    loss = Curves(
        title="Loss",
        x_label="epoch",
        y_label="cross-entropy",
        marks=(Mark(x=12, y=valid[11], label="lowest validation loss"),),
        series=(Series(name="train", x=epochs, y=train), Series(name="validation", x=epochs, y=valid)),
        caption="Mean over 1,347 training and 450 validation samples an epoch; seed 0.",
    )
    accuracy = Curves(
        title="Accuracy",
        x_label="epoch",
        y_label="accuracy",
        series=(
            Series(name="train", x=epochs, y=tuple(1 - t / 2.4 for t in train)),
            Series(name="validation", x=epochs, y=tuple(0.985 - t / 2.6 for t in valid)),
        ),
        caption="Share of right answers; 1,347 and 450 samples.",
    )
    step = Curves(
        title="Loss a step",
        x_label="step",
        y_label="cross-entropy",
        log_y=True,
        series=(
            Series(name="train (raw)", x=steps, y=raw, role="faint", group="train"),
            Series(name="train", x=steps, y=np.maximum(smooth, 0.05), group="train"),
        ),
        caption="420 steps of 64 samples; the line is a running mean of 15 steps; one step was NaN.",
    )
    rate = Curves(
        title="Learning rate",
        x_label="epoch",
        y_label="learning rate",
        series=(
            Series(
                name="lr", x=epochs, y=tuple(0.01 * (1 + math.cos(math.pi * at / 20)) / 2 for at in epochs)
            ),
        ),
        caption="Read from the log at the end of each epoch.",
    )
    findings = (
        Finding(
            severity="warning",
            rule="training: validation loss up, training loss down, 3 or more epochs",
            message="Validation loss rises after epoch 12 (+14 %, 3.1 sigma) while training loss still falls.",
            evidence="training/loss",
        ),
        Finding(
            severity="serious",
            rule="training: non-finite values",
            message="The training loss is NaN at step 301, once.",
            evidence="training/loss-a-step",
        ),
    )
    return Section(
        name="training",
        title="Training",
        seconds=0.113,
        blocks=(loss, accuracy, step, rate),
        findings=findings,
        summary="One run of 20 epochs, 420 steps: best validation accuracy 97.8 % at epoch 12.",
    )


def _evaluation() -> Section:
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
                    raster=_digit(at),
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


def _digit(seed: int) -> Raster:
    rng = np.random.default_rng(seed + 10)
    across, down = np.meshgrid(np.arange(8), np.arange(8))
    ring = np.exp(
        -((np.hypot(across - 3.5, (down - 3.5) * (0.7 + 0.1 * (seed % 3))) - 2.2 - 0.2 * (seed % 4)) ** 2)
    )
    return Raster.from_array((255 * np.clip(ring + rng.normal(0, 0.05, ring.shape), 0, 1)).astype(np.uint8))


def _features() -> Section:
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


def _explanations() -> Section:
    rng = np.random.default_rng(3)
    pictures: list[Picture] = []
    for sample in range(3):
        pictures.append(Picture(raster=_digit(sample), alt=f"Sample {sample}"))
        across, down = np.meshgrid(np.arange(8), np.arange(8))
        field = np.sin(across / 1.3 + sample) * np.cos(down / 1.7) + rng.normal(0, 0.1, (8, 8))
        pictures.append(
            Picture(
                raster=_digit(sample),
                map=Map.from_array(field, signed=True, limit=1.3),
                caption="R² 0.71",
                alt=f"LIME of sample {sample}",
            )
        )
        pictures.append(
            Picture(
                raster=_digit(sample),
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
        Signal(
            title="Waveform",
            values=wave,
            rate=300.0,
            weights=np.gradient(wave) * np.abs(wave),
            y_label="amplitude",
            caption="Integrated Gradients, 50 steps, baseline 0.",
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


def _empty() -> Section:
    return Section(
        name="calibration", title="Calibration", status="empty", reason="The model gives no probabilities."
    )


def _environment() -> Section:
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


# --- hostile ---------------------------------------------------------------------------------------------

EVIL = (
    "</script><script>window.__pwned=1</script>",
    '"><img src=x onerror="window.__pwned=1">',
    "'-window.__pwned=1-' `${window.__pwned=1}` {{ 7*7 }} {% include '/etc/passwd' %}",
    "<svg onload=window.__pwned=1></svg></style><style>*{display:none}</style></title>",
    "javascript:window.__pwned=1 http://example.invalid/a.png url(http://example.invalid/b.png)",
    "&lt;b&gt; ]]> --> <!-- <![CDATA[ \\u003c \\n",
    "שלום مرحبا \u202eevil\u202c \u2028 \u2029 😀 é̂ 中文 ไทย हिन्दी",
    "$x^{ \\frac{1}{ % # _ ~",
    "data:image/png;base64,AAAA #20242a",
)
LONG = "long" * 2500


def hostile(text: str) -> Report:
    """A report in which every text that may be anything is `text`."""
    findings = tuple(
        Finding(severity=severity, message=text, rule=text, evidence=evidence)
        for severity, evidence in (("serious", "part/table"), ("warning", text), ("info", "part/nowhere"))
    )
    headline = Facts(id="headline", facts=(Fact(label=text, value=text, note=text),))
    sections = (
        Section(name="overview", title=text, summary=text, blocks=(headline,), findings=findings),
        Section(name="part", title=text, status="failed", reason=text, blocks=every_kind(text)),
        Section(name="more", title=text, status="skipped", reason=text),
    )
    provenance = Provenance(generator=text, model=text, commit=text, command=text, notes=(text,))
    return Report(title=text, created=text, sections=sections, provenance=provenance)


def every_kind(text: str) -> tuple[object, ...]:
    """One block of each kind, all its texts the given one, with values that are no numbers among the rest."""
    nan, inf = math.nan, math.inf
    said = {"title": text, "caption": text}
    nodes = (
        Node(id="a", label=text, detail=text, family=text, times=3, row=text, cluster="c"),
        Node(id=text + "b", label=text),
    )
    return (
        Facts(
            facts=(Fact(label=text, value=text, unit=text, note=text), Fact(label=text, value=3, unit=text)),
            **said,
        ),
        Table(
            id="table",
            columns=(Column(name=text, note=text), Column(name=text, unit=text)),
            rows=(Row(cells=(text, 1.5), id=text), Row(cells=(text, text), level=1), Row(cells=(None, nan))),
            **said,
        ),
        Text(text=text, **said),
        Code(text=text, language=text, **said),
        Curves(
            series=(
                Series(name=text, x=(0, 1, 2), y=(1, nan, 2)),
                Series(name=text + "2", x=(0, 1), y=(inf, -inf), group=text),
            ),
            marks=(Mark(x=1, label=text),),
            x_label=text,
            y_label=text,
            **said,
        ),
        Bars(
            labels=(text, text),
            values=(1, nan),
            low=(0.5, nan),
            high=(1.5, inf),
            unit=text,
            x_label=text,
            **said,
        ),
        Heatmap(
            row_labels=(text, text),
            column_labels=(text, text),
            values=((1, nan), (-1, inf)),
            row_title=text,
            column_title=text,
            unit=text,
            scale="diverging",
            **said,
        ),
        Distribution(
            histograms=(
                Histogram(name=text, edges=(0, 1, 2), counts=(1, 2)),
                Histogram(name=text + "2", edges=(0, 1), counts=(nan,)),
            ),
            x_label=text,
            y_label=text,
            **said,
        ),
        Scatter(
            x=(0, nan, 2),
            y=(0, 1, 2),
            member=(0, 0, 1),
            groups=(text, text + "2"),
            x_label=text,
            y_label=text,
            **said,
        ),
        Images(
            pictures=(
                Picture(raster=_digit(0), caption=text, alt=text),
                Picture(missing=text),
                Picture(raster=_digit(1), map=Map.from_array(np.eye(4), signed=True), caption=text),
            ),
            column_titles=(text, text),
            row_titles=(text,),
            columns=2,
            **said,
        ),
        Tokens(tokens=(text, text), weights=(1, nan), **said),
        Signal(values=(0, 1, nan), rate=10, weights=(0, inf, 1), y_label=text, **said),
        Graph(
            nodes=nodes,
            edges=(Edge(source="a", target=text + "b", label=text), Edge(source="a", target="a")),
            clusters=(Cluster(id="c", label=text, times=2),),
            summary=text,
            **said,
        ),
        Failure(error=text, message=text, hint=text, details=text, **said),
    )
