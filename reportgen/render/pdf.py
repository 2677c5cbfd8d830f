"""A report as PDF: laid out for paper, tagged, written as PDF/A-3 with its JSON attached."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from reportgen.render import templates as templating
from reportgen.render.medium import PRINT
from reportgen.render.view import page
from reportgen.report import Report

# WeasyPrint 70 asserts that it never meets these inside a line; the attached JSON keeps them.
_SEPARATORS = {0x2028: " ", 0x2029: " "}
# Its search for a place to break a word takes the square of the word's length: minutes for 10,000 letters.
# A table's cell is as wide as its longest word, so a word is long soon; a fact (a digest) or code, late.
_WORD = re.compile(r"(?:&[a-zA-Z0-9#]+;|[^\s<>]){41,}")
_COPIED = re.compile(r"(?:&[a-zA-Z0-9#]+;|[^\s<>]){121,}")
_PIECE = re.compile(r"(?:&[a-zA-Z0-9#]+;|[^\s<>]){30}")
ATTACHMENT, EPOCH = "report.json", "SOURCE_DATE_EPOCH"
_NO_DATE = datetime(1980, 1, 1, tzinfo=UTC)


class PangoMissing(OSError):  # noqa: N818 - the name says it all
    """The PDF can't be made here: WeasyPrint finds no Pango on this machine."""

    def __init__(self) -> None:
        super().__init__(
            "the PDF needs Pango, which WeasyPrint did not find: install libpango-1.0-0 and "
            "libpangoft2-1.0-0 (Debian, Ubuntu), `brew install pango` (macOS), or MSYS2's "
            "mingw-w64-ucrt-x86_64-pango (Windows)"
        )


def encode(report: Report, templates: Path | None) -> bytes:
    """The PDF's bytes. `templates` is a folder whose files replace ours of the same names.

    Raises PangoMissing where the machine lacks it, ValueError and jinja2.TemplateError as for HTML.
    """
    weasyprint = _weasyprint()
    made = templating.environment(templates)
    text = made.get_template("report.print.html.j2").render(
        page=page(report, PRINT),
        report=report,
        printed=True,
        css=Markup(templating.source(made, "print.css")),
        created=_stamp(report),
    )
    data = report.to_json().encode("utf-8")
    attachment = weasyprint.Attachment(
        string=data, name=ATTACHMENT, description="The report as data", relationship="Data",
        created=_date(report), modified=_date(report),
    )  # fmt: skip
    with _quiet(report):
        document = weasyprint.HTML(string=_breakable(text), base_url=None, url_fetcher=_data_only())
        content: bytes = document.write_pdf(
            attachments=[attachment],
            pdf_variant="pdf/a-3a",
            pdf_tags=True,
            pdf_identifier=hashlib.sha256(data).digest()[:16],
            presentational_hints=True,
        )
    return content


def _breakable(page_text: str) -> str:
    """The page with its very long words marked for breaking, in its text and not in its tags."""
    head, end, body = page_text.translate(_SEPARATORS).partition("</head>")
    return head + end + re.sub(r"(<(?:dd|code)\b[^>]*)?>[^<]+", _with_breaks, body)


def _with_breaks(text: re.Match[str]) -> str:
    tag = text[1] or ""
    return tag + (_COPIED if tag else _WORD).sub(_broken, text[0][len(tag) :])


def _broken(word: re.Match[str]) -> str:
    return _PIECE.sub("\\g<0>\u200b", word[0])


def _weasyprint() -> Any:
    try:
        # Where a library is missing it prints a page of advice; ours is one line.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            import weasyprint
    except OSError:
        raise PangoMissing from None
    return weasyprint


def _data_only() -> Any:
    """A fetcher that serves `data:` and refuses everything else, files too."""
    from weasyprint.urls import URLFetcher

    return URLFetcher(allowed_protocols=("data",), allow_redirects=False)


@contextlib.contextmanager
def _quiet(report: Report) -> Any:
    """Without WeasyPrint's remarks on style sheets, which no reader of a report can mend, and without the clock.

    Where HarfBuzz has no subsetter, fontTools writes the fonts, and into each the time: the report's own, then.
    """
    logger = logging.getLogger("weasyprint")
    level, epoch = logger.level, os.environ.get(EPOCH)
    logger.setLevel(logging.CRITICAL)
    os.environ[EPOCH] = str(max(0, int(_date(report).timestamp())))
    try:
        yield
    finally:
        logger.setLevel(level)
        if epoch is None:
            os.environ.pop(EPOCH, None)
        else:
            os.environ[EPOCH] = epoch


def _date(report: Report) -> datetime:
    """When the report was made, as it says itself; never the clock."""
    try:
        made = datetime.fromisoformat(report.created)
        return made.astimezone(UTC) if made.tzinfo else made.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return _NO_DATE


def _stamp(report: Report) -> str:
    return _date(report).strftime("%Y-%m-%dT%H:%M:%SZ")
