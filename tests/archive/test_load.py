"""A report comes back from its file, and a file that holds none says so in one line."""

from __future__ import annotations

import base64
import gzip
import json

import pytest
import samples
from pypdf import PdfWriter

import reportgen
from reportgen.archive import ReportFileError, load, reading

SMALL = samples.empty()


@pytest.mark.parametrize("suffix", ["html", "pdf", "json"])
@pytest.mark.parametrize("make", [samples.empty, samples.report], ids=["empty", "of every block"])
def test_a_report_comes_back_equal(tmp_path, suffix, make):
    report = make()
    back = reportgen.load(report.save(tmp_path / f"report.{suffix}"))
    assert back.to_json() == report.to_json()


def test_upper_case_suffixes_are_read_too(tmp_path):
    SMALL.save(tmp_path / "report.json").rename(tmp_path / "REPORT.JSON")
    assert load(tmp_path / "REPORT.JSON") == SMALL


def page(kind: str, content: str) -> str:
    return f'<!doctype html><title>x</title><script type="{kind}" id="reportgen-data">{content}</script>'


def packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content)).decode()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", "x", "the suffix must be one of .html, .pdf, .json"),
        ("a.json", "", "is no JSON"),
        ("a.json", "{", "is no JSON"),
        ("a.json", "[1, 2]", "is no report"),
        ("a.json", "{}", "is no report: title"),
        (
            "a.json",
            json.dumps({"schema_version": 2, "title": "later"}),
            "schema version 2; this reportgen reads up to 1",
        ),
        ("a.html", "<p>hello</p>", "holds no data block"),
        ("a.html", page("application/json", "nonsense"), "is no JSON"),
        ("a.html", page("text/plain", "x"), "of an unknown type"),
        ("a.html", page("application/gzip+base64", "!!!"), "does not unpack"),
        ("a.html", page("application/gzip+base64", packed(bytes(range(256)))[:80]), "damaged"),
        ("a.html", page("application/gzip+base64", packed(b"[]")), "is no report"),
        ("a.pdf", "not a pdf", "is damaged or no PDF"),
    ],
)
def test_what_is_no_report_says_so_in_one_line(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(ReportFileError, match=said) as caught:
        load(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_a_pdf_of_something_else_is_no_report(tmp_path):
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.add_attachment("other.json", b"{}")
    writer.write(tmp_path / "a.pdf")
    with pytest.raises(ReportFileError, match=r"no report\.json is attached"):
        load(tmp_path / "a.pdf")


@pytest.mark.parametrize("suffix", ["html", "pdf", "json"])
def test_a_file_cut_short_is_an_error_and_never_half_a_report(tmp_path, suffix):
    report = samples.report()
    whole = report.save(tmp_path / f"report.{suffix}").read_bytes()
    # A page holds its data before its scripts: cut in these, it still holds the whole report.
    data = whole.rindex(b"</script>", 0, whole.rindex(b"</script>")) if suffix == "html" else len(whole)
    for share in (0.1, 0.5, 0.9, 0.999):
        (tmp_path / f"cut.{suffix}").write_bytes(whole[: int(data * share)])
        with pytest.raises(ReportFileError):
            load(tmp_path / f"cut.{suffix}")
    if suffix == "html":
        (tmp_path / "cut.html").write_bytes(whole[: (data + len(whole)) // 2])
        assert load(tmp_path / "cut.html").to_json() == report.to_json()


def test_a_bomb_does_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LARGEST", 10_000)
    (tmp_path / "a.html").write_text(page("application/gzip+base64", packed(bytes(1_000_000))))
    with pytest.raises(ReportFileError, match="unpacks to more than"):
        load(tmp_path / "a.html")


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.json")


def test_reading_needs_no_torch(tmp_path):
    import subprocess
    import sys

    path = samples.report().save(tmp_path / "report.pdf")
    code = "import sys, reportgen; reportgen.load(sys.argv[1]); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
