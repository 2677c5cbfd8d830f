"""The templates: ours, or the user's of the same name; everything escaped, nothing undefined passes."""

from __future__ import annotations

import base64
import re
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateNotFound,
)
from jinja2.sandbox import SecurityError
from markupsafe import Markup

from reportgen import units
from reportgen.errors import RAISED
from reportgen.render.figures.style import FAMILIES
from reportgen.render.sandbox import DataSandbox

_PART = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=\w\.)(?=[^\W\d])|(?<=[^\W_]_)(?=\w)")
_DOT = re.compile(r"(?<=\w)\.(?=[^\W\d])")


def folder() -> Path:
    """Our templates: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


class _InsideLoader(FileSystemLoader):
    """Templates of one folder; a link out of it is no template."""

    def get_source(self, environment: Environment, template: str) -> Any:
        found = super().get_source(environment, template)
        place, inside = Path(str(found[1])).resolve(), [Path(path).resolve() for path in self.searchpath]
        if not any(place.is_relative_to(path) for path in inside):
            raise TemplateNotFound(template, f"{template} is a link out of its folder")
        return found


def environment(own: Path | None) -> Environment:
    """Our environment; a file in the folder `own` stands in for ours of the same name.

    Raises ValueError where `own` is no folder.
    """
    loaders: list[BaseLoader] = [_InsideLoader(folder())]
    if own is not None:
        if not own.is_dir():
            raise ValueError(f"templates: expected a folder, got {str(own)!r}")
        loaders.insert(0, _InsideLoader(own))
    # The boolean: select_autoescape leaves names that end in .j2 unescaped.
    made = DataSandbox(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(
        show=units.show, shorten=units.shorten, paragraphs=_paragraphs, date=_date, svg_uri=_svg_uri,
        dotted=_dotted, parted=_parted,
    )  # fmt: skip
    made.globals.pop("lipsum", None)  # as much text as it is asked for
    made.globals["drawn"] = partial(_drawn, made)
    made.globals.update(plural=units.plural, colours=tuple(light for light, _ in FAMILIES.values()))
    return made


def _drawn(made: Environment, **context: Any) -> Markup:
    """One block by its template; where what it holds can't be written, or its template is wrong, a note.

    Raises SecurityError for a template that acts, TemplateError where the note's is wrong too.
    """
    from reportgen.render.view import undrawn

    template = made.get_template("block.html.j2")
    try:
        return Markup(template.render(context))
    except SecurityError:
        raise
    except RAISED as error:  # a number that no unit can write, say
        note = undrawn(context["item"].block, context["view"].section, error)
        return Markup(template.render({**context, "item": note}))


def source(made: Environment, name: str) -> str:
    """A style sheet or a script as it stands: never filled in, so that its hash holds."""
    assert made.loader is not None
    text: Any = made.loader.get_source(made, name)[0]
    return str(text).replace("\r\n", "\n").replace("\r", "\n")


def _svg_uri(text: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(str(text).strip().encode("utf-8")).decode("ascii")


def _dotted(text: str) -> str:
    """The name of a layer or the like, which may be broken after its dots."""
    return _DOT.sub(".\u200b", text)


def _parted(text: str) -> Markup:
    """A name that may be broken inside: before a capital after a SmallLetter, after a dot.or_an_underscore."""
    return Markup("<wbr>").join(_PART.split(text))


def _date(text: str) -> str:
    """A time as `2025-03-14 09:26 UTC`; what is no time as it stands."""
    try:
        made = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{made:%Y-%m-%d %H:%M}" + (f" {made.tzname()}" if made.tzinfo else "")


def _paragraphs(text: str) -> list[str]:
    return [part.strip("\n") for part in text.split("\n\n") if part.strip()]
