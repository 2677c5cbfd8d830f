"""A Report out of an HTML page, a PDF or a JSON file; what is read is data and nothing else."""

from __future__ import annotations

import base64
import binascii
import contextlib
import logging
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import ValidationError

from reportgen.bounded import GIB, Limits, TooMuchError, end, start, watched
from reportgen.report import Report
from reportgen.values import LARGEST_DATA as LARGEST

SECONDS, MEMORY = 55.0, 2 * GIB  # for taking a PDF apart
_REFUSED = 2  # how the process that does it ends where there is no report
_ID, _TAG = b'id="reportgen-data"', 1000  # what marks the data block, and bytes that its tag has at most


class ReportFileError(ValueError):
    """The file holds no report that can be read here; the message says in one line why."""


def load(path: str | Path) -> Report:
    """The report saved at `path`, by its suffix: .html, .pdf or .json.

    A PDF is taken apart in a process of its own, which is ended after 55 s or at 2 GiB.

    Raises ReportFileError (a ValueError) where there is none in it, it is damaged, or it was written by a
    newer version; OSError where the file can't be read.
    """
    return _load(Path(path), _pdf)


def load_here(path: Path) -> Report:
    """`load` for a process that is itself ended when it takes too much."""
    return _load(path, attached)


def _load(target: Path, pdf: Callable[[Path], bytes]) -> Report:
    readers = {".html": _html, ".htm": _html, ".pdf": pdf, ".json": _json}
    reader = readers.get(target.suffix.lower())
    if reader is None:
        raise ReportFileError(f"can't read {target.name!r}: the suffix must be one of .html, .pdf, .json")
    if target.stat().st_size > 4 * LARGEST:
        raise ReportFileError(f"{target.name!r} is larger than {4 * LARGEST // 2**20} MiB: no report is")
    return _parsed(reader(target), target)


def _json(path: Path) -> bytes:
    return path.read_bytes()


def _html(path: Path) -> bytes:
    tag, text = _data_block(path.read_bytes(), path)
    if b'"application/json"' in tag:
        return text
    if b'"application/gzip+base64"' not in tag:
        raise ReportFileError(f"{path.name!r} is damaged: its data block is of an unknown type")
    try:
        packed = base64.b64decode(text.strip(), validate=True)
        return _unpacked(packed, path)
    except (binascii.Error, zlib.error) as error:
        raise ReportFileError(f"{path.name!r} is damaged: its data does not unpack ({error})") from None


def _data_block(page: bytes, path: Path) -> tuple[bytes, bytes]:
    """The tag and the text of the one script that holds the data. A page of any bytes is passed over once."""
    found: tuple[int, int] | None = None
    at = -1
    while (at := page.find(_ID, at + 1)) >= 0:
        start, end = page.rfind(b"<", max(0, at - _TAG), at), page.find(b">", at, at + _TAG)
        if start < 0 or end < 0 or not page.startswith(b"<script", start):
            continue
        if b">" in page[start:at]:
            continue
        if found is not None:
            raise ReportFileError(f"{path.name!r} is damaged: it holds more than one data block")
        found = start, end
    if found is None:
        raise ReportFileError(f"{path.name!r} is no report: it holds no data block of reportgen's")
    last = page.find(b"</script", found[1])
    if last < 0:
        raise ReportFileError(f"{path.name!r} is damaged: its data block does not end")
    return page[found[0] : found[1]], page[found[1] + 1 : last]


def _unpacked(packed: bytes, path: Path) -> bytes:
    """Gunzipped, and never more than a report can be: a bomb stops there."""
    stream = zlib.decompressobj(wbits=31)
    content = stream.decompress(packed, LARGEST + 1)
    if len(content) > LARGEST:
        raise ReportFileError(
            f"{path.name!r} is damaged: its data unpacks to more than {LARGEST // 2**20} MiB"
        )
    if not stream.eof:
        raise ReportFileError(f"{path.name!r} is damaged: its data ends too early")
    return content


def _pdf(path: Path) -> bytes:
    limits = Limits("taking it apart", SECONDS, MEMORY)
    script = Path(__file__).with_name("_attached.py")
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        child = start(script, [str(path.absolute())], stdin=subprocess.DEVNULL, stdout=out, stderr=said)
        try:
            code = watched(child, limits)
        except TooMuchError as error:
            raise ReportFileError(f"{path.name!r} is damaged or no PDF: {error}") from None
        finally:
            end(child)
        for stream in (out, said):
            stream.seek(0)
        if code == 0:
            return out.read()
        lines = said.read().decode("utf-8", "replace").strip().splitlines()
    if code == _REFUSED and lines:
        raise ReportFileError(lines[-1])
    raise ReportFileError(f"{path.name!r} is damaged or no PDF: reading it ended with exit code {code}")


def attached(path: Path) -> bytes:
    """The JSON that is attached to the PDF. Raises ReportFileError, OSError."""
    import pypdf
    from pypdf.errors import PyPdfError

    try:
        with _quiet(), pypdf.PdfReader(path) as reader:
            for file in reader.attachment_list:
                if file.name == "report.json":
                    return file.content
    except (PyPdfError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ReportFileError(
            f"{path.name!r} is damaged or no PDF: {_line(str(error)) or type(error).__name__}"
        ) from None
    raise ReportFileError(f"{path.name!r} is no report: no report.json is attached to it")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without pypdf's remarks on the file: ours is the one line that counts."""
    logger = logging.getLogger("pypdf")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _parsed(content: bytes, path: Path) -> Report:
    try:
        return Report.from_json(content)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
    except ValueError as error:
        raise ReportFileError(f"{path.name!r} is no report: it holds {error}") from None
    for problem in problems:
        given, known = problem["input"], Report.model_fields["schema_version"].default
        if problem["loc"] == ("schema_version",) and isinstance(given, int) and given > known:
            raise ReportFileError(
                f"{path.name!r} is a report of schema version {given}; this reportgen reads up to {known}: "
                "install a newer one"
            )
    first = problems[0]
    where = ".".join(str(part) for part in first["loc"]) or "the whole"
    what = "is no JSON" if first["type"] == "json_invalid" else "is no report"
    raise ReportFileError(f"{path.name!r} {what}: {where}: {_line(first['msg'])}")


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
