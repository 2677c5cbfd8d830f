"""The curves of the Training section: which stand where, how large, and under which heading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reportgen.history.charts import Chart
from reportgen.history.curves import block
from reportgen.history.display import columns_for
from reportgen.report import Block, Text
from reportgen.units import plural, shorten

MOST = 80  # charts drawn
FEW = 12  # charts up to which no headings are needed
OPEN = 24  # charts after which a heading is folded at first
_ALONE = 3  # charts with a prefix of their own from which on it becomes a heading


@dataclass(frozen=True)
class Placed:
    """A chart and what its block says of its place."""

    chart: Chart
    place: dict[str, Any]


def drawn(charts: Sequence[Chart]) -> list[Chart]:
    """The charts that there is room for, those in which something changes first."""
    return sorted(charts, key=lambda chart: chart.flat)[:MOST]


def curve_blocks(charts: Sequence[Chart]) -> list[Block]:
    """The charts as blocks, in the order of the page."""
    shown = drawn(charts)
    columns = columns_for(sum(len(chart.curves) for chart in shown))
    blocks: list[Block] = [block(one.chart, columns, **one.place) for one in _placed(shown)]
    if len(charts) > len(shown):
        left = [chart for chart in charts if chart not in shown]
        rest = ", ".join(chart.title for chart in left)
        text = (
            f"{plural(len(left), 'chart')} not drawn, for lack of room: {shorten(rest, 2000)}. Their numbers are in "
            "the table of all series."
        )
        blocks.append(Text(id="not-drawn", text=text))
    return blocks


def _placed(charts: Sequence[Chart]) -> list[Placed]:
    """The loss wide, the learning rate as a strip under it, the others smaller; what never changes last, folded."""
    flat = [chart for chart in charts if chart.flat]
    moving = [chart for chart in charts if not chart.flat]
    first = moving[0] if moving and not moving[0].rate else None
    strips = [
        chart for chart in moving if first and chart.rate and chart.curves[0].series.axis == _axis(first)
    ]
    rest = [chart for chart in moving if chart is not first and chart not in strips]
    width = "half" if len(rest) <= FEW else "third"
    found = [Placed(first, {"width": "full"})] if first else []
    found += [Placed(chart, {"width": "full", "strip": True}) for chart in strips]
    headings = _headings(rest) if len(rest) > FEW else {}
    order = list(dict.fromkeys(headings.values()))
    if headings:
        rest = sorted(rest, key=lambda chart: order.index(headings[chart.id]))
    folded = _folded([headings.get(chart.id, "") for chart in rest])
    found += [
        Placed(chart, {"width": width, "group": group, "folded": group in folded})
        for chart in rest
        for group in [headings.get(chart.id, "")]
    ]
    return found + [
        Placed(chart, {"width": "third", "group": "Never changing", "folded": True}) for chart in flat
    ]


def _folded(groups: Sequence[str]) -> set[str]:
    """The headings under which charts lie folded at first: those that begin after so many charts."""
    first = {group: at for at, group in reversed(list(enumerate(groups)))}
    return {group for group, at in first.items() if group and at >= OPEN}


def _axis(chart: Chart) -> str:
    return chart.curves[0].series.axis


def _headings(charts: Sequence[Chart]) -> dict[str, str]:
    """Each chart's heading: losses, metrics, and else what stands before the slash in several names."""
    prefixes = Counter(_prefix(chart) for chart in charts)
    return {chart.id: _heading(chart, prefixes) for chart in charts}


def _heading(chart: Chart, prefixes: Counter[str]) -> str:
    prefix, name = _prefix(chart), chart.curves[0].name
    if prefix and prefixes[prefix] >= _ALONE:
        return shorten(prefix, 60)
    return "Losses" if name.loss else "Metrics" if name.direction else "Others"


def _prefix(chart: Chart) -> str:
    return chart.curves[0].name.metric.partition("/")[0] if "/" in chart.curves[0].name.metric else ""
