"""Pictures and texts that a log holds, as blocks."""

from __future__ import annotations

import io
from collections.abc import Sequence

from reportgen.history.model import Logged, Run
from reportgen.report import Code, Images, Picture, Raster
from reportgen.units import plural, shorten

MOST_TAGS = 12
MOST_PICTURES = 4  # of one tag: the latest
MOST_TEXT = 4000  # characters
SIDE = 320  # pixels; larger pictures are made smaller
LARGEST = 40_000_000  # pixels of a picture that is opened at all
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_WHOLE = (
    (b"\x89PNG", b"IEND"),
    (b"\xff\xd8", b"\xff\xd9"),
    (b"GIF8", b";"),
    (b"RIFF", b""),
)  # how each begins and ends


def pictures(run: Run, name: str = "") -> Images | None:
    """The latest pictures of each tag, one row a tag, titled with `name`; None where the log holds none."""
    if not run.images:
        return None
    tags = list(run.images)[:MOST_TAGS]
    wide = max(min(len(run.images[tag]), MOST_PICTURES) for tag in tags)
    shown: list[Picture] = []
    for tag in tags:
        latest = list(run.images[tag])[-MOST_PICTURES:]
        row = [_picture(tag, one) for one in latest]
        shown += [*row, *([Picture()] * (wide - len(row)))]
    total = sum(len(found) for found in run.images.values())
    drawn = sum(min(len(run.images[tag]), MOST_PICTURES) for tag in tags)
    caption = (
        f"{drawn} of {plural(total, 'picture')} read, the latest of each tag; {SIDE} pixels a side at most."
    )
    return Images(
        id="logged-pictures",
        title="Pictures in the log" + (f", {name}" if name else ""),
        caption=caption,
        pictures=tuple(shown),
        columns=wide,
        row_titles=tuple(shorten(tag, 60) for tag in tags),
        folded=len(tags) > 4,
    )


def _picture(tag: str, logged: Logged) -> Picture:
    caption = f"step {logged.step:,}"
    alt = f"{shorten(tag, 60)} at step {logged.step:,}"
    try:
        return Picture(caption=caption, alt=alt, raster=_raster(logged.content))
    except (OSError, ValueError, SyntaxError) as error:
        return Picture(caption=caption, missing=f"not shown: {shorten(str(error), 80)}")


def _raster(content: str | bytes) -> Raster:
    """The picture decoded and written anew, so that nothing but pixels is left of it. Raises ValueError, OSError."""
    import numpy as np
    from PIL import Image

    if not isinstance(content, bytes):
        raise ValueError("expected the bytes of a picture")
    # Whether Pillow opens a cut picture is a setting of the whole process, which others set.
    if not any(content.startswith(start) and end in content[-16:] for start, end in _WHOLE):
        raise ValueError("no whole picture")
    with Image.open(io.BytesIO(content), formats=_FORMATS) as found:
        if found.width * found.height > LARGEST:
            raise ValueError(f"{found.width:,} × {found.height:,} pixels, expected at most {LARGEST:,}")
        grey = found.mode in ("1", "L", "I;16", "I")
        if found.mode in ("RGBA", "LA", "P", "PA"):
            whole = found.convert("RGBA")
            ground = Image.new("RGBA", whole.size, "white")
            plain = Image.alpha_composite(ground, whole).convert("RGB")
        else:
            plain = found.convert("L" if grey else "RGB")
        plain.thumbnail((SIDE, SIDE))
        return Raster.from_array(np.asarray(plain, np.uint8))


def texts(run: Run, name: str = "") -> list[Code]:
    """The latest text of each tag, folded."""
    blocks = []
    for place, tag in enumerate(list(run.texts)[:MOST_TAGS]):
        logged: Sequence[Logged] = run.texts[tag]
        last = logged[-1]
        content = last.content if isinstance(last.content, str) else last.content.decode("utf-8", "replace")
        caption = f"Step {last.step:,}, the last of {plural(len(logged), 'text')} read."
        if len(content) > MOST_TEXT:
            caption += f" The first {MOST_TEXT:,} of {len(content):,} characters."
        where = f", {name}" if name else ""
        blocks.append(
            Code(
                id=f"text-{place + 1}",
                title=f"{shorten(tag, 60)}{where}",
                caption=caption,
                text=content[:MOST_TEXT],
                folded=True,
            )
        )
    return blocks
