"""Which inputs single predictions rest on, by several methods, and how far to trust each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from reportgen.attribution.base import Attribution, Missing, Outcome
from reportgen.attribution.choose import choose
from reportgen.attribution.explain import Rows, explain, plan
from reportgen.attribution.kinds import kind_of, sights
from reportgen.attribution.methods import suited
from reportgen.attribution.sight import Sight, Tools
from reportgen.attribution.target import explained
from reportgen.errors import InputError
from reportgen.experiment import Experiment, Options
from reportgen.report import Block, Finding, Section
from reportgen.sections._trust import trust
from reportgen.units import plural


@dataclass(frozen=True)
class Told:
    """What is drawn: a row of outcomes for each sight, what number is explained, how the samples were chosen."""

    experiment: Experiment
    sights: list[Sight]
    rows: Rows
    what: str
    about: str

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the methods, in order."""
        return tuple(made.method for made in self.rows[0])


def explanations(experiment: Experiment, options: Options) -> Section:
    """LIME, saliency, Integrated Gradients and Grad-CAM on the same samples."""
    reason = _why_not(experiment)
    if reason:
        nothing = experiment.model is None or (experiment.example is None and experiment.samples is None)
        return _section(status="empty" if nothing else "skipped", reason=reason)
    kind = kind_of(experiment)
    methods = suited(kind)
    allowed = plan(experiment, methods, options.samples)
    subjects, rule = choose(experiment, allowed.samples, options.chosen[: allowed.samples])
    if allowed.samples < options.samples:
        rule += f" ({options.samples} asked for, but the model's cost allows {allowed.samples})"
    looked_at = sights(experiment, subjects)
    rows = explain(experiment, options, looked_at, methods, allowed.share)
    what = explained(experiment)
    told = Told(experiment, looked_at, rows, what, f"Explained is {what}. {rule}. Seed {options.seed}.")
    drawn = import_module(f"reportgen.sections._explained_{kind}").draw(told)
    size = max(experiment.batch_size, 256) if kind == "table" else experiment.batch_size
    tools = Tools(experiment, size, size, options.seed, allowed.share)
    return _done(told, drawn, partial(trust, told, options, tools, methods, kind))


def _section(**fields: object) -> Section:
    return Section(name="explanations", title="Explanations", **fields)


def _why_not(experiment: Experiment) -> str:
    """Why there is nothing to explain, or nothing. Raises the InputError of data that can't be used."""
    if experiment.model is None:
        return "no model was given"
    if experiment.data_problem is not None and experiment.example is None:
        raise experiment.data_problem
    if experiment.example is None:
        return "neither data nor an example input was given, so there is no prediction to explain"
    tensor = experiment.require_forward().primary
    if tensor is None or tensor.ndim < 2:
        return (
            f"the input is {experiment.require_forward().describe()}, expected a tensor with a row a sample"
        )
    if not experiment.output_shape:
        return "the output is one number for the whole batch, so no sample has a score of its own"
    return ""


def _done(
    told: Told, drawn: Sequence[Block], judged: Callable[[], tuple[list[Block], list[Finding]]]
) -> Section:
    rows = told.rows
    worked = [name for name in told.methods if any(_has(row, name) for row in rows)]
    if not worked:
        lost = next(made for made in rows[0] if isinstance(made, Missing))
        raise InputError(f"no method could explain a sample; {lost.method}: {lost.reason}")
    measures, found = judged()
    summary = f"{plural(len(rows), 'prediction')} explained by {', '.join(worked)}."
    return _section(summary=summary, blocks=(*drawn, *measures), findings=tuple(found))


def _has(row: Sequence[Outcome], method: str) -> bool:
    return any(isinstance(made, Attribution) and made.method == method for made in row)
