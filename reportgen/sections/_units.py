"""Units that add nothing: silent, saturated, or nearly the same as another."""

from __future__ import annotations

from collections.abc import Sequence

from reportgen.experiment import Experiment, Options
from reportgen.features.activations import Silence
from reportgen.features.saturation import MOSTLY, Saturated
from reportgen.features.weights import ALIKE, SHORTEST, Alike, near_duplicates
from reportgen.hooks import hidden
from reportgen.report import Column, Finding, Row, Severity, Table, slug
from reportgen.sections._made import Made, brief
from reportgen.units import plural, shorten, show

ENOUGH = 64  # samples below which a silent unit says little
SILENT = "Units that stay zero"
STUCK = "Saturated units"
SAME = "Filters that are nearly the same"
NAMED = 3  # layers that get a finding each


def silent(experiment: Experiment, found: list[Silence], count: int, of: str, made: Made) -> None:
    if not found:
        why = hidden(experiment) or "no ReLU was seen in the forward pass"
        made.notes.append(f"Silent units were not looked for: {why}.")
        return
    columns = (
        Column(name="ReLU after"),
        Column(name="Units", unit="count", note="channels of a convolution, neurons of a linear layer"),
        Column(name="Always zero", unit="count"),
        Column(name="Zeros", unit="share", note="share of all values"),
        Column(name="Which", note="the first eight"),
    )
    rows = tuple(
        Row(
            cells=(
                silence.after,
                len(silence.passed),
                len(silence.dead),
                brief(silence.zeros),
                _first(silence.dead),
            )
        )
        for silence in found
    )
    made.blocks.append(
        Table(
            title=SILENT,
            caption=f"{of}; a unit counts where it is zero on each.",
            columns=columns,
            rows=rows,
            paths=True,
        )
    )
    dead = [silence for silence in found if silence.dead]
    total = sum(len(silence.passed) for silence in found)
    made.said.append(f"{sum(len(s.dead) for s in dead):,} of {total:,} ReLU units stay zero on all samples")
    if count >= ENOUGH:
        made.findings += _silent_findings(dead, count)


def _silent_findings(dead: list[Silence], count: int) -> list[Finding]:
    """The layers with the most silent units by name, the others in one sentence."""
    order = sorted(dead, key=lambda silence: -len(silence.dead))
    messages = [
        f"{len(s.dead)} of {len(s.passed)} {s.noun} after {s.after} are zero on all {plural(count, 'sample')}."
        for s in order[:NAMED]
    ]
    rest = order[NAMED:]
    if rest:
        silent, units = sum(len(s.dead) for s in rest), sum(len(s.passed) for s in rest)
        layers = plural(len(rest), "further layer")
        messages.append(
            f"{silent:,} of {units:,} units of {layers} are zero on all {plural(count, 'sample')}."
        )
    rule = f"output of a ReLU zero on every sample and at every place, {ENOUGH} samples at least"
    return [_finding(text, rule, SILENT) for text in messages]


def _finding(message: str, rule: str, block: str, severity: Severity = "warning") -> Finding:
    return Finding(severity=severity, message=message, rule=rule, evidence=f"features/{slug(block)}")


def _first(units: Sequence[int]) -> str:
    return ", ".join(map(str, units[:8])) + ("…" if len(units) > 8 else "")


def saturated(found: list[Saturated], count: int, of: str, made: Made) -> None:
    """A table of the activations with limits, and a finding on the layers whose units sit at one."""
    if not found:
        return
    columns = (
        Column(name="Activation after"),
        Column(name="Function"),
        Column(name="Units", unit="count"),
        Column(name="Saturated", unit="count"),
        Column(name="At a limit", unit="share", note="share of all values"),
        Column(name="Which", note="the first eight"),
    )
    rows = tuple(
        Row(cells=(s.after, s.function, len(s.at_limit), len(s.units), brief(s.share), _first(s.units)))
        for s in found
    )
    rule = (
        f"more than {show(MOSTLY, 'share')} of a unit's values within 0.02 of a limit of sigmoid or tanh, within "
        "2 % of the cap of ReLU6 and its like, or at hardswish's zero"
    )
    made.blocks.append(
        Table(
            title=STUCK,
            caption=f"{of}. A unit counts with {rule}. What makes the model's output is left out, and so are the gates "
            "inside recurrent layers, which can't be seen.",
            columns=columns,
            rows=rows,
            paths=True,
        )
    )
    stuck = sorted((one for one in found if one.units), key=lambda one: -len(one.units))
    if count < ENOUGH:
        return
    messages = [
        f"{len(s.units)} of {len(s.at_limit)} {s.noun} of the {s.function} after {s.after} are saturated on "
        f"{plural(count, 'sample')}."
        for s in stuck[:NAMED]
    ]
    if stuck[NAMED:]:
        units = sum(len(s.units) for s in stuck[NAMED:])
        messages.append(f"{plural(units, 'unit')} of {len(stuck) - NAMED} further activations are saturated.")
    made.findings += [_finding(text, f"{rule}; {ENOUGH} samples at least", STUCK) for text in messages]


def duplicates(experiment: Experiment, options: Options, made: Made) -> None:
    """The filters of each layer that are nearly the same, and a finding on the layers with the most of them."""
    assert experiment.model is not None
    found, left = near_duplicates(experiment.model)
    if left:
        names = shorten(", ".join(left), 200)
        made.notes.append(f"Filters of {plural(len(left), 'large layer')} were not compared: {names}.")
    alike = [one for one in found if one.groups]
    if not found:
        return
    pairs = sum(one.close for one in found)
    units = sum(one.units for one in found)
    made.said.append(
        f"{sum(one.surplus for one in found):,} of {units:,} filters repeat another of their layer"
    )
    if not alike:
        return
    rule = f"cosine of two rows of weights of one layer above {ALIKE}"
    columns = (
        Column(name="Layer"),
        Column(name="Filters", unit="count"),
        Column(name="Groups", unit="count", note="of filters that such pairs link"),
        Column(name="Surplus", unit="count", note="filters beyond one a group"),
        Column(name="Pairs", unit="count"),
        Column(name="Closest pairs", note="with their cosine"),
    )
    made.blocks.append(
        Table(
            title=SAME,
            caption=f"{plural(pairs, 'pair')} in {len(alike)} of {plural(len(found), 'layer')} compared: {rule}, "
            "the bias left out; within one group of a grouped convolution, since other groups read other channels; "
            f"rows of zeros alone, and those of fewer than {SHORTEST} weights, left out.",
            columns=columns,
            rows=tuple(Row(cells=_alike(one)) for one in alike),
            paths=True,
        )
    )
    most = sorted(alike, key=lambda one: -one.surplus)
    messages = [
        f"{one.surplus} of {one.units} {one.noun} of {one.layer} repeat another." for one in most[:NAMED]
    ]
    if most[NAMED:]:
        surplus = sum(one.surplus for one in most[NAMED:])
        messages.append(
            f"{surplus:,} filters of {plural(len(most) - NAMED, 'further layer')} repeat another."
        )
    made.findings += [_finding(text, rule, SAME, "info") for text in messages]


def _alike(one: Alike) -> tuple[str | int, ...]:
    pairs = ", ".join(f"{i} and {j} ({cosine:.3f})" for i, j, cosine in one.pairs)
    return (
        one.layer,
        one.units,
        len(one.groups),
        one.surplus,
        one.close,
        pairs + ("…" if one.close > len(one.pairs) else ""),
    )
