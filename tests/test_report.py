"""The data model: what is refused, what is given an id, and that JSON loses nothing."""

from __future__ import annotations

import json
import math

import jsonschema
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from reportgen import report as model
from reportgen.report import (
    Bars,
    Block,
    Cluster,
    Column,
    Curves,
    Distribution,
    Edge,
    Fact,
    Facts,
    Finding,
    Graph,
    Heatmap,
    Histogram,
    Map,
    Node,
    Provenance,
    Raster,
    Report,
    Row,
    Scatter,
    Section,
    Series,
    Signal,
    Strip,
    Swarm,
    Table,
    Text,
    Tokens,
    json_schema,
    slug,
)

numbers = st.floats(allow_nan=False)
texts = st.text(max_size=30)
cells = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(), texts)
curves = st.lists(numbers, max_size=5).map(
    lambda y: Curves(series=(Series(name="s", x=range(len(y)), y=y),), x_label="step", y_label="loss")
)
facts = st.lists(st.builds(Fact, label=texts, value=cells), max_size=4).map(lambda found: Facts(facts=found))
shades = st.one_of(st.floats(0, 1), st.just(math.nan))
swarms = st.lists(st.tuples(numbers, shades), max_size=5).map(
    lambda points: Swarm(
        rows=(Strip(name="s", x=[x for x, _ in points], shades=[shade for _, shade in points]),), x_label="a"
    )
)
blocks = st.one_of(curves, facts, swarms, st.builds(Text, text=texts, title=texts))


def report(*blocks, **section) -> Report:
    part = Section(name="overview", title="Overview", blocks=blocks, **section)
    return Report(
        title="t",
        created="2026-01-01T00:00:00Z",
        sections=(part,),
        provenance=Provenance(generator="reportgen"),
    )


@given(st.lists(blocks, max_size=4))
def test_json_to_report_to_json_is_exact(parts):
    text = report(*parts).to_json()
    assert Report.from_json(text).to_json() == text


@given(st.lists(facts, max_size=3))
def test_report_to_json_to_report_is_equal(parts):
    made = report(*parts)
    assert Report.from_json(made.to_json()) == made


@given(st.lists(blocks, max_size=3))
def test_every_report_fits_the_published_schema(parts):
    jsonschema.validate(json.loads(report(*parts).to_json()), json_schema())


def test_the_schema_file_is_the_schema_of_the_code():
    from pathlib import Path

    published = json.loads((Path(__file__).parents[1] / "schema" / "report-1.json").read_text("utf-8"))
    assert published == json_schema()


def test_the_schema_refuses_what_the_code_refuses():
    bad = json.loads(report(Text(text="x")).to_json())
    bad["sections"][0]["status"] = "splendid"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(bad, json_schema())
    with pytest.raises(ValidationError):
        Report.from_json(json.dumps(bad))


def test_json_holds_no_literal_that_json_lacks():
    curve = Curves(
        series=(Series(name="s", x=(0, 1, 2), y=(math.nan, math.inf, -math.inf)),), x_label="x", y_label="y"
    )
    text = report(curve).to_json()
    parsed = json.loads(text, parse_constant=lambda name: pytest.fail(f"literal {name}"))
    assert parsed["sections"][0]["blocks"][0]["series"][0]["y"] == ["NaN", "Infinity", "-Infinity"]
    back = Report.from_json(text).sections[0].blocks[0].series[0].y
    assert math.isnan(back[0])
    assert back[1:] == (math.inf, -math.inf)


def test_the_json_has_the_keys_users_were_promised():
    found = Finding(severity="info", message="m", rule="r", evidence="overview")
    parsed = json.loads(report(Text(text="x"), findings=(found,)).to_json())
    assert set(parsed) == {"schema_version", "title", "created", "sections", "provenance", "refresh"}
    section = parsed["sections"][0]
    assert set(section) == {"name", "title", "status", "reason", "summary", "seconds", "blocks", "findings"}
    assert section["blocks"][0]["kind"] == "text"
    assert set(section["findings"][0]) == {"severity", "message", "rule", "evidence"}


def test_arrays_and_array_scalars_become_plain_numbers():
    series = Series(name="s", x=np.arange(2), y=torch.tensor([1.5, 2.5]))
    assert series.x == (0.0, 1.0)
    assert series.y == (1.5, 2.5)
    row = Row(cells=(np.int64(3), np.float32(0.5), np.str_("x"), np.bool_(True), np.nan))
    assert row.cells == (3, 0.5, "x", True, "NaN")
    assert [type(cell) for cell in row.cells] == [int, float, str, bool, str]


@pytest.mark.parametrize("bad", ["a\x00b", "a\x1bb", "\ud800", "a\uffffb"])
def test_what_no_file_format_can_hold_is_shown_escaped(bad):
    text = Text(text=bad).text
    text.encode("utf-8")
    assert all(ord(c) >= 32 for c in text)
    assert "\\" in text


def test_line_ends_are_one_kind():
    assert Text(text="a\r\nb\rc\td").text == "a\nb\nc\td"


def test_blocks_without_an_id_get_one_from_their_title_once_each():
    part = Section(
        name="x", title="X", blocks=(Text(text=""), Text(text=""), Text(title="Loss (train)", text=""))
    )
    assert [block.id for block in part.blocks] == ["text", "text-2", "loss-train"]


def test_an_id_made_never_takes_one_that_was_given():
    part = Section(name="x", title="X", blocks=(Text(text="a"), Text(id="text", text="b")))
    assert [block.id for block in part.blocks] == ["text-2", "text"]


@given(texts)
def test_a_slug_is_always_an_identifier(text):
    TypeAdapter(model.Slug).validate_python(slug(text))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Series(name="s", x=(1,), y=(1, 2)), "1 x and 2 y"),
        (lambda: Table(columns=(Column(name="a"),), rows=(Row(cells=(1, 2)),)), "2 cells, the table 1"),
        (lambda: Bars(labels=("a",), values=(1, 2)), "differ in length"),
        (
            lambda: Heatmap(row_labels=("a",), column_labels=("b",), values=((1, 2),)),
            "2 columns, 1 column labels",
        ),
        (
            lambda: Heatmap(row_labels=("a", "b"), column_labels=("b",), values=((1,), (1, 2))),
            "the rows differ",
        ),
        (lambda: Heatmap(row_labels=("a",), values=((1, 2),)), "2 columns, 0 column labels"),
        (
            lambda: Heatmap(values=((1,),), row_ends=(0, 0), column_ends=(0, 1)),
            "two finite numbers that differ",
        ),
        (lambda: Heatmap(values=((1,),), row_ends=(0, math.inf), column_ends=(0, 1)), "row_ends must be"),
        (lambda: Signal(values=(1,), rate=1, weights=(1, 2)), "1 values, 2 weights"),
        (lambda: Signal(values=(1,), rate=1, high=(1, 2)), "1 values, 2 high values"),
        (lambda: Histogram(name="h", edges=(0, 1), counts=(1, 2)), "need 3 edges"),
        (
            lambda: Scatter(x=(1,), y=(1,), member=(1,), groups=("a",), x_label="", y_label=""),
            "index into the 1",
        ),
        (lambda: Strip(name="r", x=(1, 2), shades=(1,)), "2 points and 1 shades"),
        (lambda: Strip(name="r", x=(1, 2), shades=(math.nan, 1.5)), "shades outside 0 to 1"),
        (lambda: Tokens(tokens=("a",), weights=()), "1 tokens, 0 weights"),
        (
            lambda: Graph(nodes=(Node(id="a", label="a"),), edges=(Edge(source="a", target="b"),)),
            "unknown node",
        ),
        (lambda: Graph(nodes=(Node(id="a", label="a"), Node(id="a", label="b")), edges=()), "share an id"),
        (
            lambda: Graph(nodes=(), edges=(), clusters=(Cluster(id="c", label="c", parent="d"),)),
            "cluster 'd'",
        ),
        (lambda: Section(name="x", title="X", status="empty"), "gives no reason"),
        (lambda: Section(name="Not a slug", title="X"), "pattern"),
        (lambda: report(Text(id="a", text=""), Text(id="a", text="")), "two blocks of one id"),
        (lambda: Text(text="x", colour="red"), "Extra inputs"),
        (lambda: Distribution(histograms=(), x_label=3), "valid string"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(make, said):
    with pytest.raises(ValidationError, match=said):
        make()


def test_a_part_of_a_report_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        Text(text="x").text = "y"


def test_a_map_comes_back_to_within_half_a_step():
    values = np.random.default_rng(0).normal(size=(7, 5))
    back = Map.from_array(values, signed=True)
    assert np.abs(back.to_array() - values).max() <= back.limit / 254 + 1e-12
    assert back.limit == np.abs(values).max()
    assert not Map.from_array(np.zeros((2, 2)), signed=True).to_array().any()


@pytest.mark.parametrize("data", ["", "AAAA", "eJwDAAAAAAE="])
def test_a_damaged_map_says_so(data):
    with pytest.raises(ValueError, match="a map of 4x4"):
        Map(width=4, height=4, limit=1, signed=True, data=data).to_array()


def test_a_map_that_unpacks_to_gigabytes_is_refused_without_unpacking_them():
    import base64
    import zlib

    bomb = base64.b64encode(zlib.compress(bytes(50_000_000), 9)).decode()
    with pytest.raises(ValueError, match="holds 17 values, expected 16"):
        Map(width=4, height=4, limit=1, signed=True, data=bomb).to_array()


def test_a_map_that_claims_to_be_larger_than_any_is_refused():
    with pytest.raises(ValidationError, match="less than or equal to 8192"):
        Map(width=1_000_000, height=1_000_000, limit=1, signed=True, data="eJwDAAAAAAE=")


def test_pixels_survive_bit_for_bit():
    import base64
    import io

    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    raster = Raster.from_array(pixels)
    shown = Image.open(io.BytesIO(base64.b64decode(raster.data))).convert("RGB")
    assert (np.asarray(shown) == pixels).all()
    with pytest.raises(ValueError, match="float64"):
        Raster.from_array(np.zeros((2, 2)))


def test_findings_come_most_serious_first():
    def found(severity, message):
        return Finding(severity=severity, message=message, rule="r", evidence="overview")

    made = report(findings=(found("info", "a"), found("serious", "b"), found("warning", "c")))
    assert [finding.message for finding in made.findings] == ["b", "c", "a"]


def test_an_unknown_section_name_says_which_there_are():
    with pytest.raises(KeyError, match="there are overview"):
        report().section("nowhere")


def test_an_unknown_suffix_says_which_there_are(tmp_path):
    with pytest.raises(ValueError, match=r"'report\.docx': the suffix must be one of \.html, \.json, \.pdf"):
        report().save(tmp_path / "report.docx")
    assert not list(tmp_path.iterdir())


def test_a_block_reads_back_by_its_kind():
    adapter = TypeAdapter(Block)
    kinds = {part["const"] for part in _consts(json_schema(), "kind")}
    assert kinds == {
        "facts", "table", "text", "code", "curves", "bars", "heatmap", "distribution", "scatter",
        "swarm", "parallel", "images", "tokens", "signal", "graph", "failure",
    }  # fmt: skip
    assert isinstance(adapter.validate_python({"kind": "text", "text": "x"}), Text)


def _consts(schema, name):
    for definition in schema["$defs"].values():
        if name in definition.get("properties", {}):
            yield definition["properties"][name]


def test_the_repr_says_what_weighs_and_what_took_long():
    shown = repr(report(Text(text="x" * 5000), seconds=1.5))
    assert "overview" in shown
    assert "KB, 1.5 s" in shown
