"""Overview: what the model is for, and the first numbers a reader looks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reportgen.report import Fact, Facts, Finding, Section, Text
from reportgen.units import plural, shorten

if TYPE_CHECKING:
    from reportgen.experiment import Experiment, Options

# Where the numbers of the first screen are measured: section, label there, label here.
HEADLINE = (
    ("architecture", "Parameters", "Parameters"),
    ("architecture", "FLOPs a sample", "FLOPs a sample"),
    ("architecture", "FLOPs", "FLOPs of the whole input"),
    ("training", "Best validation metric", "Best validation metric"),
    ("evaluation", "Accuracy", "Accuracy"),
    ("evaluation", "Mean absolute error", "Mean absolute error"),
    ("training", "Training time", "Training time"),
    ("architecture", "Size on disk", "Size on disk"),
)


def overview(experiment: Experiment, options: Options) -> Section:
    """What the model is for, its data and limits as far as given, and the headline numbers."""
    done = {section.name: section for section in options.done}
    blocks: list[Any] = []
    facts = headline(done)
    if facts:
        blocks.append(Facts(id="headline", title="In numbers", facts=facts))
    if experiment.facts:
        given = tuple(Fact(label=label, value=value) for label, value in experiment.facts.items())
        blocks.append(Facts(id="about", title="About", facts=given))
    blocks.append(Facts(id="given", title="What was given", facts=_given(experiment)))
    if experiment.inferred:
        caption = "Nobody said these; they were concluded from the first 64 samples and one forward pass."
        blocks.append(
            Facts(id="inferred", title="What was inferred", facts=experiment.inferred, caption=caption)
        )
    if not experiment.facts:
        missing = "Purpose, data, licence and limits were not given."
        blocks.append(Text(id="not-given", text=missing))
    return Section(
        name="overview",
        title="Overview",
        summary=_summary(experiment, done),
        blocks=tuple(blocks),
        findings=(*_problems(options), *_gaps(experiment)),
    )


def headline(done: Mapping[str, Section]) -> tuple[Fact, ...]:
    """The numbers of the first screen, from the sections that measured them."""
    found = []
    for name, label, shown in HEADLINE:
        totals = done[name].block("totals") if name in done else None
        for fact in totals.facts if isinstance(totals, Facts) else ():
            if fact.label == label and fact.value is not None:
                unit = "count" if label == "Parameters" else fact.unit
                found.append(Fact(label=shown, value=fact.value, unit=unit, note=fact.note))
    return tuple(found)


def _given(experiment: Experiment) -> tuple[Fact, ...]:
    facts = [Fact(label="Model", value=experiment.model_name or "none")]
    if experiment.samples is not None:
        total = experiment.samples.total
        size = "a stream of unknown length" if total is None else plural(total, "sample")
        facts.append(Fact(label="Data", value=size))
    else:
        problem = experiment.data_problem
        facts.append(Fact(label="Data", value="none" if problem is None else f"unusable: {problem}"))
    if experiment.example is not None:
        facts.append(
            Fact(label="Input", value=experiment.example.describe(), note="of one sample, batch first")
        )
    if experiment.output_shape:
        facts.append(
            Fact(label="Output", value=str(experiment.output_shape), note="of one sample, batch first")
        )
    if experiment.class_names:
        names = shorten(", ".join(experiment.class_names[:200]), 400)
        facts.append(Fact(label="Classes", value=f"{len(experiment.class_names)}: {names}"))
    if experiment.feature_names:
        names = shorten(", ".join(experiment.feature_names[:200]), 400)
        facts.append(Fact(label="Features", value=f"{len(experiment.feature_names)}: {names}"))
    logs = ", ".join(log.name for log in experiment.logs)
    facts.append(Fact(label="Logs", value=logs or "none"))
    return tuple(facts)


def _summary(experiment: Experiment, done: dict[str, Section]) -> str:
    told = experiment.facts.get("purpose") or experiment.facts.get("Purpose") or ""
    if told:
        return told
    parts = [done[name].summary for name in ("architecture", "evaluation") if name in done]
    said = " ".join(part for part in parts if part)
    return said or (done["training"].summary if "training" in done else "")


def _gaps(experiment: Experiment) -> list[Finding]:
    """NaN among the inputs."""
    found = experiment.gaps
    if not found.count:
        return []
    where = found.said(experiment)
    return [
        Finding(
            severity="warning",
            message=f"{found.count:,} of {plural(len(found.marred), 'sample')} looked at "
            f"{'holds' if found.count == 1 else 'hold'} {found.what} among the inputs{f': {where}' if where else ''}.",
            rule="an input number that is NaN, or infinite in what is explained",
            evidence="overview/given",
        )
    ]


def _problems(options: Options) -> list[Finding]:
    return [
        Finding(
            severity="serious",
            message=f"The section {section.title} failed: {shorten(section.reason, 200)}",
            rule="a section raised, returned no section, or ran out of time",
            evidence=section.name,
        )
        for section in options.done
        if section.status == "failed"
    ]
