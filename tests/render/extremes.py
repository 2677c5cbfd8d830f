"""One small block of each kind, and the same with each of its values, in turn, at an extreme."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

from sample_results import digit

NUMBERS = (math.inf, -math.inf, math.nan, 10**400, -(10**400), 1e308, -1e308, 5e-324, -0.0, 0, -1, 2**63)
TEXTS = (
    "",
    " ",
    "\n" * 50,
    "x" * 30_000,
    "\u202e\x1b[31m\x00",
    "$\\frac{1}{",
    "−∞",
    "0x",
    "<b>&",
    "\u0301" * 300,
)
CELLS = (None, True, *NUMBERS, *TEXTS)

RASTER = digit(3).model_dump()
MAP = {"width": 2, "height": 2, "limit": 1.0, "signed": True, "data": "eJxjYGAAAAAEAAE="}
KINDS: tuple[dict[str, Any], ...] = (
    {"kind": "facts", "facts": [
        {"label": "a", "value": 1, "unit": unit, "note": "n"}
        for unit in ("", "exact", "count", "bytes", "s", "share", "FLOPs", "params", "m")
    ]},
    {"kind": "table", "total": 3, "columns": [
        {"name": "a", "unit": "text", "note": "n"}, {"name": "b", "unit": "share"}, {"name": "c", "unit": "bytes"}
    ], "rows": [
        {"cells": ["a", 0.5, 1], "level": 0, "id": "i", "same_as": ""},
        {"cells": ["b", 0.5, 1], "level": 1, "id": "j", "same_as": "i"},
        {"cells": ["c", 0.5, 1], "level": 1, "id": "k", "same_as": "i"},
    ]},
    {"kind": "text", "text": "a"},
    {"kind": "code", "text": "a", "language": "python"},
    {"kind": "curves", "x_label": "x", "y_label": "y", "log_y": False, "series": [
        {"name": "a", "x": [0, 1, 2], "y": [1, 2, 3], "group": "g", "run": "r", "epochs": [0, 1, 2], "times": [0, 1, 2],
         "smooths": "", "weight": 0.5, "low": [0, 1, 2], "high": [2, 3, 4]},
        {"name": "b", "x": [0], "y": [1], "role": "points"},
    ], "marks": [{"x": 1, "y": 2, "label": "m"}]},
    {"kind": "bars", "labels": ["a", "b"], "values": [1, 2], "low": [0, 1], "high": [2, 3], "unit": "s", "x_label": "x",
     "reach": 1.0},
    {"kind": "heatmap", "row_labels": ["a", "b"], "column_labels": ["a", "b"], "values": [[1, 2], [3, 4]],
     "unit": "share"},
    {"kind": "heatmap", "row_ends": [0, 2], "column_ends": [0, 2], "values": [[1, 2], [3, 4]], "row_unit": "s",
     "column_unit": "Hz", "scale": "diverging"},
    {"kind": "distribution", "x_label": "x", "histograms": [{"name": "a", "edges": [0, 1, 2], "counts": [1, 2]}]},
    {"kind": "distribution", "x_label": "x", "panels": True, "histograms": [
        {"name": "a", "edges": [0, 1, 2], "counts": [1, 2]}, {"name": "b", "edges": [0, 1], "counts": [1]}]},
    {"kind": "scatter", "x": [0, 1], "y": [0, 1], "member": [0, 1], "groups": ["a", "b"], "x_label": "x",
     "y_label": "y", "marked": [0], "mark": "m"},
    {"kind": "swarm", "x_label": "x", "unit": "s", "total": 2, "rows": [
        {"name": "a", "x": [0, 1], "shades": [0, 1]}, {"name": "b", "x": [0, 1], "shades": [0, 1]}]},
    {"kind": "parallel", "names": ["a", "b"], "best": 0, "axes": [
        {"name": "a", "values": [0, 1], "labels": ["x", "y"]}, {"name": "b", "values": [1, 10], "log": True}]},
    {"kind": "images", "columns": 2, "column_titles": ["a"], "row_titles": ["b"], "pictures": [
        {"caption": "a", "alt": "a", "raster": RASTER}, {"map": MAP, "behind": 0}, {"map": MAP}, {"missing": "m"}]},
    {"kind": "tokens", "tokens": ["a", "b"], "weights": [1, -1], "limit": 1.0},
    {"kind": "signal", "values": [0, 1, 0], "rate": 2.0, "weights": [0, 1, 0], "high": [1, 2, 1], "each": 2},
    {"kind": "graph", "summary": "s", "nodes": [
        {"id": "a", "label": "a", "detail": "d", "family": "conv", "times": 2, "cluster": "c", "row": "i"},
        {"id": "b", "label": "b"}],
     "edges": [{"source": "a", "target": "b", "label": "l"}], "clusters": [{"id": "c", "label": "c", "times": 2}]},
    {"kind": "failure", "error": "E", "message": "m", "hint": "h", "details": "d"},
)  # fmt: skip


def extremes() -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, block) with one value changed, wherever the data model may still refuse it."""
    for at, block in enumerate(KINDS):
        for path in _places(block):
            if path == ("kind",):
                continue
            for value in _instead(_get(block, path)):
                changed = copy.deepcopy(block)
                _get(changed, path[:-1])[path[-1]] = value
                yield f"{at} {block['kind']} {'.'.join(map(str, path))} = {str(value)[:20]!r}", changed


def _places(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each value stands; of a list the first and the last."""
    if path:
        yield path
    if isinstance(part, dict):
        for key, inner in part.items():
            yield from _places(inner, (*path, key))
    elif isinstance(part, list):
        for at in sorted({0, len(part) - 1}) if part else ():
            yield from _places(part[at], (*path, at))


def _get(part: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        part = part[step]
    return part


def _instead(value: Any) -> tuple[Any, ...]:
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int | float):
        return (*NUMBERS, "text")
    if isinstance(value, str):
        return (*TEXTS, *NUMBERS)
    if isinstance(value, list):
        return ([], value * 300, value[:1])
    return (None,)
