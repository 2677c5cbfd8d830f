"""The HTML page: one file, everything escaped, nothing asked of anyone, every part where its link says."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
import samples
from jinja2 import TemplateError, UndefinedError

from reportgen.render import html, view
from reportgen.render.medium import PRINT, SCREEN
from reportgen.report import Column, Curves, Finding, Graph, Node, Report, Row, Section, Series, Table, Text


class Page(HTMLParser):
    """What a browser would make of the tags: every element with its attributes, and the text."""

    def __init__(self, source: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.raw: list[str] = []
        self._inside: list[str] = []
        self.feed(source.decode("utf-8"))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside.append(tag)
            self.raw.append("")

    def handle_endtag(self, tag):
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data):
        if self._inside:
            self.raw[-1] += data
        else:
            self.text.append(data)

    def named(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self):
        return " ".join("".join(self.text).split())


@pytest.fixture(scope="module")
def rich():
    return Page(html.encode(samples.report(), None))


@pytest.fixture(scope="module", params=[" ".join(samples.EVIL), samples.LONG], ids=["evil", "long"])
def hostile(request):
    return request.param, Page(html.encode(samples.hostile(request.param), None))


def anchors(page: Page) -> list[str]:
    return [attributes["id"] for _, attributes in page.elements if attributes.get("id")]


def test_the_policy_lets_the_style_sheet_and_the_script_through_and_nothing_else(rich):
    policy = next(
        m["content"] for m in rich.named("meta") if m.get("http-equiv") == "Content-Security-Policy"
    )
    style, _, script = rich.raw
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_no_element_brings_style_or_code_or_an_address_of_its_own(rich, hostile):
    for page in (rich, hostile[1]):
        assert [tag for tag, _ in page.elements].count("script") == 2
        assert {tag for tag, _ in page.elements} & {
            "iframe",
            "object",
            "embed",
            "link",
            "base",
            "form",
        } == set()
        for tag, attributes in page.elements:
            assert not [name for name in attributes if name == "style" or name.startswith("on")], tag
            for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
                address = attributes.get(name)
                assert address is None or address.startswith(("#", "data:image/")), (tag, address)


def test_hostile_text_comes_out_as_text_in_every_kind_of_block(hostile):
    text, page = hostile
    flat = " ".join(text.split())
    assert page.words.count(flat) >= 40
    kinds = {a["class"].split()[1] for _, a in page.elements if (a.get("class") or "").startswith("block ")}
    assert kinds == {block.kind for block in samples.every_kind("x")}


def test_hostile_figures_are_drawn_all_the_same(hostile):
    assert "could not be drawn" not in hostile[1].words
    assert len([image for image in hostile[1].named("img") if "svg+xml" in image["src"]]) == 8


def test_every_id_is_there_once_and_every_link_has_its_target(rich, hostile):
    for page in (rich, hostile[1]):
        ids = anchors(page)
        assert len(ids) == len(set(ids))
        targets = {link["href"][1:] for link in page.named("a")}
        assert targets <= set(ids)
        labels = {a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a}
        assert labels <= set(ids)


def test_headings_come_in_order_and_landmarks_once(rich):
    levels = [int(tag[1]) for tag, _ in rich.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    tags = [tag for tag, _ in rich.elements]
    assert [tags.count(name) for name in ("main", "header", "footer", "nav")] == [1, 1, 1, 1]
    assert rich.named("html")[0]["lang"] == "en"


def test_every_image_says_what_is_seen(rich):
    assert all(image["alt"].strip() for image in rich.named("img"))
    loss = next(image["alt"] for image in rich.named("img") if "cross-entropy over epoch" in image["alt"])
    assert "validation: 1.595 at 1 to 0.1247 at 20" in loss


def test_five_findings_are_seen_at_first_the_most_serious_above(rich):
    findings = samples.report().findings
    assert findings[0].severity == "serious"
    words = rich.words
    first = [words.index(finding.message) for finding in findings]
    assert first == sorted(first)
    assert (
        words.index(findings[4].message)
        < words.index("Show all 7 findings")
        < words.index(findings[5].message)
    )


def test_a_finding_leads_to_its_evidence_and_a_dangling_one_to_the_section():
    findings = [
        Finding(severity="info", message=str(at), rule="r", evidence=place)
        for at, place in enumerate(("part/here", "part/gone", "part", "nowhere/x"))
    ]
    text = Text(id="here", title="Here", text="x")
    section = Section(name="part", title="Part", blocks=(text,), findings=findings)
    page = Page(html.encode(samples.one().model_copy(update={"sections": (section,)}), None))
    own = {"_main", "_findings"}
    hrefs = [link["href"] for link in page.named("a") if link["href"][1:] not in own and "class" not in link]
    assert hrefs == ["#part", "#part--here", "#part", "#part", "#part"]  # the first is the contents'


def test_sections_say_their_state_reason_and_seconds(rich):
    assert "The model gives no probabilities." in rich.words
    assert "One part of it broke: Git." in rich.words
    assert "1.31 s" in rich.words
    silent = samples.report().model_dump()
    for section in silent["sections"]:
        section["seconds"] = None
    assert "1.31 s" not in Page(html.encode(Report.model_validate(silent), None)).words


def test_numbers_in_tables_carry_their_unit_and_a_missing_one_is_unknown(rich):
    assert "174,970" in rich.words
    assert "4.91 MFLOPs" in rich.words
    assert "unknown" in rich.words


def test_a_long_table_says_how_many_rows_are_left_out():
    table = Table(
        id="t", columns=(Column(name="n", unit="exact"),), rows=tuple(Row(cells=(at,)) for at in range(1000))
    )
    page = Page(html.encode(samples.one(table.model_copy(update={"total": 5000})), None))
    assert "The first 400 rows; 600 more rows in the embedded JSON." in page.words
    assert "4,000 further rows of 5,000 were not kept in the report." in page.words
    assert len(page.named("tr")) == 400 + 1 + 2  # the rows, their head; the list of sections has two


def test_a_node_leads_to_its_row_and_rows_of_one_name_are_told_apart():
    rows = (Row(cells=("a",), id="conv 1"), Row(cells=("b",), id="conv 1"))
    table = Table(columns=(Column(name="layer"),), rows=rows)
    graph = Graph(
        nodes=(Node(id="n", label="n", row="conv 1"), Node(id="m", label="m", row="none")), edges=()
    )
    page = Page(html.encode(samples.one(table, table.model_copy(update={"id": "other"}), graph), None))
    rows_with_id = [row["id"] for row in page.named("tr") if row.get("id")]
    assert len(rows_with_id) == 1
    assert [link["href"] for link in page.named("a") if "row-" in link["href"]] == [f"#{rows_with_id[0]}"]


def test_an_empty_report_is_light():
    assert len(html.encode(samples.empty(), None)) < 100_000


def test_large_data_is_compressed_and_small_data_stands_as_it_is():
    assert html.embedded(samples.empty())[0] == "application/json"
    media_type, text = html.embedded(samples.report())
    assert media_type == "application/gzip+base64"
    assert re.fullmatch("[A-Za-z0-9+/=]+", text)
    assert not set("<>&\u2028\u2029") & set(html.embedded(samples.one(Text(text=" ".join(samples.EVIL))))[1])


def test_a_template_of_the_users_stands_in_for_ours_of_the_same_name(tmp_path):
    (tmp_path / "foot.html.j2").write_text("<p>Ours: {{ report.title }}</p>", encoding="utf-8")
    (tmp_path / "style.css").write_text("h1 { color: teal }\r\n", encoding="utf-8")
    page = Page(html.encode(samples.one(title="<b>"), tmp_path))
    assert "Ours: <b>" in page.words
    assert page.raw[0] == "h1 { color: teal }\n"
    assert "What to know" in page.words


def test_a_mistake_in_a_template_is_an_error_and_not_a_gap(tmp_path):
    (tmp_path / "foot.html.j2").write_text("{{ report.titel }}", encoding="utf-8")
    with pytest.raises(UndefinedError, match="titel"):
        html.encode(samples.empty(), tmp_path)
    with pytest.raises(ValueError, match="expected a folder"):
        html.encode(samples.empty(), tmp_path / "none")


@pytest.mark.parametrize("trick", ["{{ ''.__class__.__mro__ }}", "{% include '../../etc/passwd' %}"])
def test_a_template_runs_nothing_and_reads_no_other_file(tmp_path, trick):
    (tmp_path / "foot.html.j2").write_text(trick, encoding="utf-8")
    with pytest.raises(TemplateError):
        html.encode(samples.empty(), tmp_path)


def test_blocks_of_one_group_stand_under_one_heading_folded_where_all_of_them_are():
    def block(at, **more):
        return Text(id=f"t{at}", title=f"Title {at}", text="x", **more)

    blocks = (
        block(0),
        block(1, group="a"),
        block(2, group="a", folded=True),
        *(block(at, group="b", folded=True) for at in (3, 4)),
    )
    page = Page(html.encode(samples.one(*blocks), None))
    groups = [a for tag, a in page.elements if tag == "details" and a.get("class") == "group"]
    assert ["open" in group for group in groups] == [True, False]
    assert "a 2 parts" in page.words
    levels = [int(tag[1]) for tag, attributes in page.elements if re.fullmatch("h[34]", tag)]
    assert levels == [3, 3, 4, 4, 3, 4, 4]


def test_on_paper_a_folded_group_is_named_and_not_drawn():
    text = Text(id="t", title="Flat one", text="unseen", group="flat", folded=True)
    printed = view.page(samples.one(text), PRINT).sections[0].groups
    assert [(group.title, group.rows, group.unprinted) for group in printed] == [
        ("flat", (), (("part--t", "Flat one"),))
    ]


def test_a_figure_is_drawn_as_wide_as_it_stands_and_thirds_share_a_row():
    def curve(at, width):
        line = Series(name="s", x=(0, 1), y=(0, at))
        return Curves(id=f"c{at}", series=(line,), x_label="x", y_label="y", width=width)

    blocks = [
        curve(at, width) for at, width in enumerate(("full", "half", "half", "third", "third", "third"))
    ]
    (group,) = view.page(samples.one(*blocks), SCREEN).sections[0].groups
    assert [len(row) for row in group.rows] == [1, 2, 3]
    widths = [row[0].figure.width for row in group.rows]
    assert widths == [922, 461, 293]


def test_alternatives_stand_under_their_names_those_of_one_name_together():
    def block(at, choice, **more):
        return Text(id=f"t{at}", title=f"Title {at}", text="x", choice=choice, **more)

    blocks = (block(0, ""), block(1, "a", group="g"), block(2, "b", group="g"), block(3, "a", group="g"))
    (_, group) = view.page(samples.one(*blocks), SCREEN).sections[0].groups
    found = [(choice.title, [row[0].block.id for row in choice.rows]) for choice in group.choices]
    assert found == [("a", ["t1", "t3"]), ("b", ["t2"])]
    page = Page(html.encode(samples.one(*blocks), None))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[345]", tag)]
    assert levels == [3, 3, 4, 5, 5, 4, 5]
    ids = anchors(page)
    assert len(ids) == len(set(ids))
    assert "g 3 parts" in page.words
