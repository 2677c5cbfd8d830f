"""Images blocks: rasters checked before anything decodes them, maps drawn late on one scale."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reportgen.errors import one_line
from reportgen.render.figures.style import DIVERGING
from reportgen.report import Images, Map, Picture, Raster
from reportgen.units import show

if TYPE_CHECKING:
    import numpy as np

_MOST_PIXELS = 16_000_000
_SIDE = 1600  # pixels along a side of a map that is drawn
_TITLE = 110  # CSS pixels of a row's title
_EXACT = (
    64 * 64
)  # pixels; a larger picture under a map is a photograph, and no cell of it needs its exact colour
_FORMATS = {"WEBP": "image/webp", "PNG": "image/png"}


@dataclass(frozen=True)
class Shown:
    """One place of the grid: an image as a data URI at its size on the page, or the reason for none."""

    src: str
    width: int
    height: int
    alt: str
    caption: str
    missing: str
    pixelated: bool


@dataclass(frozen=True)
class Grid:
    """Rows of places with their titles; `scale` names the ends of the maps' common colour scale.

    `room` is how wide a place is, in CSS pixels.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Shown, ...]], ...]
    scale: tuple[str, ...]
    scale_src: str
    room: int


def grid(block: Images, width: int) -> Grid:
    """The block's pictures in rows, each no wider than its share of `width` CSS pixels."""
    across = min(block.columns, max(len(block.pictures), 1))
    room = max(28, min(150, (width - (_TITLE if block.row_titles else 0)) // across - 12))
    shown = [_shown(picture, at, room, block) for at, picture in enumerate(block.pictures)]
    rows = []
    for at in range(0, len(shown), block.columns):
        number = at // block.columns
        title = block.row_titles[number] if number < len(block.row_titles) else ""
        rows.append((title, tuple(shown[at : at + block.columns])))
    scale = _scale([picture.map for picture in block.pictures if picture.map])
    src = _scale_strip(signed=len(scale) == 3) if scale else ""
    return Grid(block.column_titles[: block.columns], tuple(rows), scale, src, room)


def _shown(picture: Picture, at: int, room: int, block: Images) -> Shown:
    alt = picture.alt or picture.caption or f"Picture {at + 1} of {len(block.pictures)}"
    problem = picture.missing
    if picture.map is None and picture.raster is None and picture.behind is None:
        return Shown("", room, room, alt, picture.caption, problem or "no picture was kept", False)
    try:
        behind = picture.raster if picture.behind is None else block.pictures[picture.behind].raster
        src, width, height = _drawn(picture.map, behind)
    except Exception as error:  # noqa: BLE001 - a decoder raises anything on a file that lies
        said = f"this picture does not decode: {one_line(error, 120)}"
        return Shown("", room, room, alt, picture.caption, said, False)
    wide, high, pixelated = _fitted(width, height, room)
    return Shown(src, wide, high, alt, picture.caption, problem, pixelated)


def _fitted(width: int, height: int, room: int) -> tuple[int, int, bool]:
    """Small pictures at a whole multiple of their size, large ones scaled down to the room there is."""
    longest = max(width, height)
    if longest <= room:
        times = max(1, room // longest)
        return width * times, height * times, times > 1
    return max(1, round(width * room / longest)), max(1, round(height * room / longest)), False


def _drawn(field: Map | None, raster: Raster | None) -> tuple[str, int, int]:
    if field is None:
        assert raster is not None
        _check(raster)
        return f"data:{raster.media_type};base64,{raster.data}", raster.width, raster.height
    pixels = _overlay(field, raster)
    high, wide = pixels.shape[:2]
    return _webp(pixels, exact=raster is None or high * wide <= _EXACT), wide, high


def _check(raster: Raster) -> bytes:
    """The raster's bytes, once its header says what the report says."""
    from PIL import Image

    if raster.width * raster.height > _MOST_PIXELS:
        raise ValueError(f"{raster.width}x{raster.height} pixels are more than {_MOST_PIXELS:,}")
    content = base64.b64decode(raster.data, validate=True)
    with Image.open(io.BytesIO(content), formats=list(_FORMATS)) as image:
        if (
            image.size != (raster.width, raster.height)
            or _FORMATS.get(str(image.format)) != raster.media_type
        ):
            raise ValueError(f"a {image.format} of {image.width}x{image.height}, not what is said of it")
    return content


def _overlay(field: Map, raster: Raster | None) -> np.ndarray:
    """The map on its scale; over a picture, the picture grey and pale behind it. uint8 (H, W, 3)."""
    import numpy as np

    if field.width * field.height > _MOST_PIXELS:
        raise ValueError(f"{field.width}x{field.height} values are more than {_MOST_PIXELS:,}")
    if not math.isfinite(field.limit):
        raise ValueError("its largest value is not finite")
    values = field.to_array() / (field.limit or 1.0)
    step = -(-max(values.shape) // _SIDE)  # what a page can't show is not coloured
    values = values[::step, ::step]
    if raster is None:
        return _pixels(_coloured(values))
    grey = _grey(raster)
    step = -(-max(grey.shape) // _SIDE)
    grey = grey[::step, ::step]
    high, wide = grey.shape
    rows = np.arange(high) * values.shape[0] // high
    columns = np.arange(wide) * values.shape[1] // wide
    values = values[rows][:, columns]
    behind = (176 + grey.astype(np.float64) * (79 / 255))[..., None]
    strength = np.clip(np.abs(values) ** 0.8, 0, 1)[..., None]
    strong = _coloured(np.sign(values) * (0.45 + 0.45 * np.abs(values)))
    return _pixels(behind * (1 - strength) + strong * strength)


def _grey(raster: Raster) -> np.ndarray:
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(_check(raster)), formats=list(_FORMATS)) as image:
        return np.asarray(image.convert("L"))


def _coloured(values: np.ndarray) -> np.ndarray:
    """Colours of values in -1..1, the same for every map: float (H, W, 3) in 0..255."""
    import numpy as np

    ramp = [[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in DIVERGING]
    place = (np.clip(values, -1, 1) + 1) / 2
    picked: np.ndarray = np.array(ramp, dtype=np.float64)[np.rint(place * (len(ramp) - 1)).astype(int)]
    return picked


def _pixels(colours: np.ndarray) -> np.ndarray:
    import numpy as np

    rounded: np.ndarray = np.rint(colours).astype(np.uint8)
    return rounded


def _webp(pixels: np.ndarray, *, exact: bool = True) -> str:
    return f"data:image/webp;base64,{Raster.from_array(pixels, exact=exact).data}"


def _scale(maps: list[Map]) -> tuple[str, ...]:
    """The words at the ends of the maps' scale: numbers where all share one limit."""
    if not maps:
        return ()
    signed = any(field.signed for field in maps)
    limits = {field.limit for field in maps}
    if len(limits) == 1:
        top = float(f"{maps[0].limit:.3g}")
        return (show(-top), "0", show(top)) if signed else ("0", show(top))
    return (
        ("each picture's largest, negative", "0", "positive") if signed else ("0", "each picture's largest")
    )


def _scale_strip(*, signed: bool) -> str:
    import numpy as np

    line = np.linspace(-1 if signed else 0, 1, 65)[None, :]
    return _webp(_pixels(_coloured(np.repeat(line, 4, axis=0))))
