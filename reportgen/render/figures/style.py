"""How every figure looks: sizes, colours for light and dark, and the way from a Figure to SVG text."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, FRAME, SURFACE = "#20242a", "#59616b", "#e2e5e9", "#9aa2ab", "#fefefe"
ACCENT = "#1f5a8c"
ALARM = "#b3261e"
PALE = "#a9c6de"  # the accent, where something is drawn over it

# Each colour with its counterpart on a dark page. The categorical ones tell apart under the three common
# colour-vision deficiencies (after P. Tol's "muted" and M. Okabe and K. Ito's set).
LINES = (
    (ACCENT, "#6fb1e6"),
    ("#c8550a", "#f0934e"),
    ("#0b7f5f", "#4fc2a0"),
    ("#9a4488", "#d88fc9"),
    ("#8a6a00", "#dcb748"),
    ("#4d5561", "#aab3be"),
    ("#6e0f14", "#d94a5a"),
    ("#7a3cff", "#8f5cff"),
)
CLASSES = (
    ("#332288", "#8f86e8"),
    ("#cc6677", "#e58a98"),
    ("#117733", "#4fb873"),
    ("#d9b93b", "#e6cf6b"),
    ("#66b5dd", "#9ad6f5"),
    ("#882255", "#d0649c"),
    ("#44aa99", "#6fd0c0"),
    ("#8a8a2a", "#c2c25a"),
    ("#aa4499", "#d47fc8"),
    ("#777d85", "#a9b0b8"),
)
# A graph's families of layers, the same colour in every report. Chosen so that any two, and each and the page,
# differ by more than 15 in CIELAB, seen with each of the three deficiencies too.
FAMILIES = {
    "conv": ("#0044aa", "#0077ee"),
    "linear": ("#6688ff", "#eeddff"),
    "norm": ("#88cc99", "#77ffcc"),
    "activation": ("#eeaa55", "#eedd44"),
    "attention": ("#bb4411", "#bb7700"),
    "recurrent": ("#770000", "#ffaa88"),
    "embedding": ("#9966aa", "#aa66aa"),
    "pool": ("#552266", "#bb88ee"),
    "arithmetic": ("#662233", "#cc5577"),
    "dropout": ("#ddaaff", "#eeaaff"),
    "shape": ("#aa6655", "#dd4444"),
}
_STEP = 4  # pixels of a raster that one shade of a colour bar has
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", "h")
_SHADES = (
    (INK, "#e4e7eb"),
    (MUTED, "#a3abb5"),
    (GRID, "#2e343b"),
    (FRAME, "#6a737d"),
    (SURFACE, "#16191d"),
    (ALARM, "#ff8a80"),
    (PALE, "#2c5475"),
)

FONT = (
    "'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'Liberation Sans', Arial, 'DejaVu Sans', sans-serif"
)
_RC: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "reportgen",
    "svg.image_inline": True,
    "text.parse_math": False,
    "text.usetex": False,
    "axes.formatter.use_mathtext": False,
    "axes.formatter.useoffset": False,
    "axes.unicode_minus": True,
    "font.family": ["sans-serif"],
    # Laid out with the font that matplotlib itself brings: the same picture on every machine, and wide
    # enough for whichever face the reader's machine puts in its place.
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 8.5,
    "axes.edgecolor": FRAME,
    "axes.linewidth": 0.7,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": FRAME,
    "ytick.color": FRAME,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "xtick.major.width": 0.7,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.5,
    "lines.solid_capstyle": "round",
    "path.simplify": True,
    "agg.path.chunksize": 0,
    "savefig.dpi": 200,
}


def mix(low: str, high: str, share: float) -> str:
    """The colour `share` of the way from one to another, in sRGB."""
    ends = [[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in (low, high)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(*ends, strict=True))


def _ramp(stops: tuple[str, ...], steps: int) -> tuple[str, ...]:
    colours = []
    for step in range(steps):
        place = step / (steps - 1) * (len(stops) - 1)
        left = min(int(place), len(stops) - 2)
        colours.append(mix(stops[left], stops[left + 1], place - left))
    return tuple(colours)


# Lightness falls (on dark: rises) all the way, so that the order survives a grey print and any eye.
SEQUENTIAL = _ramp(("#f3f6f9", "#b9cfe3", "#6a9cc6", "#2b689e", "#0f3355"), 33)
SEQUENTIAL_DARK = _ramp(("#1d2227", "#1f4468", "#2f6fa8", "#6fabde", "#d3e8fa"), 33)
DIVERGING = _ramp(("#123f73", "#4d8dc0", "#c3dbec", "#f6f5f4", "#f6cdb5", "#d6703f", "#7f2a0b"), 65)
DIVERGING_DARK = _ramp(("#cfe6fb", "#5a9fd8", "#24486b", "#22262b", "#6b3a22", "#dd8452", "#ffdcc6"), 65)

# For marks, which a pale middle would hide: from cold over grey violet to warm, every step seen on the page.
MARKS = _ramp(("#1f5a8c", "#8a7f96", "#c8550a"), 33)
MARKS_DARK = _ramp(("#6fb1e6", "#94899f", "#f0934e"), 33)

DARK: dict[str, str] = {
    **dict(zip(DIVERGING, DIVERGING_DARK, strict=True)),
    **dict(zip(MARKS, MARKS_DARK, strict=True)),
    **dict(zip(SEQUENTIAL, SEQUENTIAL_DARK, strict=True)),
    **dict(CLASSES),
    **dict(LINES),
    **dict(_SHADES),
}


@contextmanager
def drawing() -> Iterator[None]:
    """Our settings, for as long as the figure is made and written; the user's own are as they were."""
    import matplotlib

    with matplotlib.rc_context(_RC), warnings.catch_warnings():
        # A glyph that the layout font lacks is the reader's font's business: text stays text.
        warnings.simplefilter("ignore")
        yield


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure of that size in inches, with one pair of axes; never pyplot's."""
    from matplotlib.figure import Figure

    figure = Figure((width, height), layout="constrained")
    return figure, figure.subplots()


def plain_bar(bar: Any) -> None:
    """A colour bar without frame, ticks or seams, drawn in colours that follow the page.

    Beside a raster it is one too, which takes a page's scheme as that does; else a shape a step.
    """
    from matplotlib.image import AxesImage

    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=7.5)
    if isinstance(bar.mappable, AxesImage):
        _raster_bar(bar)
        return
    bar.solids.set_rasterized(False)
    bar.solids.set_edgecolor("face")


def _raster_bar(bar: Any) -> None:
    import numpy as np

    shades, (low, high) = bar.cmap.N, (bar.norm.vmin, bar.norm.vmax)
    steps = (np.arange(shades) + 0.5) / shades * (high - low) + low
    bar.solids.remove()
    bar.ax.imshow(
        np.repeat(steps, _STEP)[:, None], cmap=bar.cmap, norm=bar.norm, extent=(0, 1, low, high), origin="lower",
        aspect="auto", interpolation="none",
    )  # fmt: skip
