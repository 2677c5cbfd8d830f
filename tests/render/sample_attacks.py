"""A report whose every text is hostile, with one block of each kind."""

from __future__ import annotations

import math

import numpy as np
from sample_results import digit

from reportgen.report import (
    Axis,
    Bars,
    Cluster,
    Code,
    Column,
    Curves,
    Distribution,
    Edge,
    Fact,
    Facts,
    Failure,
    Finding,
    Graph,
    Heatmap,
    Histogram,
    Images,
    Map,
    Mark,
    Node,
    Parallel,
    Picture,
    Provenance,
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
)

EVIL = (
    "</script><script>window.__pwned=1</script>",
    '"><img src=x onerror="window.__pwned=1">',
    "'-window.__pwned=1-' `${window.__pwned=1}` {{ 7*7 }} {% include '/etc/passwd' %}",
    "<svg onload=window.__pwned=1></svg></style><style>*{display:none}</style></title>",
    "javascript:window.__pwned=1 http://example.invalid/a.png url(http://example.invalid/b.png)",
    "&lt;b&gt; ]]> --> <!-- <![CDATA[ \\u003c \\n",
    "שלום مرحبا \u202eevil\u202c \u2028 \u2029 😀 é̂ 中文 ไทย हिन्दी",
    "$x^{ \\frac{1}{ % # _ ~",
    "data:image/png;base64,AAAA #20242a",
)
LONG = "long" * 2500


def hostile(text: str) -> Report:
    """A report in which every text that may be anything is `text`."""
    findings = tuple(
        Finding(severity=severity, message=text, rule=text, evidence=evidence)
        for severity, evidence in (("serious", "part/table"), ("warning", text), ("info", "part/nowhere"))
    )
    headline = Facts(id="headline", facts=(Fact(label=text, value=text, note=text),))
    sections = (
        Section(name="overview", title=text, summary=text, blocks=(headline,), findings=findings),
        Section(name="part", title=text, status="failed", reason=text, blocks=every_kind(text)),
        Section(name="more", title=text, status="skipped", reason=text),
    )
    provenance = Provenance(generator=text, model=text, commit=text, command=text, notes=(text,))
    return Report(title=text, created=text, sections=sections, provenance=provenance)


def every_kind(text: str) -> tuple[object, ...]:
    """One block of each kind, all its texts the given one, with values that are no numbers among the rest."""
    nan, inf = math.nan, math.inf
    said = {"title": text, "caption": text}
    nodes = (
        Node(id="a", label=text, detail=text, family=text, times=3, row=text, cluster="c"),
        Node(id=text + "b", label=text),
    )
    return (
        Facts(
            facts=(Fact(label=text, value=text, unit=text, note=text), Fact(label=text, value=3, unit=text)),
            **said,
        ),
        Table(
            id="table",
            columns=(Column(name=text, note=text), Column(name=text, unit=text)),
            rows=(Row(cells=(text, 1.5), id=text), Row(cells=(text, text), level=1), Row(cells=(None, nan))),
            **said,
        ),
        Text(text=text, **said),
        Code(text=text, language=text, **said),
        Curves(
            series=(
                Series(name=text, x=(0, 1, 2), y=(1, nan, 2)),
                Series(name=text + "2", x=(0, 1), y=(inf, -inf), group=text),
            ),
            marks=(Mark(x=1, label=text),),
            x_label=text,
            y_label=text,
            **said,
        ),
        Bars(
            labels=(text, text),
            values=(1, nan),
            low=(0.5, nan),
            high=(1.5, inf),
            unit=text,
            x_label=text,
            **said,
        ),
        Heatmap(
            row_labels=(text, text),
            column_labels=(text, text),
            values=((1, nan), (-1, inf)),
            row_title=text,
            column_title=text,
            unit=text,
            scale="diverging",
            **said,
        ),
        Distribution(
            histograms=(
                Histogram(name=text, edges=(0, 1, 2), counts=(1, 2)),
                Histogram(name=text + "2", edges=(0, 1), counts=(nan,)),
            ),
            x_label=text,
            y_label=text,
            **said,
        ),
        Parallel(
            names=(text, text + "2", text + "3"),
            axes=(
                Axis(name=text, values=(0, 1, nan), labels=(text, text + "2")),
                Axis(name=text, values=(1, inf, 1e6), log=True),
                Axis(name=text, values=(nan, nan, nan)),
            ),
            best=2,
            **said,
        ),
        Scatter(
            x=(0, nan, 2),
            y=(0, 1, 2),
            member=(0, 0, 1),
            groups=(text, text + "2"),
            x_label=text,
            y_label=text,
            **said,
        ),
        Swarm(
            rows=(
                Strip(name=text, x=(0, nan, -1), shades=(0, nan, 1)),
                Strip(name=text + "2", x=(inf, 2)),
            ),
            x_label=text,
            shade=text,
            unit=text,
            **said,
        ),
        Images(
            pictures=(
                Picture(raster=digit(0), caption=text, alt=text),
                Picture(missing=text),
                Picture(raster=digit(1), map=Map.from_array(np.eye(4), signed=True), caption=text),
            ),
            column_titles=(text, text),
            row_titles=(text,),
            columns=2,
            **said,
        ),
        Tokens(tokens=(text, text), weights=(1, nan), **said),
        Signal(values=(0, 1, nan), rate=10, weights=(0, inf, 1), y_label=text, **said),
        Graph(
            nodes=nodes,
            edges=(Edge(source="a", target=text + "b", label=text), Edge(source="a", target="a")),
            clusters=(Cluster(id="c", label=text, times=2),),
            summary=text,
            **said,
        ),
        Failure(error=text, message=text, hint=text, details=text, **said),
    )
