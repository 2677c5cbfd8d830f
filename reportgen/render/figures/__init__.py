"""Blocks drawn: one module a kind, each with `draw`, `describe` (the text alternative) and `table`."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from reportgen.errors import RAISED
from reportgen.render.figures import style
from reportgen.render.figures.base import Columns, Palette
from reportgen.render.figures.svg import svg, themed
from reportgen.units import shorten

# How a raster inside a figure is turned for a dark page: scales and ink upside down, hues kept;
# coloured marks only brighter.
_TURNED, _BRIGHT = "invert(1) hue-rotate(180deg)", "brightness(1.6)"
_RASTER = {"heatmap": _TURNED, "signal": _TURNED, "scatter": _BRIGHT, "swarm": _BRIGHT, "curves": _BRIGHT}
KINDS = ("curves", "bars", "heatmap", "distribution", "scatter", "signal", "swarm", "parallel")


@dataclass(frozen=True)
class Figure:
    """A drawn block: an image as a data URI, its size in CSS pixels, its words, and its numbers."""

    src: str
    width: int
    height: int
    alt: str
    data: Columns
    problem: str = ""


def figure(block: Any, palette: Palette, *, dark: bool, rows: int) -> Figure:
    """Draw one block of a kind in `KINDS`.

    `dark`: also for a dark page. `rows`: how many rows the table behind it may have. What can't be drawn
    is said in `problem`; the numbers are there all the same.
    """
    module = import_module(f"reportgen.render.figures.{block.kind}")
    alt, data = module.describe(block), module.table(block, rows)
    try:
        with style.drawing():
            text = svg(module.draw(block, palette))
    except RAISED as error:  # whatever matplotlib can't draw must not cost the report
        reason = f"This figure could not be drawn: {type(error).__name__}: {shorten(str(error), 200)}"
        return Figure("", 0, 0, alt, data, reason)
    width, height = (round(float(size) / 72 * 96) for size in _size(text))
    content = themed(text, _RASTER.get(block.kind, "none")) if dark else text
    src = "data:image/svg+xml;base64," + base64.b64encode(content.encode("utf-8")).decode("ascii")
    return Figure(src, width, height, alt, data)


def _size(text: str) -> tuple[str, str]:
    found = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', text)
    if found is None:
        raise ValueError("the drawn figure has no size")
    return found[1], found[2]
