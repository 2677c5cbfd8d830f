"""Partial dependence drawn: a curve over the deciles of a number, a bar for each category."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.dependence import Dependence, dependence, grid_of
from reportgen.deadline import Late
from reportgen.report import Bars, Block, Curves, Series
from reportgen.sections._late import late
from reportgen.sections._made import briefly
from reportgen.units import plural, shorten

if TYPE_CHECKING:
    from reportgen.attribution.overview import View
    from reportgen.deadline import Deadline
    from reportgen.experiment import Experiment

TOP = 6  # features
FEWEST = 10  # rows
LINES = 30  # rows drawn one by one
OUTPUTS = 6  # curves of one chart
GROUP = "Partial dependence"


def dependences(experiment: Experiment, seen: View, rows: int, size: int, deadline: Deadline) -> list[Block]:
    """A chart for each of the features that count most, and for up to two categories, which have no such rank."""
    if rows < FEWEST:
        return []
    wanted = [*seen.order(TOP), *seen.table.categorical[:2]]
    blocks: list[Block] = []
    for feature in wanted:
        grid = grid_of(seen, feature)
        if len(grid) > 1:
            try:
                found = dependence(experiment, seen, feature, grid, rows, size, deadline)
            except Late:
                what = f"{len(blocks)} of {plural(len(wanted), 'feature')}"
                return [*blocks, late(f"{GROUP}: what the time cut", what, GROUP)]
            draw = _bars if seen.table.features[feature].levels is not None else _curves
            blocks.append(draw(experiment, seen, found))
    return blocks


def _outputs(experiment: Experiment, seen: View, found: Dependence) -> list[int]:
    """Which outputs are drawn: the one that is explained in all samples, or the first few."""
    if experiment.task != "classification" and seen.answers.fixed >= 0:
        return [min(seen.answers.fixed, found.answers.shape[2] - 1)]
    if seen.answers.fixed >= 0:
        return [seen.answers.fixed]
    return list(range(min(OUTPUTS, found.answers.shape[2])))


def _curves(experiment: Experiment, seen: View, found: Dependence) -> Curves:
    feature = seen.table.features[found.feature]
    x = briefly(feature.original(found.grid))
    outputs = _outputs(experiment, seen, found)
    series: list[Series] = []
    faint = ""
    if len(outputs) == 1:
        count = len(found.answers)
        some = np.arange(min(LINES, count)) * count // min(LINES, count)
        lines = found.answers[some, :, outputs[0]]
        name = _called(experiment, outputs[0])
        faint = f" Faint: {len(some)} samples one by one."
        for at, line in zip(some, lines, strict=True):
            number = seen.numbers[int(at) * len(seen.numbers) // count]
            y = briefly(line)
            series.append(Series(name=f"sample {number:,}", x=x, y=y, role="faint", group=name))
    for output in outputs:
        name, y = _called(experiment, output), briefly(found.mean[:, output])
        series.append(Series(name=name, x=x, y=y, group=name))
        series.append(Series(name=f"{name}, deciles", x=x, y=y, role="points", group=name))
    return Curves(
        title=f"Partial dependence on {feature.name}",
        group=GROUP,
        width="third",
        caption=f"{_said(experiment, found, outputs)}{faint} Points at the deciles of the {len(seen.table.rows):,} "
        "values in the data, the least and the most included.",
        series=tuple(series),
        x_label=shorten(feature.name),
        y_label=_y_label(experiment, outputs),
    )


def _bars(experiment: Experiment, seen: View, found: Dependence) -> Bars:
    feature = seen.table.features[found.feature]
    outputs = _outputs(experiment, seen, found)
    labels, values, low, high = [], [], [], []
    for at, code in enumerate(found.grid):
        share = float((seen.table.rows[:, found.feature] == code).mean())
        for output in outputs:
            more = f", {shorten(_called(experiment, output), 16)}" if len(outputs) > 1 else ""
            labels.append(f"{shorten(feature.said(code), 16)}{more} ({100 * share:.0f} %)")
            column = found.answers[:, at, output]
            values.append(column.mean())
            low.append(np.quantile(column, 0.1))
            high.append(np.quantile(column, 0.9))
    return Bars(
        title=f"Partial dependence on {feature.name}",
        group=GROUP,
        width="third",
        caption=f"{_said(experiment, found, outputs)} In brackets how often the category occurs in the data; the line "
        "reaches from the 10 % to the 90 % quantile over the samples.",
        labels=tuple(labels),
        values=briefly(np.array(values)),
        low=briefly(np.array(low)),
        high=briefly(np.array(high)),
        # Where bars go both ways, a scale that keeps the numbers clear of the labels.
        reach=briefly(np.abs([*low, *high, *values]).max(keepdims=True))[0] if min(values) < 0 else 0.0,
        x_label=_y_label(experiment, outputs),
    )


def _said(experiment: Experiment, found: Dependence, outputs: list[int]) -> str:
    what = _y_label(experiment, outputs)
    count = plural(len(found.answers), "sample")
    more = found.answers.shape[2] - len(outputs)
    cut = (
        f" The first {len(outputs)} of {found.answers.shape[2]} outputs." if len(outputs) > 1 and more else ""
    )
    return f"Mean {what} of {count} with this feature set to each value and the others as they are.{cut}"


def _y_label(experiment: Experiment, outputs: list[int]) -> str:
    if experiment.task == "classification":
        only = len(outputs) == 1
        return f"probability of {shorten(experiment.class_name(outputs[0]), 24)}" if only else "probability"
    return "output"


def _called(experiment: Experiment, output: int) -> str:
    if experiment.task == "classification" or output < len(experiment.class_names):
        return experiment.class_name(output)
    return f"output {output}"
