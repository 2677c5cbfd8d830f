"""A sample report: overview, architecture and training."""

from __future__ import annotations

import math

import numpy as np

from reportgen.report import (
    Axis,
    Bars,
    Cluster,
    Code,
    Column,
    Curves,
    Edge,
    Fact,
    Facts,
    Finding,
    Graph,
    Mark,
    Node,
    Parallel,
    Row,
    Section,
    Series,
    Table,
    Text,
)


def overview() -> Section:
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


def architecture() -> Section:
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


def training() -> Section:
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
    tried = Parallel(
        title="Hyper-parameters and results",
        names=tuple(f"run {at}" for at in range(9)),
        axes=(
            Axis(name="lr", values=tuple(10.0 ** -(at % 4) for at in range(9)), log=True),
            Axis(name="optimizer", values=tuple(at % 2 for at in range(9)), labels=("adam", "sgd")),
            Axis(name="weight decay", values=(0, 0.01, math.nan, 0, 0.01, 0.1, 0, 0.01, 0.1)),
            Axis(name="accuracy/val", values=(0.91, 0.95, 0.93, 0.88, 0.97, 0.96, 0.90, 0.94, 0.92)),
        ),
        best=4,
        caption="9 runs with a result; the darker, the higher it is, the best in orange.",
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
        blocks=(loss, accuracy, step, rate, tried),
        findings=findings,
        summary="One run of 20 epochs, 420 steps: best validation accuracy 97.8 % at epoch 12.",
    )
