"""A report as one self-contained HTML page that runs nothing but its own script and asks nothing of anyone."""

from __future__ import annotations

import base64
import gzip
import hashlib
from pathlib import Path

from markupsafe import Markup

from reportgen.render import templates as templating
from reportgen.render.medium import SCREEN
from reportgen.render.view import page
from reportgen.report import Report

_INLINE = 64 * 1024
SCRIPTS = (
    "make.js", "choose.js", "script.js", "enlarge.js", "plot.js", "draw.js", "curves.js", "filter.js", "place.js",
    "live.js",
)  # fmt: skip
_ESCAPES = {
    ord("<"): "\\u003c",
    ord(">"): "\\u003e",
    ord("&"): "\\u0026",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


def encode(report: Report, templates: Path | None) -> bytes:
    """The page, UTF-8. `templates` is a folder whose files replace ours of the same names.

    Raises ValueError where that is no folder, jinja2.TemplateError where a template there is wrong.
    """
    made = templating.environment(templates)
    css = templating.source(made, "style.css")
    script = "\n".join(templating.source(made, name) for name in SCRIPTS)
    media_type, data = embedded(report)
    text = made.get_template("report.html.j2").render(
        page=page(report, SCREEN),
        report=report,
        printed=False,
        csp=policy(css, script),
        css=Markup(css),
        script=Markup(script),
        data_type=media_type,
        data=Markup(data),
    )
    return text.encode("utf-8")


def policy(css: str, script: str) -> str:
    """A content security policy that lets this one style sheet and this one script through, and no request."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_hash(css)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def embedded(report: Report) -> tuple[str, str]:
    """(media type, text) of the report's JSON as it stands in the page: inert, compressed when large."""
    text = report.to_json()
    raw = text.encode("utf-8")
    if len(raw) <= _INLINE:
        return "application/json", text.translate(_ESCAPES)
    return "application/gzip+base64", base64.b64encode(gzip.compress(raw, 9, mtime=0)).decode("ascii")
