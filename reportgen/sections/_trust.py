"""How far to trust the explanations: the numbers, the findings, and how to read each method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reportgen.attribution.base import Attribution, Outcome
from reportgen.attribution.explain import Rows
from reportgen.attribution.gradients import COMPLETENESS, DIFFERENCE
from reportgen.attribution.lime import R2, STABILITY
from reportgen.attribution.shap_package import ADDITIVITY
from reportgen.attribution.sight import Sight
from reportgen.attribution.trust import agreement as correlations
from reportgen.report import Block, Column, Finding, Heatmap, Row, Table, Text
from reportgen.units import plural, show

POOR_FIT, UNSTABLE, INCOMPLETE = 0.5, 0.7, 0.05
TRUST = "How far to trust them"
EVIDENCE = "explanations/how-far-to-trust-them"

READING = {
    "LIME": "LIME hides parts of the input at random and fits a linear model to how the score moves; a weight is "
    "that part's share in it. R2 says how much of the movement the linear model captures, stability how "
    "alike the ranks are with another seed (rank correlation, 1 = the same).",
    "KernelShap": "KernelShap gives each part its Shapley value: its mean effect on the score over all sets of other "
    "parts that it could join. The values add up to the difference of the score from the baseline's.",
    "GradientShap": "GradientShap sums gradients on the way from references, samples of the data where there are any, "
    "to the input. The values add up to the difference of the score from the references' mean, but for the "
    "additivity error.",
    "SmoothGrad": "SmoothGrad is the size of the mean gradient over noisy copies of the input. It has no sign.",
    "Input × gradient": "Input × gradient is what each value adds to the score as far as the score is linear here.",
    "Occlusion": "Occlusion hides one window or part at a time: by how much the score falls without it.",
    "Saliency": "Saliency is the size of the score's gradient: where the smallest change moves the score most. "
    "It has no sign.",
    "Integrated Gradients": "Integrated Gradients sums gradients from the baseline to the input. The values add up "
    "to the difference of the two scores; the completeness error is by how much they miss it.",
    "Grad-CAM": "Grad-CAM weights a layer's channels by their gradient and keeps what speaks for the score, as "
    "coarse as that layer is. It has no sign.",
    "SHAP Gradient": "SHAP Gradient averages gradients between the sample and samples of the data; the values add up "
    "to f(x) - the mean score of these samples, but for the error of drawing them, which the additivity error tells.",
    "SHAP Kernel": "SHAP Kernel shares f(x) - the mean score among the features as Shapley values, by least squares "
    "over features shown and hidden; what is hidden takes the values of other samples.",
    "SHAP Permutation": "SHAP Permutation does the same over random orders in which the features are shown.",
    "agreement": "Methods ask different questions, so they may differ and all be right. Where they agree, that is "
    "some support; no single number says that an explanation is true.",
}


def trust(sights: Sequence[Sight], rows: Rows) -> Table:
    """The measures, one row a sample."""
    columns = [
        Column(name="Sample"),
        Column(name="Prediction"),
        Column(
            name="LIME R2", unit="exact", note="of the linear model on its perturbations; 1 is a perfect fit"
        ),
        Column(name="LIME stability", unit="exact", note="rank correlation of the weights between seeds"),
        Column(name="f(x) - f(baseline)", unit="exact", note="what Integrated Gradients have to add up to"),
        Column(
            name="IG completeness error", unit="share", note="by how much the sum misses f(x) - f(baseline)"
        ),
    ]
    cells = []
    for sight, row in zip(sights, rows, strict=True):
        line = [
            sight.subject.name,
            sight.subject.said,
            *(_known(row, name) for name in (R2, STABILITY, DIFFERENCE, COMPLETENESS)),
        ]
        cells.append(Row(cells=tuple(line)))
    caption = (
        f"{plural(len(rows), 'sample')}. Unknown where the method gave nothing, where all values are equal, or "
        "where the score does not differ from the baseline's."
    )
    return Table(title=TRUST, caption=caption, columns=tuple(columns), rows=tuple(cells))


def _known(row: Sequence[Outcome], name: str) -> float | None:
    for made in row:
        if isinstance(made, Attribution) and made.trust.get(name) is not None:
            return float(f"{made.trust[name]:.4g}")
    return None


def agreement(rows: Rows, methods: Sequence[str]) -> list[Block]:
    """The rank correlations between the methods as a matrix, where any is known."""
    made = [[outcome for outcome in row if isinstance(outcome, Attribution)] for row in rows]
    table = correlations(made, methods)
    if np.isfinite(table).sum() < 2:
        return []
    return [
        Heatmap(
            title="Agreement between methods",
            caption=f"Rank correlation (Spearman) of the sizes of the values over the same pixels, "
            f"mean of {plural(len(rows), 'sample')}; 1 is the same order, 0 none. Blank where unknown.",
            row_labels=tuple(methods),
            column_labels=tuple(methods),
            values=tuple(tuple(float(f"{value:.4g}") for value in line) for line in table),
            scale="diverging",
        )
    ]


def reading(names: Sequence[str]) -> Text:
    """What each of these methods asks, and how to read its answer."""
    return Text(title="How to read them", text="\n\n".join(READING[name] for name in names))


def findings(rows: Rows) -> list[Finding]:
    """Where LIME fits poorly or is unstable, and where Integrated Gradients do not add up."""
    found = []
    for name, bad, sentence, rule in (
        (R2, lambda v: v < POOR_FIT, "LIME fits poorly on {} (R2 {})", f"R2 of the surrogate < {POOR_FIT}"),
        (
            STABILITY,
            lambda v: v < UNSTABLE,
            "LIME ranks change with the seed on {} (rank correlation {})",
            f"Spearman between seeds < {UNSTABLE}",
        ),
        (
            COMPLETENESS,
            lambda v: v > INCOMPLETE,
            "Integrated Gradients miss completeness on {} (by {})",
            f"|sum - (f(x) - f(baseline))| / |f(x) - f(baseline)| > {show(INCOMPLETE, 'share')}",
        ),
        (
            ADDITIVITY,
            lambda v: v > INCOMPLETE,
            "SHAP values miss additivity on {} (by {})",
            f"|sum + expected - f(x)| / |f(x) - expected| > {show(INCOMPLETE, 'share')}",
        ),
    ):
        known = [value for row in rows if (value := _known(row, name)) is not None]
        failing = sorted(value for value in known if bad(value))
        if failing:
            unit = "share" if name in (COMPLETENESS, ADDITIVITY) else ""
            ends = [show(float(f"{value:.2g}"), unit) for value in (failing[0], failing[-1])]
            reach = ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
            message = sentence.format(f"{len(failing)} of {plural(len(known), 'sample')}", reach) + "."
            found.append(Finding(severity="warning", message=message, rule=rule, evidence=EVIDENCE))
    return found
