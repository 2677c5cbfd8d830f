"""From a matplotlib Figure to small, deterministic SVG text that can follow a light or a dark page."""

from __future__ import annotations

import base64
import io
import re
from typing import TYPE_CHECKING

from reportgen.render.figures.style import DARK, FONT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HEX = re.compile(r"#[0-9a-fA-F]{6}\b")


def svg(figure: Figure) -> str:
    """The figure as SVG text: no clock, no metadata, embedded rasters as lossless WebP."""
    out = io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None}, transparent=True)
    text = out.getvalue().decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'(<image [^>]*?xlink:href=")data:image/png;base64,([A-Za-z0-9+/=\s]+)', _webp, text)
    return _compact(text)


def _webp(found: re.Match[str]) -> str:
    from PIL import Image

    out = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(found[2]))) as image:
        # Cells of a heat map keep their exact colours; the soft edges of thousands of dots need no more than 96.
        dots = image.mode == "RGBA" and image.getcolors(256) is None
        kept = image.quantize(96, method=Image.Quantize.FASTOCTREE).convert("RGBA") if dots else image
        kept.save(out, format="WEBP", lossless=True, quality=80, method=4, exact=True)
    return f"{found[1]}data:image/webp;base64,{base64.b64encode(out.getvalue()).decode('ascii')}"


def _compact(text: str) -> str:
    """Without names that nothing refers to, turns by nothing, and digits that nobody sees."""
    text = re.sub(r"<[a-zA-Z/][^>]*>", _compact_tag, text)
    return "\n".join(_bare(_merged(re.sub(r"\n\s*", "\n", text).split("\n"))))


def _bare(lines: list[str]) -> list[str]:
    """Without groups that say nothing of what is in them."""
    out: list[str] = []
    kept: list[bool] = []
    for line in lines:
        if line == "<g/>":
            continue
        if line == "<g>" or (line.startswith("<g ") and line.endswith('">')):
            kept.append(line != "<g>")
            if not kept[-1]:
                continue
        elif line == "</g>" and not kept.pop():
            continue
        out.append(line)
    return out


def _merged(lines: list[str]) -> list[str]:
    """One clipping group about the marks that share it, not one about each."""
    out: list[str] = []
    inside, before = "", ""  # the head of the group of marks that is open, and of the one just closed
    for line in lines:
        if line.startswith("<g clip-path") and line == before and out[-1] == "</g>":
            out.pop()
            inside, before = line, ""
            continue
        if line.startswith("<g clip-path"):
            inside, before = line, ""
        elif line == "</g>":
            inside, before = "", inside
        elif not line.startswith("<use"):
            inside, before = "", ""
        out.append(line)
    return out


def _compact_tag(found: re.Match[str]) -> str:
    tag = found[0]
    if tag.startswith("<image"):
        return tag
    tag = re.sub(r'^<g id="[^"]*"', "<g", tag)
    tag = re.sub(r' transform="rotate\(-0 [^"]*"', "", tag)
    tag = tag.replace("'DejaVu Sans', sans-serif", FONT)
    tag = re.sub(r' d="([^"CQ]*)"', _short_path, tag)
    return re.sub(r"(\d\.\d\d)\d+", r"\1", tag)


def _short_path(found: re.Match[str]) -> str:
    """A path of straight lines in relative steps of a hundredth: less than half the text."""
    out, x, y, slant = [], 0, 0, False
    for command, across, down in re.findall(r"([MLz]) ?(-?[\d.]+)? ?(-?[\d.]+)?", found[1]):
        if command == "z":
            out.append("z")
            slant = False
            continue
        left, top = round(float(across) * 100), round(float(down) * 100)
        if command == "M":
            out.append(f"M{_hundredths(left)} {_hundredths(top)}")
        elif top == y:
            out.append(f"h{_hundredths(left - x)}")
        elif left == x:
            out.append(f"v{_hundredths(top - y)}")
        else:
            out.append(f"{' ' if slant else 'l'}{_hundredths(left - x)} {_hundredths(top - y)}")
        slant = command == "L" and top != y and left != x
        x, y = left, top
    return f' d="{"".join(out)}"'


def _hundredths(steps: int) -> str:
    return re.sub(r"^(-?)0\.", r"\1.", f"{steps / 100:.2f}".rstrip("0").rstrip("."))


def themed(text: str, raster: str) -> str:
    """The SVG with its colours as variables that follow the page's light or dark scheme.

    `raster` is the CSS filter for embedded rasters on a dark page. Only tags are touched: text keeps
    whatever it says.
    """
    used: dict[str, str] = {}
    classes = _shared(text)

    def name(found: re.Match[str]) -> str:
        colour = found[0].lower()
        return f"var({used.setdefault(colour, f'--c{len(used)}')})" if colour in DARK else found[0]

    def recolour(tag: re.Match[str]) -> str:
        return re.sub(r'style="([^"]*)"', restyle, tag[0])

    def restyle(found: re.Match[str]) -> str:
        if found[1] in classes:
            return f'class="{classes[found[1]]}"'
        return f'style="{re.sub(_HEX, name, found[1])}"'

    rules = "".join(f".{short}{{{re.sub(_HEX, name, style)}}}" for style, short in classes.items())
    body = re.sub(r"<[a-z][^>]*>", recolour, text)
    light = ";".join(f"{variable}:{colour}" for colour, variable in used.items())
    dark = ";".join(f"{variable}:{DARK[colour]}" for colour, variable in used.items())
    night = f"@media (prefers-color-scheme:dark){{:root{{{dark}}}image{{filter:{raster}}}}}"
    head, rest = body.split(">", 1)
    return f"{head}><style>:root{{{light}}}{night}{rules}</style>{rest}"


def _shared(text: str) -> dict[str, str]:
    """A class name for each style that several shapes have."""
    counts: dict[str, int] = {}
    for tag in re.finditer(r'<[a-z][^>]*? style="([^"]*)"', text):
        counts[tag[1]] = counts.get(tag[1], 0) + 1
    return {style: f"s{at}" for at, style in enumerate(one for one, count in counts.items() if count > 2)}
