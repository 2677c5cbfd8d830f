"""What blocks are made of: plain values, pictures and maps. Knows no model and no HTML."""

from __future__ import annotations

import base64
import binascii
import math
import re
import zlib
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from reportgen.units import show

if TYPE_CHECKING:
    import numpy as np

# Where Python put an object is another place each time, and says nothing.
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")
_CONTROLS = (
    *range(0x09), *range(0x0B, 0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF,
)  # fmt: skip
_ESCAPES = {code: chr(code).encode("unicode_escape").decode() for code in _CONTROLS}
_CONTROL = re.compile(f"[{re.escape(''.join(map(chr, _CONTROLS)))}]")


LONGEST_LINE, LONGEST_TEXT = 20_000, 4_000_000  # characters of a title, a caption or a name; of a listing


def _clean(value: object) -> object:
    """Text that every format can hold: controls and lone surrogates are shown as \\x1b, and no line is endless."""
    return _cleaned(value, LONGEST_LINE)


def _clean_text(value: object) -> object:
    return _cleaned(value, LONGEST_TEXT)


def _cleaned(value: object, limit: int) -> object:
    """A text of up to `limit` characters, the same when it is cleaned again."""
    if not isinstance(value, str):
        return value
    # Cut first: what is left out costs nothing, however much it would have grown.
    text = _shown(str(value)[:limit])
    return text[: limit - 1] + "…" if max(len(value), len(text)) > limit else text


def _shown(text: str) -> str:
    text = _ADDRESS.sub("at 0x…", _decoded(text).replace("\r\n", "\n").replace("\r", "\n"))
    return text.translate(_ESCAPES) if _CONTROL.search(text) else text


def _decoded(text: str) -> str:
    """The text that was meant where Python took UTF-8 for ASCII, as it does in a C locale; else as it is."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        return text


def _plain(value: object) -> object:
    """A Python scalar for a NumPy or torch one; NaN and infinity as text, which JSON can carry."""
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return show(value)
    return _clean(value)


def listed(value: Any) -> Any:
    """A list for a NumPy array or torch tensor; anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


MOST_PARTS, MOST_VALUES, LARGEST_DATA = 1_000_000, 8_000_000, 128 * 1024 * 1024
_CHUNK = 1 << 20  # bytes


def bounded(content: bytes) -> bytes:
    """The JSON as it is, where its size can be a report's: looked at before anything is made of it.

    Raises ValueError for more than 128 MiB, 1,000,000 lists and objects, or 8,000,000 values. The largest of our own
    reports has some thousands of the one and a hundred thousand of the other.
    """
    if len(content) > LARGEST_DATA:
        raise ValueError(f"{len(content) >> 20:,} MiB of data, more than {LARGEST_DATA >> 20} MiB")
    parts, values = _counts(content)
    if parts > MOST_PARTS or values > MOST_VALUES:
        parts, values = _counts_outside_texts(content)
    if parts > MOST_PARTS:
        raise ValueError(f"{parts:,} lists and objects, more than {MOST_PARTS:,}")
    if values > MOST_VALUES:
        raise ValueError(f"{values:,} values, more than {MOST_VALUES:,}")
    return content


def _counts(content: bytes) -> tuple[int, int]:
    parts = content.count(b"[") + content.count(b"{")
    return parts, parts + content.count(b",")


def _counts_outside_texts(content: bytes) -> tuple[int, int]:
    """The same of what stands in no text, in the memory of a chunk."""
    import numpy as np

    bare = content.replace(b"\\\\", b"").replace(b'\\"', b"")
    parts = commas = inside = 0
    for start in range(0, len(bare), _CHUNK):
        chunk = np.frombuffer(bare, np.uint8, min(_CHUNK, len(bare) - start), start)
        quotes = np.cumsum(chunk == ord('"'), dtype=np.uint64) + inside
        outside = quotes % 2 == 0
        parts += int(np.count_nonzero(outside & ((chunk == ord("[")) | (chunk == ord("{")))))
        commas += int(np.count_nonzero(outside & (chunk == ord(","))))
        inside = int(quotes[-1]) % 2
    return parts, parts + commas


_NUMBER_SCHEMA = {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}
Line = Annotated[str, BeforeValidator(_clean)]
Cell = Annotated[bool | int | float | str | None, BeforeValidator(_plain)]
Number = Annotated[float, WithJsonSchema(_NUMBER_SCHEMA)]
MOST = 200_000  # rows, pictures, nodes or names of one block; of numbers, more
T = TypeVar("T")
Many = Annotated[tuple[T, ...], FailFast()]  # the first that is wrong is told, and no list of millions made
Numbers = Annotated[Many[Number], Field(max_length=20 * MOST), BeforeValidator(listed)]
Prose = Annotated[str, BeforeValidator(_clean_text)]
Lines = Annotated[Many[Line], Field(max_length=MOST)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]


def slug(text: str) -> str:
    """An identifier from any text: `Loss (train)` becomes `loss-train`; never empty."""
    return "-".join(re.findall("[a-z0-9]+", text.lower()))[:60].strip("-") or "part"


class Data(BaseModel):
    """What every part of a report is: frozen, complete, and the same after a trip through JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class BaseBlock(Data):
    """What all blocks share. `caption` says method, sample size and seed; `id` is made from the title.

    Neighbours of one `group` stand under one heading that folds; where all of them are `folded`, it is folded
    at first, and on paper only their titles are given. Of neighbours that name a `choice` the page shows one
    choice at a time, all those of one name together; without a script, and on paper, one after the other.
    `width` is a figure's share of a wide page's width.
    """

    id: Annotated[str, StringConstraints(pattern=r"^([a-z0-9]+(-[a-z0-9]+)*)?$", max_length=80)] = ""
    title: Line = ""
    caption: Line = ""
    folded: bool = False
    group: Line = ""
    choice: Line = ""
    width: Literal["full", "half", "third"] = "half"


LARGEST = 8192  # pixels a side of a map: what claims more is no map, and would fill the memory


class Fact(Data):
    """One labelled value. `unit` is a word `units.show` knows, or a suffix."""

    label: Line
    value: Cell
    unit: Line = ""
    note: Line = ""


class Raster(Data):
    """A picture: WebP or PNG, base64."""

    media_type: Literal["image/webp", "image/png"]
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    data: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]

    @classmethod
    def from_array(cls, pixels: np.ndarray, *, exact: bool = True) -> Raster:
        """From uint8 pixels (height, width) or (height, width, 3).

        Not `exact`: as a photograph of a high quality, which needs a tenth of the bytes.
        """
        import io

        from PIL import Image

        if str(pixels.dtype) != "uint8" or pixels.ndim not in (2, 3):
            raise ValueError(f"expected uint8 pixels (H, W) or (H, W, 3), got {pixels.dtype} {pixels.shape}")
        out = io.BytesIO()
        kind = {"lossless": True, "quality": 80} if exact else {"quality": 88}
        Image.fromarray(pixels).save(out, format="WEBP", method=4, exact=True, **kind)
        text = base64.b64encode(out.getvalue()).decode("ascii")
        return cls(media_type="image/webp", width=pixels.shape[1], height=pixels.shape[0], data=text)


class Map(Data):
    """A field of numbers over a picture, in 255 steps: value = step / 127 * limit, step in -127..127.

    `signed` maps are drawn on a diverging scale about zero, others from zero to `limit`.
    """

    width: int = Field(gt=0, le=LARGEST)
    height: int = Field(gt=0, le=LARGEST)
    limit: Number = Field(ge=0)
    signed: bool
    data: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]

    @classmethod
    def from_array(cls, values: np.ndarray, *, signed: bool, limit: float | None = None) -> Map:
        """From finite numbers (height, width); `limit` is the largest size unless given."""
        import numpy as np

        field = np.asarray(values, dtype=np.float64)
        if field.ndim != 2 or not np.isfinite(field).all():
            raise ValueError(f"expected finite numbers (H, W), got shape {field.shape}")
        top = float(np.abs(field).max()) if limit is None else float(limit)
        steps = np.zeros(field.shape, np.int8) if top == 0 else np.clip(np.rint(field / top * 127), -127, 127)
        packed = zlib.compress(steps.astype(np.int8).tobytes(), 9)
        height, width = field.shape
        text = base64.b64encode(packed).decode("ascii")
        return cls(width=width, height=height, limit=top, signed=signed, data=text)

    def to_array(self) -> np.ndarray:
        """The numbers again, float64 (height, width), to within limit / 254."""
        import numpy as np

        size = self.width * self.height
        try:
            raw = zlib.decompressobj().decompress(base64.b64decode(self.data, validate=True), size + 1)
        except (zlib.error, binascii.Error) as error:
            raise ValueError(f"a map of {self.width}x{self.height} does not unpack: {error}") from None
        if len(raw) != size:
            raise ValueError(f"a map of {self.width}x{self.height} holds {len(raw)} values, expected {size}")
        steps = np.frombuffer(raw, np.int8).reshape(self.height, self.width)
        return steps.astype(np.float64) / 127 * self.limit
