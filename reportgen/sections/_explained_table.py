"""Explained rows of a table: each sample's features by all methods side by side, on one signed scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from reportgen.attribution.base import Attribution, Missing, Outcome
from reportgen.attribution.gradients import COMPLETENESS
from reportgen.attribution.lime import R2, STABILITY
from reportgen.attribution.shap import ADDITIVITY, SHAP_STABILITY
from reportgen.attribution.sight import Sight
from reportgen.report import Bars, Block, Failure, Text
from reportgen.sections._by_sample import SAMPLES, heading
from reportgen.sections._explained_image import rounded
from reportgen.units import shorten, show

if TYPE_CHECKING:
    from reportgen.sections.explanations import Told

TOP = 10  # features shown a sample
TRUST = ((R2, ""), (STABILITY, ""), (SHAP_STABILITY, ""), (COMPLETENESS, "share"), (ADDITIVITY, "share"))


def draw(told: Told) -> list[Block]:
    """Sample by sample, a small chart a method, the same features in the same order in each."""
    blocks: list[Block] = [Text(title="Explained samples", text=_about(told))]
    for sight, row in zip(told.sights, told.rows, strict=True):
        blocks += _sample(told, sight, row)
    return blocks


def _about(told: Told) -> str:
    """What all charts have in common, once."""
    text = (
        f"{told.about} A bar is what the feature adds to it, to the right for it, to the left against it; the signed "
        "methods of a sample share one scale. Saliency is the size of the gradient and has its own. Features are in "
        "the order of their largest share of any signed method."
    )
    if any(made.method == "LIME" for row in told.rows for made in row):
        text += " LIME: coefficient × (value − mean) / deviation; of a category, coefficient × (1 − its frequency)."
    if told.experiment.normalization is not None:
        text += " Values are shown in their original unit, the given normalization undone."
    return text


def _sample(told: Told, sight: Sight, row: Sequence[Outcome]) -> list[Block]:
    width: Literal["half", "third"] = "third" if len(row) > 2 else "half"
    order = _order(row, sight.shape[0])
    signed = [made for made in row if isinstance(made, Attribution) and made.signed]
    reach = max((float(np.abs(made.values[order]).max(initial=0.0)) for made in signed), default=0.0)
    return [_chart(told, sight, made, width, order, reach) for made in row]


def _order(row: Sequence[Outcome], features: int) -> list[int]:
    """The features to show: those of the largest share of the sum of sizes, by any signed method (else by any)."""
    made = [outcome for outcome in row if isinstance(outcome, Attribution)]
    made = [outcome for outcome in made if outcome.signed] or made
    shares = np.zeros(features)
    for outcome in made:
        sizes = np.abs(outcome.values)
        shares = np.maximum(shares, sizes / max(float(sizes.sum()), 1e-300))
    return [int(at) for at in np.argsort(-shares.round(9), kind="stable")[:TOP]]


def _chart(
    told: Told,
    sight: Sight,
    made: Outcome,
    width: Literal["half", "third"],
    order: Sequence[int],
    reach: float,
) -> Block:
    if isinstance(made, Missing):
        return Failure(
            title=made.method,
            width=width,
            group=SAMPLES,
            choice=heading(sight),
            error=made.method,
            message=made.reason,
        )
    kept = [at for at in order if made.unknown is None or not made.unknown[at]]
    against = f" against {made.baseline}" if made.baseline else ""
    return Bars(
        title=made.method,
        group=SAMPLES,
        choice=heading(sight),
        width=width,
        caption=f"{made.settings}{against}.{_cut(order, len(made.values))}{_held(told, sight, made, order)}"
        f"{_trusted(made)} Seed {told.seed}.",
        labels=tuple(_label(told, sight, at) for at in kept),
        values=tuple(rounded(float(made.values[at])) for at in kept),
        reach=rounded(reach) if made.signed else 0.0,
        x_label=told.target(sight) if made.signed else "size of the gradient",
    )


def _label(told: Told, sight: Sight, at: int) -> str:
    value = float(sight.values[0, at])
    if sight.table is None:
        name, said = told.experiment.feature_name(at), show(float(f"{value:.4g}"))
    else:
        feature = sight.table.features[at]
        name, said = feature.name, shorten(feature.said(value), 14)
    # As much of the name as leaves the value whole in the 28 characters of a chart's label.
    return f"{shorten(name, 25 - len(said))} = {said}"


def _cut(order: Sequence[int], count: int) -> str:
    return f" {len(order)} of {count} features." if len(order) < count else ""


def _held(told: Told, sight: Sight, made: Attribution, order: Sequence[int]) -> str:
    """Which of the features have no value by this method, and why."""
    if made.unknown is None or sight.table is None:
        return ""
    names = [shorten(sight.table.features[at].name, 24) for at in order if made.unknown[at]]
    if not names:
        return ""
    return f" No value for {', '.join(names)}: a category or whole number has no gradient."


def _trusted(made: Attribution) -> str:
    known = [(name, made.trust.get(name), unit) for name, unit in TRUST]
    # To a millionth: what is below is rounding, which differs from machine to machine.
    said = [
        f"{name} {show(float(f'{round(value, 6):.3g}'), unit)}"
        for name, value, unit in known
        if value is not None
    ]
    return f" {', '.join(said).capitalize()}." if said else ""
