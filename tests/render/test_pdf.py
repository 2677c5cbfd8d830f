"""The PDF: pages with numbers, bookmarks and tags, the data attached, and no file or address opened for it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pypdf
import pytest
import samples

from reportgen.render import html, pdf
from reportgen.report import (
    Cluster,
    Code,
    Column,
    Curves,
    Edge,
    Fact,
    Facts,
    Graph,
    Images,
    Node,
    Picture,
    Raster,
    Row,
    Series,
    Table,
    Text,
)


def tool(name: str) -> str:
    """The path of a poppler program; where it is missing the test is skipped, and in CI fails."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is missing (poppler-utils)")
        pytest.skip(f"{name} is not installed (poppler-utils)")
    return found


def text_of(path) -> str:
    done = subprocess.run([tool("pdftotext"), "-layout", str(path), "-"], capture_output=True, check=True)
    return done.stdout.decode("utf-8").replace("\u200b", "")


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    return samples.report().save(tmp_path_factory.mktemp("pdf") / "report.pdf")


def test_it_is_tagged_says_it_is_pdf_a_3_and_carries_the_title(rich):
    done = subprocess.run([tool("pdfinfo"), str(rich)], capture_output=True, text=True, check=True).stdout
    facts = dict(line.split(":", 1) for line in done.splitlines() if ":" in line)
    assert facts["Tagged"].strip() == "yes"
    assert facts["Title"].strip() == samples.report().title
    assert "2025" in facts["CreationDate"]
    with pypdf.PdfReader(rich) as reader:
        metadata = reader.trailer["/Root"]["/Metadata"].get_data()
    assert b'pdfaid:part="3"' in metadata
    assert b'pdfaid:conformance="A"' in metadata


def test_the_first_page_has_the_findings_and_the_contents_with_page_numbers(rich):
    with pypdf.PdfReader(rich) as reader:
        first = " ".join(reader.pages[0].extract_text().split())
        last = len(reader.pages)
        assert f"{last} / {last}" in reader.pages[-1].extract_text()
        for finding in samples.report().findings:
            assert finding.message in first
        for section in samples.report().sections:
            assert section.title in first
        at = next(
            n for n, page in enumerate(reader.pages, 1) if "Loss a step" in page.extract_text() and n > 1
        )
        assert f"Loss a step , page {at}" in first.replace("step, page", "step , page")


def test_bookmarks_follow_the_headings(rich):
    with pypdf.PdfReader(rich) as reader:

        def titles(items):
            return [
                title
                for item in items
                for title in (titles(item) if isinstance(item, list) else [item.title])
            ]

        found = titles(reader.outline)
    assert found[0] == samples.report().title
    for title in ("Training", "Confusion", "The network", "Environment"):
        assert title in found


def test_every_kind_of_block_is_printed_and_nothing_folded_is_missing(rich):
    words = text_of(rich)
    for section in samples.report().sections:
        for block in section.blocks:
            if block.id != "headline":
                assert block.title in words, block.title
    assert "Traceback (most recent call last)" in words
    # torchinfo's listing is longer than a page: its totals, which come last, stay.
    assert "lines between the first and the last in the embedded JSON" in words


def test_hostile_text_is_printed_as_text(tmp_path):
    path = samples.hostile(" ".join(samples.EVIL)).save(tmp_path / "report.pdf")
    words = " ".join(text_of(path).split())
    for part in (
        "</script><script>window.__pwned=1</script>",
        "{{ 7*7 }}",
        "$x^{ \\frac{1}{ % # _ ~",
        "&lt;b&gt; ]]>",
    ):
        assert part in words
    with pypdf.PdfReader(path) as reader:
        assert not reader.trailer["/Root"].get("/OpenAction")
        assert "/JavaScript" not in reader.trailer["/Root"].get("/Names", {})


def test_ten_thousand_letters_are_all_printed(tmp_path):
    table = Table(
        columns=(Column(name="Layer"), Column(name="n", unit="exact")), rows=(Row(cells=("q" * 10_000, 7)),)
    )
    facts = Facts(facts=(Fact(label="name", value="b" * 10_000),))
    path = samples.one(table, facts, title="c" * 10_000).save(tmp_path / "report.pdf")
    words = "".join(text_of(path).split())
    for letter in "qbc":
        assert words.count(letter) >= 10_000, letter


@pytest.mark.parametrize(
    "address", ["file:///etc/hostname", "http://127.0.0.1:9/x.png", "//127.0.0.1:9/x", "x.png"]
)
def test_a_template_that_asks_for_files_or_addresses_gets_nothing(tmp_path, monkeypatch, address):
    import urllib.request

    opened = []
    monkeypatch.setattr(urllib.request.OpenerDirector, "open", lambda *_, **__: opened.append(1))
    (tmp_path / "foot.html.j2").write_text(
        f'<img src="{address}" alt="x"><link rel="stylesheet" href="{address}">'
        f'<link rel="attachment" href="{address}"><object data="{address}"></object>',
        encoding="utf-8",
    )
    (tmp_path / "print.css").write_text(
        f"@import '{address}'; @font-face {{ font-family: f; src: url({address}) }}"
        f"body {{ background: url({address}) }}",
        encoding="utf-8",
    )
    content = pdf.encode(samples.empty(), tmp_path)
    assert opened == []
    target = tmp_path / "report.pdf"
    target.write_bytes(content)
    with pypdf.PdfReader(target) as reader:
        assert [file.name for file in reader.attachment_list] == ["report.json"]


def test_the_fetcher_serves_data_and_refuses_all_else():
    fetch = pdf._data_only().fetch
    assert fetch("data:text/plain,hello").read() == b"hello"
    for address in (
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "http://127.0.0.1/",
        "ftp://127.0.0.1/",
        "jar:x",
    ):
        with pytest.raises(ValueError, match="disallowed protocol"):
            fetch(address)


def test_without_pango_one_line_says_which_package_brings_it():
    """The libraries are hidden from the loader in a process of its own."""
    code = (
        "import cffi, sys\n"
        "real = cffi.FFI.dlopen\n"
        "def none(self, name, flags=0):\n"
        "    if name and 'pango' in str(name): raise OSError(f'cannot load library {name!r}')\n"
        "    return real(self, name, flags)\n"
        "cffi.FFI.dlopen = none\n"
        "import samples\n"
        "from reportgen.render import pdf\n"
        "try: pdf.encode(samples.empty(), None)\n"
        "except pdf.PangoMissing as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.path.dirname(__file__)},
    )
    assert done.stdout.count("\n") == 1
    for name in ("libpango-1.0-0", "libpangoft2-1.0-0", "brew install pango", "MSYS2"):
        assert name in done.stdout
    assert done.stderr == ""


def test_a_table_longer_than_a_page_repeats_its_head_and_says_what_is_left_out(tmp_path):
    rows = tuple(Row(cells=(f"layer {at}", at)) for at in range(300))
    table = Table(columns=(Column(name="Name of it"), Column(name="n", unit="exact")), rows=rows)
    path = samples.one(Text(text="x\n\n" * 30), table).save(tmp_path / "report.pdf")
    words = text_of(path)
    pages = [page for page in words.split("\f") if "layer " in page]
    assert len(pages) >= 2
    assert all(page.count("Name of it") == 1 for page in pages)
    assert "The first 200 rows; 100 more rows in the embedded JSON." in words


def test_of_a_table_that_the_screen_folds_paper_has_the_first_rows_and_says_so(tmp_path):
    rows = tuple(Row(cells=(f"layer {at}", at), id=f"row {at}") for at in range(60))
    columns = (Column(name="Name of it"), Column(name="n", unit="exact"))
    table = Table(title="All layers", columns=columns, rows=rows, folded=True)
    words = text_of(samples.one(table).save(tmp_path / "report.pdf"))
    assert [at for at in range(60) if re.search(rf"\blayer {at}\b", words)] == list(range(25))
    assert "The first 25 rows; 35 more rows on the HTML page." in words
    whole = html.encode(samples.one(table), None).decode()
    assert all(f">layer {at}<" in whole for at in range(60))


def test_the_heading_of_a_group_stands_on_the_page_of_its_first_charts(tmp_path):
    lines = tuple(
        Curves(
            id=f"c{at}", title=f"chart {at}", group="The heading", width="third", caption="some words " * 30,
            series=(Series(name="a", x=(0.0, 1.0), y=(0.0, 1.0)),), x_label="x", y_label="y",
        )
        for at in range(6)
    )  # fmt: skip
    words = text_of(samples.one(Text(text="x\n\n" * 12), *lines).save(tmp_path / "report.pdf"))
    assert "chart 0" in next(page for page in words.split("\f") if "The heading" in page)


def test_a_graph_too_tall_for_a_page_is_split_and_its_heading_stays_with_it(tmp_path):
    frames = tuple(Cluster(id=f"c{at}", label=f"block {at}") for at in range(4))
    nodes = tuple(Node(id=f"n{at}", label=f"node{at}", cluster=f"c{at // 12}") for at in range(48))
    edges = tuple(Edge(source=f"n{at}", target=f"n{at + 1}", label="8×8") for at in range(47))
    graph = Graph(title="The whole", nodes=nodes, edges=edges, clusters=frames)
    words = text_of(samples.one(Text(text="x\n\n" * 12), graph).save(tmp_path / "report.pdf"))
    pages = words.split("\f")
    first = next(page for page in pages if "The whole" in page)
    assert "block 0" in first
    assert "12 nodes, drawn below" in first
    assert all(any(f"node{at}" in page for page in pages) for at in range(48))
    assert "Too tall for a page" in words


def fan(count: int) -> Graph:
    """As wide as many boxes beside each other."""
    nodes = [
        Node(id=f"n{at}", label=f"parameter {at}", detail="(parameter, 7)", family="parameter")
        for at in range(count)
    ]
    edges = tuple(Edge(source=node.id, target="sum") for node in nodes)
    return Graph(title="Wide", nodes=(*nodes, Node(id="sum", label="sum", family="output")), edges=edges)


def smallest(path) -> float:
    """The size in points of the smallest text in a picture."""
    with pypdf.PdfReader(path) as reader:
        found = []
        for page in reader.pages:
            page.extract_text(
                visitor_text=lambda text, cm, tm, _, size: (
                    found.append(abs(size * tm[3] * cm[3])) if "parameter" in text else None
                )
            )
    return min(found)


def test_a_graph_too_wide_for_a_page_is_on_a_page_on_its_side_and_can_be_read(tmp_path):
    path = samples.one(Text(text="before"), fan(12)).save(tmp_path / "report.pdf")
    with pypdf.PdfReader(path) as reader:
        page = next(page for page in reader.pages if "parameter 3" in page.extract_text())
        assert page.mediabox.width > page.mediabox.height
        assert "Wide" in page.extract_text()
    assert smallest(path) >= 5


def test_a_graph_too_wide_for_any_page_is_a_note_with_its_number_of_nodes(tmp_path):
    words = text_of(samples.one(fan(40)).save(tmp_path / "report.pdf"))
    assert "41 nodes: side by side they are too wide for a page" in " ".join(words.split())
    assert "parameter 3" not in words


def test_the_legend_of_a_graph_stands_on_the_page_of_its_first_picture(tmp_path):
    nodes = tuple(
        Node(id=f"n{at}", label=f"node{at}", family="conv" if at else "embedding") for at in range(14)
    )
    edges = tuple(Edge(source=f"n{at}", target=f"n{at + 1}") for at in range(13))
    for lines in (20, 24, 28, 30):
        filled = samples.one(Text(text="x\n\n" * lines), Graph(title="The whole", nodes=nodes, edges=edges))
        pages = text_of(filled.save(tmp_path / "report.pdf")).split("\f")
        assert next(page for page in pages if "embedding" in page).count("node0") == 1


def test_lines_drawn_across_a_listing_do_not_wrap(tmp_path):
    text = f"{'=' * 400}\nTotal params: 3\n{'=' * 400}"
    words = text_of(samples.one(Code(text=text, title="torchinfo")).save(tmp_path / "report.pdf"))
    assert sum(set(line.strip()) == {"="} for line in words.splitlines()) == 2


def test_types_and_names_of_layers_are_not_broken_within_a_word(tmp_path):
    heads = ["Layer", "Type", "Settings", *(f"column {at}" for at in range(10)), "Notes"]
    columns = tuple(Column(name=name) for name in heads)
    filled = ["float32 (64, 768)"] * 11
    note = "weight tied to transformer.embedding.weight"
    rows = tuple(Row(cells=("head", "NewGELUActivation", *filled, note), level=min(at, 6)) for at in range(8))
    words = text_of(samples.one(Table(columns=columns, rows=rows)).save(tmp_path / "report.pdf"))
    assert words.count("NewGELUActivation") == 8
    assert len(re.findall(r"\bweight\b", words)) == 16
    assert words.count("embedding.") == 8


def test_a_grid_of_many_columns_is_on_a_page_on_its_side_with_its_head_on_every_page(tmp_path):
    heads = tuple(f"method {at}" for at in range(9))
    pictures = tuple(Picture(raster=Raster.from_array(np.full((8, 8), at, np.uint8))) for at in range(90))
    block = Images(
        pictures=pictures,
        columns=9,
        column_titles=heads,
        row_titles=tuple(f"sample {at}" for at in range(10)),
    )
    with pypdf.PdfReader(samples.one(block).save(tmp_path / "report.pdf")) as reader:
        pages = [page for page in reader.pages if "sample" in page.extract_text()]
        assert len(pages) == 2
        for page in pages:
            assert page.mediabox.width > page.mediabox.height
            assert "method 8" in page.extract_text()
        assert "sample 9" in pages[-1].extract_text()
    few = block.model_copy(update={"columns": 4, "column_titles": heads[:4]})
    with pypdf.PdfReader(samples.one(few).save(tmp_path / "few.pdf")) as reader:
        assert all(page.mediabox.width < page.mediabox.height for page in reader.pages)


def test_every_alternative_is_printed_under_its_name(tmp_path):
    blocks = [Text(text=f"words {at}", group="Samples", choice=f"Sample {at}") for at in range(3)]
    words = text_of(samples.one(*blocks).save(tmp_path / "report.pdf"))
    assert all(f"Sample {at}" in words and f"words {at}" in words for at in range(3))
