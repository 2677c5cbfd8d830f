"""Where samples lie in the layer before the last: two planes, how far to trust them, and which units tell classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reportgen.experiment import Experiment, Options
from reportgen.features.embedding import Penultimate, commonest, pca, quartiles
from reportgen.features.neighbours import AXES, FEWEST, MOST, NEAREST, STEPS, agreement, telling, trust, tsne
from reportgen.features.seen import Seen
from reportgen.report import Fact, Facts, Heatmap, Scatter
from reportgen.sections._made import Made, brief
from reportgen.units import plural, show

if TYPE_CHECKING:
    import torch

UNITS = 40  # of the layer, and classes, in the heat map


@dataclass(frozen=True)
class _Groups:
    """Each sample's group, the groups' names and what they are; true and predicted classes, None where unknown."""

    member: list[int]
    names: list[str]
    by: str
    true: np.ndarray | None = None
    said: np.ndarray | None = None

    @property
    def mistakes(self) -> tuple[int, ...]:
        """The samples whose predicted class is not their true one."""
        if self.true is None or self.said is None:
            return ()
        return tuple(np.flatnonzero((self.true >= 0) & (self.true != self.said)).tolist())


def embedding(
    experiment: Experiment, options: Options, before: Penultimate, seen: Seen, of: str, made: Made
) -> None:
    """The samples by PCA and by t-SNE, their neighbours, and the mean of the units by class."""
    layer = f"{before.kind} {before.name}".strip()
    values = before.features if before.parts else np.zeros((0, 0))
    if values.shape[0] != seen.count or values.shape[0] < 3 or values.shape[1:] < (2,):
        made.notes.append(
            f"There is no embedding: what goes into {layer} is {values.shape} for {plural(seen.count, 'sample')}, "
            "expected one vector of 2 numbers or more for each of 3 or more."
        )
        return
    groups = _groups(experiment, seen)
    what = f"Input of {layer} ({values.shape[1]:,} numbers a sample)"
    facts = [_pca(values, groups, what, of, made)]
    facts += _tsne(values, groups, what, of, options.seed, made)
    facts += _near(values, groups)
    shown = tuple(fact for fact in facts if fact is not None)
    if shown:
        made.blocks.append(
            Facts(
                title="How far to trust the planes",
                caption=f"{of}. Nearest: the {NEAREST} nearest by Euclidean distance. Trustworthiness (Venna and "
                "Kaski): 1 where no sample is near another in the plane alone.",
                facts=shown,
            )
        )
    _by_class(experiment, values, groups, what, of, made)


def _pca(values: np.ndarray, groups: _Groups, what: str, of: str, made: Made) -> Fact | None:
    plane = pca(values)
    shares = [show(float(f"{share:.3g}"), "share") for share in plane.shares]
    both = show(float(f"{sum(plane.shares):.3g}"), "share")
    how = f"on its first two principal axes, which hold {both} of the variance"
    labels = [
        f"{name} principal axis ({share} of variance)"
        for name, share in zip(("1st", "2nd"), shares, strict=True)
    ]
    made.blocks.append(
        _scatter("Embedding", plane.points, groups, f"{what} {how}. {of}", "PCA has no random part", labels)
    )
    made.said.append(
        f"two principal axes hold {both} of the variance of what goes into {what.split(' (')[0][9:]}"
    )
    return _trust("Trustworthiness, PCA", values, plane.points)


def _tsne(
    values: np.ndarray, groups: _Groups, what: str, of: str, seed: int, made: Made
) -> list[Fact | None]:
    if not FEWEST <= len(values) <= MOST:
        made.notes.append(
            f"There is no t-SNE of {plural(len(values), 'sample')}: it takes {FEWEST} to {MOST:,}."
        )
        return []
    try:
        points, perplexity = tsne(values, seed)
    except ValueError as problem:
        made.notes.append(f"There is no t-SNE: {problem}.")
        return []
    axes = f" (its first {AXES} principal axes)" if values.shape[1] > AXES else ""
    how = f"t-SNE with perplexity {perplexity:g}, {STEPS} steps from the principal axes, seed {seed}"
    note = f"{how}. Distances between groups, and their sizes, mean nothing"
    labels = ["first axis of t-SNE", "second axis of t-SNE"]
    made.blocks.append(_scatter("Embedding by t-SNE", points, groups, f"{what}{axes}. {of}", note, labels))
    return [_trust("Trustworthiness, t-SNE", values, points)]


def _scatter(
    title: str, points: np.ndarray, groups: _Groups, what: str, note: str, labels: list[str]
) -> Scatter:
    x, y = (tuple(float(f"{value:.6g}") for value in column) for column in points.T)
    rings = f"; rings: {plural(len(groups.mistakes), 'sample')} predicted wrongly" if groups.mistakes else ""
    return Scatter(
        title=title,
        caption=f"{what}; coloured by {groups.by}{rings}. {note}.",
        x=x,
        y=y,
        member=tuple(groups.member),
        groups=tuple(groups.names),
        x_label=labels[0],
        y_label=labels[1],
        marked=groups.mistakes,
        mark="predicted wrongly",
    )


def _trust(label: str, values: np.ndarray, points: np.ndarray) -> Fact | None:
    if len(values) < 2 * NEAREST + 1:
        return None
    return Fact(label=label, value=float(f"{trust(values, points):.3g}"), note="of 1")


def _near(values: np.ndarray, groups: _Groups) -> list[Fact]:
    if not groups.by.startswith(("true class", "quarter of the true")):
        return []
    found = agreement(values, groups.member if groups.true is None else groups.true.tolist())
    if found is None:
        return []
    kind = "class" if groups.true is not None else "quarter"
    return [
        Fact(label=f"Nearest of the same {kind}", value=brief(found.share), unit="share",
             note=f"before the last layer, all {values.shape[1]:,} numbers"),
        Fact(label="By chance", value=brief(found.chance), unit="share", note="of any two samples"),
    ]  # fmt: skip


def _by_class(
    experiment: Experiment, values: np.ndarray, groups: _Groups, what: str, of: str, made: Made
) -> None:
    """Mean of the units that tell the classes apart best, class by class."""
    labels = groups.true if groups.true is not None else groups.said
    if labels is None:
        return
    numbers, counts = np.unique(labels[labels >= 0], return_counts=True)
    classes = sorted(numbers[np.argsort(-counts, kind="stable")][:UNITS].tolist())
    kept = np.isin(labels, classes)
    member, rows = labels[kept], values[kept]
    if len(classes) < 2 or len(member) <= len(classes):
        return
    ratio = telling(rows, member.tolist())
    order = [int(unit) for unit in np.argsort(-np.round(ratio, 3), kind="stable")[:UNITS] if ratio[unit] > 0]
    if not order:
        return
    spread = np.maximum(rows.std(axis=0), 1e-30)
    means = [(rows[member == label].mean(axis=0) - rows.mean(axis=0)) / spread for label in classes]
    kind = "true" if groups.true is not None else "predicted"
    chosen = f"the {len(order)} of {values.shape[1]:,} units" if len(order) < values.shape[1] else "all units"
    few = f"; the {len(classes)} commonest of {len(numbers)} classes" if len(classes) < len(numbers) else ""
    made.blocks.append(
        Heatmap(
            title="Mean activation by class",
            caption=f"{what}: mean over the samples of each {kind} class, in standard deviations from the mean of "
            f"all{few}; {chosen} with the largest F ratio (variance between classes over that within), the largest "
            f"first. {of}.",
            row_labels=tuple(experiment.class_name(label) for label in classes),
            column_labels=tuple(str(unit) for unit in order),
            values=tuple(tuple(brief(mean[unit]) for unit in order) for mean in means),
            row_title="class",
            column_title="unit",
            scale="diverging",
        )
    )


def _groups(experiment: Experiment, seen: Seen) -> _Groups:
    """What the samples are coloured by: classes, quarters of the values, or nothing."""
    if experiment.task == "classification" and seen.said is not None:
        labels = _labels(seen)
        said = _predicted(experiment, seen.said, seen.width)
        member, names = commonest((said if labels is None else labels).tolist(), experiment.class_name)
        by = "predicted class" if labels is None else "true class"
        return _Groups(member, names, by, None if labels is None else labels.numpy(), said.numpy())
    values = seen.targets if seen.targets is not None else seen.said if seen.width == 1 else None
    if experiment.task == "regression" and values is not None and bool(values.isfinite().all()):
        member, names = quartiles(values.double().numpy())
        by = f"quarter of the {'predicted' if seen.targets is None else 'true'} values"
        return _Groups(member, names, by)
    return _Groups([0] * seen.count, ["all samples"], "nothing")


def _labels(seen: Seen) -> torch.Tensor | None:
    """Class numbers, -1 where there is none of that number; None where the targets are no class numbers."""
    targets = seen.targets
    if targets is None or (targets.is_floating_point() and not bool((targets == targets.round()).all())):
        return None
    numbers = targets.long()
    known = (numbers >= 0) & (numbers < max(2, seen.width))
    return numbers.where(known, -1) if bool(known.any()) else None


def _predicted(experiment: Experiment, said: torch.Tensor, width: int) -> torch.Tensor:
    from reportgen.predictions import probabilities_of

    if width != 1:
        return said
    return probabilities_of(said[:, None], experiment.outputs_are_probabilities).argmax(dim=1)
