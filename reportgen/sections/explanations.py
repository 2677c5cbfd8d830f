"""Which inputs single predictions rest on, by several methods, and how far to trust each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from reportgen import tabular
from reportgen.attribution.base import Attribution, Missing, Outcome
from reportgen.attribution.choose import choose
from reportgen.attribution.explain import NO_GRADIENT, Rows, calm, explain, plan, prepare
from reportgen.attribution.kinds import kind_of, sights
from reportgen.attribution.methods import BY_GRADIENT, Method, suited
from reportgen.attribution.sight import Sight
from reportgen.attribution.target import explained
from reportgen.deadline import ENDED, Deadline, until
from reportgen.errors import InputError
from reportgen.experiment import Experiment, Options
from reportgen.report import Block, Failure, Finding, Section
from reportgen.sections._concentration import concentrated
from reportgen.sections._global import whole
from reportgen.sections._late import late
from reportgen.sections._trust import EVIDENCE, trust
from reportgen.units import plural

TIME = 0.2  # of the section's for predictions, where the clock may decide and Evaluation has made none
RUN_RULE = (
    "three inputs, alone and in one batch, several times, give the same scores to within a thousandth, and within "
    "a hundredth of what the score moves from the baseline"
)


@dataclass(frozen=True)
class Told:
    """What is drawn: a row of outcomes for each sight, what number is explained, how the samples were chosen.

    `notes`: what was seen of the model that bears on all of them.
    """

    experiment: Experiment
    sights: list[Sight]
    rows: Rows
    what: str
    about: str
    notes: tuple[str, ...] = ()
    seed: int = 0

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the methods, in order."""
        return tuple(made.method for made in self.rows[0])

    def target(self, sight: Sight) -> str:
        """What is explained of this sample, by the name of its class where it has one."""
        if self.experiment.task == "classification":
            return f"score of {sight.subject.target.name}"
        return self.what.removeprefix("the ")


def explanations(experiment: Experiment, options: Options) -> Section:
    """The same samples through all methods that suit the input."""
    reason = _why_not(experiment)
    if reason:
        nothing = experiment.model is None or (experiment.example is None and experiment.samples is None)
        return _section(status="empty" if nothing else "skipped", reason=reason)
    with calm():
        return _explained(experiment, options)


def _explained(experiment: Experiment, options: Options) -> Section:
    deadline = Deadline.of(options.time_limit, options.timed)
    kind = kind_of(experiment)
    methods = suited(kind, options.methods)
    allowed = plan(experiment, methods, options.samples)
    with until(deadline.part(TIME)):
        subjects, rule = choose(experiment, allowed.samples, options.chosen[: allowed.samples])
    if allowed.samples < options.samples:
        rule += f" ({options.samples} asked for, but the model's cost allows {allowed.samples})"
    ready = prepare(experiment, options, sights(experiment, subjects), allowed.share, deadline)
    rows = explain(options, ready, methods, deadline)
    number = explained(experiment)
    cut = _cut(rows, len(ready.sights))
    if cut:
        rule += f" ({cut.message})"
    what = f"Explained is {number}.{_held(experiment, kind)}"
    told = Told(
        experiment,
        ready.sights[: len(rows)],
        rows,
        number,
        f"{what} {rule}.{_unsuited(kind, methods, options)} Seed {options.seed}.",
        ready.notes,
        options.seed,
    )
    drawn = import_module(f"reportgen.sections._explained_{kind}").draw(told)
    over_all = whole(ready.tools.experiment, options, kind, ready.sights, ready.tools.forward, deadline)
    shown = [*([cut] if cut else []), *drawn, *over_all]
    return _done(told, kind, shown, partial(trust, told, options, ready.tools, methods, kind, deadline))


def _held(experiment: Experiment, kind: str) -> str:
    """Which of several input tensors is explained, and that the others stay as they are."""
    from reportgen.data import IDS

    inputs = experiment.require_forward()
    tensors, taken = inputs.tensors, 1
    which = "the token ids are" if hasattr(inputs.kwargs.get(IDS), "shape") else "the first is"
    if kind == "table":
        taken = len(tabular.places(inputs))
        which = f"the {taken} of the table are" if taken > 1 else which
    if taken == len(tensors):
        return ""
    return f" Of the {len(tensors)} tensors that the model reads only {which} explained, the others are held."


def _unsuited(kind: str, methods: Sequence[Method], options: Options) -> str:
    """Which of the methods that were asked for are for other kinds of input."""
    lost = [name for name in dict.fromkeys(options.methods) if name not in {one.slug for one in methods}]
    if not lost:
        return ""
    of = "" if kind == "generic" else f" ({kind})"
    return f" Asked for too, but not for this kind of input{of}: {', '.join(lost)}."


def _cut(rows: Rows, wanted: int) -> Failure | None:
    """What the time limit cut, where it did."""
    lost = any(isinstance(made, Missing) and made.reason == ENDED for row in rows for made in row)
    short = [made.method for row in rows for made in row if isinstance(made, Attribution) and made.late]
    if len(rows) == wanted and not lost and not short:
        return None
    what = f"{len(rows)} of {plural(wanted, 'sample')}{', not by all methods' if lost else ''}"
    what += f", less of {' and '.join(dict.fromkeys(short))}" if short else ""
    return late("What the time cut", what)


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


def without_gradient(rows: Rows) -> list[Finding]:
    """Once, which methods have nothing to go by where the model passes no gradient, or one of zero all over."""
    done = [[row[at] for row in rows] for at in range(len(rows[0]))]
    cut = [each[0].method for each in done if all(_cut_off(made) for made in each)]
    moved = any(isinstance(made, Attribution) and made.values.any() for each in done for made in each)
    if not cut or not moved:
        return []
    message = (
        f"The model's operations pass no gradient to its input, so {', '.join(cut)} "
        f"{'has' if len(cut) == 1 else 'have'} nothing to go by on all of {plural(len(rows), 'sample')}, though other "
        "methods see the score move: rounding, counting and comparing do that, and so does a detach."
    )
    rule = "of a method no gradient leads from the score to the input, or it is 0 at every place, on every sample"
    return [Finding(severity="warning", message=message, rule=rule, evidence="explanations/each-explanation")]


def _cut_off(made: Outcome) -> bool:
    if isinstance(made, Missing):
        return made.reason == NO_GRADIENT
    return made.method in BY_GRADIENT and not made.values.any()


def _done(
    told: Told, kind: str, drawn: Sequence[Block], judged: Callable[[], tuple[list[Block], list[Finding]]]
) -> Section:
    rows = told.rows
    worked = [name for name in told.methods if any(_has(row, name) for row in rows)]
    if not worked:
        lost = next(made for made in rows[0] if isinstance(made, Missing))
        raise InputError(f"no method could explain a sample; {lost.method}: {lost.reason}")
    measures, found = judged()
    summary = f"{plural(len(rows), 'prediction')} explained by {', '.join(worked)}."
    findings = (*_noted(told), *without_gradient(told.rows), *concentrated(told, kind), *found)
    return _section(summary=summary, blocks=(*drawn, *measures), findings=findings)


def _noted(told: Told) -> list[Finding]:
    return [
        Finding(severity="warning", message=note, rule=RUN_RULE, evidence=EVIDENCE) for note in told.notes
    ]


def _has(row: Sequence[Outcome], method: str) -> bool:
    return any(isinstance(made, Attribution) and made.method == method for made in row)
