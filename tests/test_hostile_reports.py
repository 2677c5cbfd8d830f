"""Reports from strangers: each ends soon, or is refused in one clear line; what can't be drawn is a note."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from pathlib import Path

import pytest
from extremes import extremes
from jinja2.sandbox import SecurityError
from pydantic import TypeAdapter, ValidationError

from reportgen import rendering
from reportgen.archive import load
from reportgen.archive.reading import ReportFileError
from reportgen.cli import main
from reportgen.render import html, pdf
from reportgen.report import Block, Failure, Provenance, Report, Section, Text


def saved(tmp_path: Path, *blocks: dict, **more: object) -> Path:
    """A report of one section with these blocks, as JSON that nobody has checked."""
    section = {"name": "training", "title": "Training", "blocks": list(blocks)} | more.pop("section", {})
    made = {
        "title": "A stranger's", "created": "2025-03-14T09:26:53+00:00", "sections": [section],
        "provenance": {"generator": "someone"}, **more,
    }  # fmt: skip
    path = tmp_path / "stranger.json"
    path.write_text(json.dumps(made))
    return path


def texts(page: bytes) -> str:
    return page.decode()


CLUSTERS = [{"id": f"c{at}", "label": "x", "parent": f"c{at - 1}" if at else ""} for at in range(5000)]
REFUSED = {
    "clusters inside each other": {
        "kind": "graph", "nodes": [{"id": "a", "label": "a", "cluster": "c4999"}], "edges": [], "clusters": CLUSTERS,
    },
    "100,000 pictures": {"kind": "images", "pictures": [{}] * 100_000},
    "100,000 series": {"kind": "curves", "series": [{"name": "a", "x": [], "y": []}] * 100_000},
    "a map of a gigapixel": {
        "kind": "images", "pictures": [
            {"map": {"width": 40_000, "height": 40_000, "limit": 1, "signed": True, "data": ""}}
        ],
    },
    "300,000 facts": {"kind": "facts", "facts": [{"label": "a", "value": 1}] * 300_000},
}  # fmt: skip


@pytest.mark.parametrize("block", REFUSED.values(), ids=REFUSED.keys())
def test_what_no_report_holds_is_refused_in_one_line(tmp_path, block):
    with pytest.raises(ValueError, match="is no report") as caught:
        load(saved(tmp_path, block))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"sections": [' + "{}," * 1_000_000 + "{}]}", "1,000,003 lists and objects, more than 1,000,000"),
        ('{"title": [' + "[]," * 1_000_000 + "[]]}", "lists and objects, more than 1,000,000"),
        ('{"title": [' + "0," * 8_000_000 + "0]}", "values, more than 8,000,000"),
    ],
)
def test_more_parts_than_memory_could_hold_are_counted_before_anything_is_made_of_them(
    tmp_path, monkeypatch, content, said
):
    monkeypatch.setattr(Report, "model_validate_json", None)  # calling it would raise a TypeError
    (tmp_path / "many.json").write_text(content)
    with pytest.raises(ReportFileError, match=said):
        load(tmp_path / "many.json")


def test_what_stands_in_texts_is_counted_as_no_part(tmp_path):
    text = '[{,"\\\\' * 400_000
    block = {"kind": "code", "text": text}
    many = [{"kind": "code", "text": text}, {"kind": "code", "text": text}]
    report = load(saved(tmp_path, block, *many, *many, *many, *many, *many, *many))
    assert report.sections[0].blocks[0].text == text


def test_of_what_is_wrong_a_thousand_times_the_first_is_told_and_no_list_is_made():
    facts = json.dumps({"kind": "facts", "facts": [{}] * 1000})
    rows = json.dumps({"kind": "table", "columns": [], "rows": [{"cells": [{}] * 500}] * 500})
    head = '{"title": "", "created": "", "provenance": {"generator": ""}, "sections": '
    for block in (facts, rows):
        with pytest.raises(ValidationError) as caught:
            Report.from_json(f'{head}[{{"name": "a", "title": "", "blocks": [{block}]}}]}}')
        assert caught.value.error_count() < 10


def test_control_characters_are_shown_and_a_text_of_them_is_cut_before_it_grows():
    from reportgen.report import Text

    assert Text(text="a\x1b[31m\x7f\ud800\r\n").text == "a\\x1b[31m\\x7f\\ud800\n"
    long = Text(title="\x7f" * 30_000, text="\x7f" * 3_000_000)
    assert (len(long.title), len(long.text)) == (20_000, 4_000_000)
    assert Text.model_validate(long.model_dump()) == long


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (b"<script " * 2_000_000, "no data block"),
        (b'<script id="reportgen-data" type="application/json">' * 500_000, "more than one data block"),
        (b'id="reportgen-data"' * 1_000_000, "no data block"),
        (b'<script id="reportgen-data" type="application/json">' + b"<" * 10_000_000, "does not end"),
    ],
)
def test_a_page_is_passed_over_once_whatever_is_in_it(tmp_path, page, said):
    (tmp_path / "page.html").write_bytes(page)
    with pytest.raises(ReportFileError, match=said):
        load(tmp_path / "page.html")


@pytest.mark.parametrize(
    "more", [{"refresh": "Infinity"}, {"refresh": 1e300}, {"refresh": -1}, {"refresh": "NaN"}]
)
def test_a_page_is_read_again_after_a_finite_time(tmp_path, more):
    with pytest.raises(ValueError, match="refresh"):
        load(saved(tmp_path, **more))


@pytest.mark.parametrize(
    "created", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "never", "1e400", ""]
)
def test_a_time_out_of_range_is_no_time_and_costs_nothing(tmp_path, created):
    report = load(saved(tmp_path, created=created))
    assert html.encode(report, None)
    assert pdf.encode(report, None).startswith(b"%PDF")


def test_blocks_of_more_than_5000_sections_of_more_than_200_are_refused(tmp_path):
    with pytest.raises(ValueError, match="20,000 blocks, more than 5,000"):
        load(saved(tmp_path, *[{"kind": "text", "text": "", "choice": f"c{at}"} for at in range(20_000)]))


LONG = 2_000_000


def test_endless_titles_names_and_captions_are_cut_and_stay_cut(tmp_path):
    block = {"kind": "facts", "title": "x" * LONG, "facts": [{"label": "y" * LONG, "value": "z" * LONG}]}
    report = load(saved(tmp_path, block, title="t" * LONG))
    assert len(report.title) == 20_000
    assert report.title.endswith("…")
    assert Report.from_json(report.to_json()) == report
    assert len(html.encode(report, None)) < 1_000_000


def test_texts_facts_and_pictures_beyond_a_page_are_cut_and_counted(tmp_path):
    blocks = (
        {"kind": "text", "text": "word " * 200_000},
        {"kind": "text", "title": "Blank", "text": "\n\n" * 400_000},
        {"kind": "facts", "facts": [{"label": "a", "value": at} for at in range(5000)]},
        {"kind": "images", "pictures": [{"missing": "gone", "behind": None}] * 5000},
    )
    report = load(saved(tmp_path, *blocks))
    page = texts(html.encode(report, None))
    assert "3,000 values more are in the report" in page
    assert "3,000 pictures more are in the report" in page
    assert "600,000 characters more are in the report" in page
    assert page.count("<dt>") < 2100


PNG = base64.b64encode(
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\xff\xff\x00\x00\xff\xff\x08\x02\x00\x00\x00" + b"\x00" * 40
).decode()
UNDRAWABLE = {
    "infinite numbers in a swarm": {
        "kind": "swarm", "rows": [{"name": "a", "x": ["Infinity", "-Infinity", "NaN"], "shades": []}], "x_label": "",
    },
    "an axis beyond its labels": {
        "kind": "parallel", "labels": ["a", "b"], "axes": [
            {"name": "x", "values": [0, 7e9], "labels": ["one"]}, {"name": "y", "values": [1, 2]}
        ],
    },
    "a number that no unit can write": {"kind": "facts", "facts": [{"label": "a", "value": 10**400, "unit": "bytes"}]},
    "a number that no cell can write": {
        "kind": "table", "columns": [{"name": "a", "unit": "s"}], "rows": [{"cells": [10**400]}]
    },
    "a picture that lies": {
        "kind": "images", "pictures": [
            {"raster": {"media_type": "image/png", "width": 1, "height": 1, "data": PNG}}
        ],
    },
    "a map that is none": {
        "kind": "images", "pictures": [{"map": {"width": 9, "height": 9, "limit": "Infinity", "signed": True,
                                                "data": base64.b64encode(zlib.compress(bytes(81))).decode()}}],
    },
    "infinite values": {"kind": "heatmap", "values": [["Infinity", 1], [1, "NaN"]], "row_labels": ["a", "b"],
                        "column_labels": ["c", "d"]},
    "infinite edges": {"kind": "distribution", "histograms": [{"name": "a", "edges": ["-Infinity", 0, "Infinity"],
                                                               "counts": [1, 2]}]},
    "an infinite signal": {"kind": "signal", "values": ["Infinity", 1, 2]},
    "infinite curves": {"kind": "curves", "series": [{"name": "a", "x": ["Infinity", 0], "y": [1, "-Infinity"]}]},
    "infinite bars": {"kind": "bars", "labels": ["a"], "values": ["Infinity"]},
    "infinite points": {"kind": "scatter", "x": ["Infinity"], "y": [1e308], "member": [0], "groups": ["a"]},
    "numbers at the end of all": {"kind": "curves", "series": [{"name": "a", "x": [0, 1], "y": [-1.7e308, 1.7e308]}]},
}  # fmt: skip


@pytest.mark.parametrize("block", UNDRAWABLE.values(), ids=UNDRAWABLE.keys())
def test_what_cannot_be_drawn_costs_neither_the_file_nor_what_stands_beside_it(tmp_path, block):
    path = saved(tmp_path, block, {"kind": "text", "text": "I am still here."})
    try:
        report = load(path)
    except ReportFileError:  # refused in one line is as good
        return
    assert "I am still here." in texts(html.encode(report, None))
    assert pdf.encode(report, None).startswith(b"%PDF")


@pytest.mark.parametrize(
    "error", [ValueError("no"), RecursionError("deep"), MemoryError(), ZeroDivisionError("zero")]
)
def test_a_figure_that_raises_is_a_note_in_its_place_in_html_and_pdf(tmp_path, monkeypatch, error):
    from reportgen.render import view

    def broken(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(view, "figure", broken)
    block = {"kind": "bars", "title": "The broken one", "labels": ["a"], "values": [1]}
    report = load(saved(tmp_path, block, {"kind": "text", "text": "I am still here."}))
    page = texts(html.encode(report, None))
    assert "The broken one" in page
    assert "this part can&#39;t be drawn" in page
    assert type(error).__name__ in page
    assert "I am still here." in page
    assert pdf.encode(report, None).startswith(b"%PDF")
    assert Report.from_json(report.to_json()) == report


def test_a_section_that_cannot_be_laid_out_still_shows_its_blocks(tmp_path, monkeypatch):
    from reportgen.render import view

    monkeypatch.setattr(view, "_groups", lambda *_: 1 / 0)
    report = load(saved(tmp_path, {"kind": "text", "text": "I am still here."}))
    assert "I am still here." in texts(html.encode(report, None))


def test_drawing_that_takes_too_long_is_ended_and_said(tmp_path, monkeypatch, capsys):
    path = saved(tmp_path, {"kind": "text", "text": "x"})
    (tmp_path / "old.html").write_text("the old one")
    for name, value, said in (("SECONDS", -1.0, "takes more than"), ("MEMORY", -1, "of memory")):
        monkeypatch.setattr(rendering, name, value)
        assert main(["render", str(path), "--out", str(tmp_path / "old.html")]) == 1
        assert said in capsys.readouterr().err
        monkeypatch.undo()
    assert (tmp_path / "old.html").read_text() == "the old one"


def test_the_command_refuses_what_is_no_report_and_writes_what_is_one(tmp_path, capsys):
    bad = saved(tmp_path, {"kind": "nonsense"})
    assert main(["render", str(bad), "--out", str(tmp_path / "new.html")]) == 2
    assert "is no report" in capsys.readouterr().err
    good = saved(tmp_path, {"kind": "text", "text": "x"})
    assert (
        main(
            [
                "render",
                str(good),
                "--out",
                str(tmp_path / "new.html"),
                "--out",
                str(tmp_path / "new.json"),
                "--quiet",
            ]
        )
        == 0
    )
    assert load(tmp_path / "new.html") == load(good) == load(tmp_path / "new.json")


def test_data_that_unpacks_without_end_is_refused(tmp_path):
    bomb = base64.b64encode(gzip.compress(b" " * (1 << 28))).decode()
    page = f'<script id="reportgen-data" type="application/gzip+base64">{bomb}</script>'
    (tmp_path / "bomb.html").write_text(page)
    with pytest.raises(ValueError, match="unpacks to more than"):
        load(tmp_path / "bomb.html")


def test_json_nested_without_end_is_refused_in_one_line(tmp_path):
    (tmp_path / "deep.json").write_text("[" * 1_000_000)
    with pytest.raises(ValueError, match="is no JSON"):
        load(tmp_path / "deep.json")


def test_a_note_in_the_place_of_a_block_is_a_failure_that_leads_to_the_data():
    from reportgen.render.view import undrawn
    from reportgen.report import Section, Text

    section = Section(name="training", title="Training", blocks=(Text(title="A", text="b"),))
    note = undrawn(section.blocks[0], section, ValueError("\x1b[31mred")).block
    assert isinstance(note, Failure)
    assert "\x1b" not in note.message
    assert "JSON" in note.hint


OWN = {
    "a mistake": "{{ block.titel }}",
    "no template": "{% for %}",
    "a file that is not there": "{% include 'nowhere.html.j2' %}",
    "an error of Python's": "{{ 1 / 0 }}",
}


@pytest.mark.parametrize("text", OWN.values(), ids=OWN.keys())
@pytest.mark.parametrize("encode", [html.encode, pdf.encode], ids=["html", "pdf"])
def test_a_wrong_template_of_one_kind_of_block_is_a_note_where_such_blocks_stand(tmp_path, text, encode):
    own = tmp_path / "own"
    (own / "blocks").mkdir(parents=True)
    (own / "blocks" / "facts.html.j2").write_text(text)
    facts = {"kind": "facts", "title": "The facts", "facts": [{"label": "a", "value": 1}]}
    report = load(saved(tmp_path, facts, {"kind": "text", "text": "I am still here."}))
    page = encode(report, own)
    if encode is html.encode:
        assert "this part can&#39;t be drawn" in texts(page)
        assert "I am still here." in texts(page)
    assert len(page) > 1000


def test_a_block_template_that_acts_is_refused_and_no_note(tmp_path):
    (tmp_path / "blocks").mkdir()
    (tmp_path / "blocks" / "facts.html.j2").write_text("{{ item.block.model_copy() }}")
    report = load(saved(tmp_path, {"kind": "facts", "facts": []}))
    with pytest.raises(SecurityError):
        html.encode(report, tmp_path)


@pytest.mark.parametrize("error", [SystemExit(3), RecursionError(), MemoryError(), GeneratorExit()])
@pytest.mark.parametrize("name", ["draw", "describe", "table"])
def test_whatever_a_figure_function_raises_costs_its_block_alone(tmp_path, monkeypatch, error, name):
    from reportgen.render.figures import bars

    def broken(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(bars, name, broken)
    block = {"kind": "bars", "title": "The broken one", "labels": ["a"], "values": [1]}
    report = load(saved(tmp_path, block, {"kind": "text", "text": "I am still here."}))
    page = texts(html.encode(report, None))
    assert "The broken one" in page
    assert type(error).__name__ in page
    assert "I am still here." in page


@pytest.mark.parametrize("value", [10**400, -(10**400), 10**4000, 1.7e308])
def test_numbers_beyond_any_float_are_written_wherever_they_stand(tmp_path, value):
    units = ("", "exact", "count", "bytes", "s", "share", "FLOPs", "params", "m")
    facts = [{"label": "a", "value": value, "unit": unit} for unit in units]
    path = saved(
        tmp_path,
        section={"name": "overview", "blocks": [{"kind": "facts", "id": "headline", "facts": facts}]},
    )
    page = texts(html.encode(load(path), None))
    assert "can&#39;t be drawn" not in page
    assert page.count("e+") >= 9


def test_a_table_of_no_columns_with_rows_that_are_alike_costs_nothing(tmp_path):
    rows = [{"cells": [], "id": "a"}, {"cells": [], "id": "b", "same_as": "a"}]
    report = load(saved(tmp_path, {"kind": "table", "columns": [], "rows": rows * 1}))
    assert html.encode(report, None)
    assert pdf.encode(report, None).startswith(b"%PDF")


def test_the_json_is_written_first_so_that_a_page_without_end_costs_it_nothing(tmp_path, monkeypatch, capsys):
    path = saved(tmp_path, {"kind": "text", "text": "x"})
    from reportgen.rendering import SavedReport

    before = SavedReport.save

    def endless(self, target, **more):
        if target.suffix != ".json":
            raise rendering.TooMuchError("drawing it takes more than 55 s")
        return before(self, target, **more)

    monkeypatch.setattr(SavedReport, "save", endless)
    outs = [str(tmp_path / f"new.{suffix}") for suffix in ("pdf", "html", "json")]
    assert main(["render", str(path), *(word for out in outs for word in ("--out", out))]) == 1
    assert capsys.readouterr().err.count("takes more than 55 s") == 2
    assert load(tmp_path / "new.json") == load(path)


MANY = {
    "600 lines more are": {"kind": "curves", "x_label": "x", "y_label": "y",
                           "series": [{"name": f"s{at}", "x": [0], "y": [at]} for at in range(1000)]},
    "1 mark more is": {"kind": "curves", "x_label": "x", "y_label": "y", "series": [],
                       "marks": [{"x": at, "label": "m"} for at in range(101)]},
    "400 histograms more are": {"kind": "distribution", "x_label": "x", "panels": True,
                                "histograms": [{"name": "h", "edges": [0, 1], "counts": [1]}] * 500},
    "10 coordinates more are": {"kind": "parallel", "names": ["a"], "axes": [{"name": "a", "values": [1]}] * 50},
    "500 lines more are": {"kind": "parallel", "names": ["a"] * 1500, "best": 1400,
                           "axes": [{"name": "a", "values": list(range(1500))}] * 2},
}  # fmt: skip


@pytest.mark.parametrize(("said", "block"), MANY.items(), ids=MANY.keys())
def test_of_a_chart_of_too_many_parts_the_first_are_drawn_and_the_rest_counted(tmp_path, said, block):
    from reportgen.render.medium import SCREEN
    from reportgen.render.view import page

    report = load(saved(tmp_path, block))
    view = page(report, SCREEN).sections[0].groups[0].rows[0][0]
    assert said in view.block.caption
    if block.get("best"):
        assert view.block.axes[0].values[view.block.best] == 1400
    assert view.figure is not None
    assert view.figure.src
    assert not view.figure.problem


def test_every_value_of_every_block_may_be_extreme_and_costs_that_block_at_most():
    """One in 27 of them, others for the page than for paper: all of them take two minutes each."""
    known = TypeAdapter(Block)
    for encode, first in ((html.encode, 0), (pdf.encode, 13)):
        blocks, refused = [], 0
        for name, given in list(extremes())[first::27]:
            try:
                blocks.append(known.validate_python(given).model_copy(update={"title": name, "id": ""}))
            except ValidationError:
                refused += 1
        assert len(blocks) > 30
        assert refused > 30
        section = Section(name="a", title="a", blocks=(*blocks, Text(text="I am still here.")))
        report = Report(title="", created="", sections=(section,), provenance=Provenance(generator=""))
        assert Report.from_json(report.to_json()).to_json() == report.to_json()
        page = encode(report, None)
        assert page.startswith(b"%PDF") or "I am still here." in texts(page)
