"""What counts over the whole data: features ranked, by class, how answers move with them; mean maps of pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from reportgen.attribution.base import NotApplicable
from reportgen.attribution.explain import passes
from reportgen.attribution.overview import SHARE, View, complete, view
from reportgen.attribution.sight import Sight
from reportgen.attribution.trust import spearman
from reportgen.deadline import Deadline, Late
from reportgen.experiment import Experiment, Options
from reportgen.report import Bars, Block, Column, Heatmap, Row, Strip, Swarm, Table, Text
from reportgen.sections._global_dependence import dependences
from reportgen.sections._global_maps import maps
from reportgen.sections._late import late
from reportgen.sections._made import briefly, failure
from reportgen.timelimit import enforced
from reportgen.units import shorten

GROUP = "Over the whole data"
TOP = 15  # features ranked
STRIPS, POINTS = 12, 250  # features and samples of the swarm
CLASSES = 12  # rows of the table of classes, the most frequent

Part = Callable[[Experiment, Options, Sequence[Sight], int, Deadline], list[Block]]


def whole(
    experiment: Experiment,
    options: Options,
    kind: str,
    sights: Sequence[Sight],
    size: int,
    deadline: Deadline,
) -> list[Block]:
    """The blocks for this kind of input, none without data; what can't be shown is a note that says why."""
    part = KINDS.get(kind)
    if part is None or experiment.samples is None:
        return []
    if len(experiment.output_shape) not in (1, 2):
        shape = experiment.output_shape[1:]
        why = f"the output for a sample is {shape}, and these views need one row of numbers"
        return [_not_shown(why)]
    try:
        # The trust, which comes after, needs as much.
        with enforced(deadline):
            return part(experiment, options, sights, size, deadline.within(deadline.left() / 2))
    except Late:
        return [late(f"{GROUP}: not shown", "nothing", GROUP)]
    except NotApplicable as reason:
        return [_not_shown(str(reason))]
    except Exception as error:  # noqa: BLE001 - the explanations of single samples stay
        return [failure(GROUP, error)]


def _not_shown(reason: str) -> Text:
    return Text(title=f"{GROUP}: not shown", group=GROUP, text=f"Not shown: {reason}.")


def _table(
    experiment: Experiment, options: Options, sights: Sequence[Sight], size: int, deadline: Deadline
) -> list[Block]:
    table = sights[0].table
    if table is None:
        return []
    options.step("Over the whole data", 0, 2)
    seen = view(experiment, table, size, deadline)
    blocks = [*spread(experiment, options, seen), *by_class(experiment, options, seen)]
    options.step("Over the whole data", 1, 2)
    blocks += dependences(experiment, seen, int(min(300, passes(experiment, SHARE) / 2 / 70)), size, deadline)
    options.step("Over the whole data", 2, 2)
    return blocks


def _images(
    experiment: Experiment, options: Options, sights: Sequence[Sight], size: int, deadline: Deadline
) -> list[Block]:
    return maps(experiment, size, partial(options.step, "Mean maps"), deadline)


KINDS: dict[str, Part] = {"table": _table, "image": _images}


def spread(experiment: Experiment, options: Options, seen: View) -> list[Block]:
    """The features by their mean |attribution|, with the spread over the samples."""
    order = seen.order(TOP)
    names = [shorten(seen.table.features[at].name) for at in order]
    sizes = np.abs(seen.values)
    low, high = (np.quantile(sizes[:, order], share, axis=0) for share in (0.1, 0.9))
    said = told(experiment, seen)
    known = int(seen.table.smooth.sum())
    bars = Bars(
        title="Features by mean |attribution|",
        group=GROUP,
        caption=f"{said} A bar is the mean size over the samples, the line reaches from the 10 % to the 90 % quantile."
        f"{f' The {len(order)} largest of {known} features.' if known > len(order) else ''}",
        labels=tuple(names),
        values=briefly(seen.sizes[order]),
        low=briefly(low),
        high=briefly(high),
        x_label="mean |attribution|",
    )
    return [bars, _swarm(seen, order[:STRIPS], said), _numbers(seen, order, said)]


def _swarm(seen: View, order: Sequence[int], said: str) -> Swarm:
    """A point a sample and feature, coloured by the rank of the feature's value among the samples."""
    chosen = np.arange(min(len(seen.values), POINTS)) * len(seen.values) // min(len(seen.values), POINTS)
    cut = (
        f" {len(chosen)} of {len(seen.values)} samples are drawn, evenly taken."
        if len(chosen) < len(seen.values)
        else ""
    )
    rows = []
    for at in order:
        values = seen.rows[:, at]
        ranks = np.searchsorted(np.sort(values), values, side="left") / max(1, len(values) - 1)
        shades = ranks if np.ptp(values) > 0 else np.full(len(values), np.nan)
        rows.append(
            Strip(
                name=shorten(seen.table.features[at].name),
                x=briefly(seen.values[chosen, at]),
                shades=tuple(round(float(shade), 3) for shade in np.minimum(shades[chosen], 1.0)),
            )
        )
    return Swarm(
        title="Attributions sample by sample",
        group=GROUP,
        width="full",
        caption=f"{said} A point is a sample, to the right where the feature speaks for the output; its colour is the "
        f"rank of the feature's value among the samples.{cut}",
        rows=tuple(rows),
        x_label="attribution",
        shade="feature value, by rank",
        total=int(seen.table.smooth.sum()),
    )


def _numbers(seen: View, order: Sequence[int], said: str) -> Table:
    columns = (
        Column(name="Feature"),
        Column(name="mean |a|", unit="exact"),
        Column(name="5 %", unit="exact", note="quantile of the signed attributions"),
        Column(name="median", unit="exact"),
        Column(name="95 %", unit="exact"),
        Column(
            name="with its value", unit="exact",
            note="rank correlation of the attribution with the feature's value: 1 where more of it always speaks "
            "more for the output",
        ),
    )  # fmt: skip
    rows = []
    for at in order:
        values = seen.values[:, at]
        quantiles = briefly(np.quantile(values, [0.05, 0.5, 0.95]))
        rank = spearman(seen.rows[:, at], values)
        cells = [seen.table.features[at].name, *briefly([seen.sizes[at]]), *quantiles]
        rows.append(Row(cells=(*cells, None if rank is None else float(f"{rank:.3g}"))))
    return Table(
        title="Spread of the attributions", group=GROUP, caption=said, columns=columns, rows=tuple(rows),
        total=int(seen.table.smooth.sum()),
    )  # fmt: skip


def by_class(experiment: Experiment, options: Options, seen: View) -> list[Block]:
    """Mean |attribution| of each feature over the samples of each predicted class."""
    if experiment.task != "classification":
        return []
    given = seen.answers.classes.numpy()
    classes, counts = np.unique(given, return_counts=True)
    if len(classes) < 2:
        return []
    shown = np.sort(classes[np.argsort(-counts, kind="stable")][:CLASSES])
    order = seen.order(TOP)
    sizes = np.abs(seen.values)[:, order]
    cut = f" The {len(shown)} most frequent of {len(classes)} classes." if len(shown) < len(classes) else ""
    labels = [f"{shorten(experiment.class_name(int(c)), 24)} ({int((given == c).sum())})" for c in shown]
    return [
        Heatmap(
            title="Mean |attribution| by class",
            group=GROUP,
            width="full",
            caption=f"{told(experiment, seen)} A column is a predicted class and how many samples are given it.{cut}",
            row_labels=tuple(shorten(seen.table.features[at].name, 28) for at in order),
            column_labels=tuple(labels),
            values=tuple(
                briefly([sizes[given == label, place].mean() for label in shown])
                for place in range(len(order))
            ),
            column_title="predicted",
        )
    ]


def told(experiment: Experiment, seen: View) -> str:
    """Method, target, baseline and sample size."""
    fixed = seen.answers.fixed
    if fixed >= 0 and experiment.task == "classification":
        what = f"the score of {experiment.class_name(fixed)}"
    elif fixed >= 0:
        what = "the model's output" if seen.answers.outputs.shape[1] == 1 else f"the model's output {fixed}"
    else:
        what = "each sample's " + (
            "predicted class" if experiment.task == "classification" else "largest output"
        )
    of = f"{len(seen.values):,} samples"
    held = (
        "" if seen.table.smooth.all() else " Categories and whole numbers have no gradient, so no value here."
    )
    exact = complete(seen.errors)
    return f"Integrated Gradients of {what}, {seen.steps} steps against {seen.baseline}, {of}; {exact}.{held}"
