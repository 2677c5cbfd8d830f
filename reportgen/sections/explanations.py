"""Which inputs single predictions rest on, by several methods, and how far to trust each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reportgen.attribution import explain
from reportgen.attribution.base import Attribution, Missing, Outcome
from reportgen.attribution.choose import Subject, choose, explained
from reportgen.errors import InputError
from reportgen.experiment import Experiment, Options
from reportgen.pixels import shrink, to_pixels
from reportgen.report import Bars, Block, Failure, Images, Map, Picture, Raster, Section
from reportgen.sections._pictures import scaled
from reportgen.sections._trust import agreement, findings, reading, trust
from reportgen.units import plural, shorten, show

TOP = 10  # features shown a sample


def explanations(experiment: Experiment, options: Options) -> Section:
    """LIME, saliency, Integrated Gradients and Grad-CAM on the same samples."""
    reason = _why_not(experiment)
    if reason:
        nothing = experiment.model is None or (experiment.example is None and experiment.samples is None)
        return _section(status="empty" if nothing else "skipped", reason=reason)
    images = experiment.modality == "image"
    allowed = explain.plan(experiment, options.samples) if images else explain.Plan(options.samples, 0)
    subjects, rule = choose(experiment, allowed.samples)
    if allowed.samples < options.samples:
        rule += f" ({options.samples} asked for, but the model's cost allows {allowed.samples})"
    what = explained(experiment)
    about = f"Explained is {what}. {rule}. Seed {options.seed}."
    if images:
        return _images(experiment, options, subjects, about, allowed.perturbations)
    return _table(experiment, options, subjects, what, about)


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
    if experiment.modality not in ("image", "table"):
        kind = f"{experiment.modality} inputs" if experiment.modality else "inputs of this kind"
        return f"{kind} are not explained, only images and tables ({experiment.require_forward().describe()})"
    if len(experiment.output_shape) not in (1, 2):
        return (
            f"an output of shape {experiment.output_shape} has no single score or value a sample to explain"
        )
    wanted = 4 if experiment.modality == "image" else 2
    if tensor is None or tensor.ndim != wanted:
        shape = "(n, channels, height, width)" if wanted == 4 else "(n, features)"
        return (
            f"the input is {experiment.require_forward().describe()}, expected {experiment.modality}s {shape}"
        )
    if not experiment.task:
        beside = "no targets and no class names"
        if experiment.target_shape:
            each = experiment.target_shape[1:]
            beside = f"targets of {each} a sample" if each else "one target a sample"
        return (
            f"nothing tells whether an output of {experiment.output_shape} with {beside} holds scores of "
            "classes or values; say which with task"
        )
    return ""


def _images(
    experiment: Experiment, options: Options, subjects: list[Subject], about: str, share: int
) -> Section:
    pixels, how = _pixels(experiment, subjects)
    rows = explain.explain_images(experiment, options, subjects, pixels, share)
    methods = explain.IMAGE_METHODS
    pictures = []
    for subject, pixel, row in zip(subjects, pixels, rows, strict=True):
        words = f"{subject.name}: {subject.said}"
        pictures.append(Picture(caption=subject.said, alt=words, raster=Raster.from_array(shrink(pixel))))
        pictures += [_map(made, words) for made in row]
    small = scaled(pixels[0].shape, shrink(pixels[0]).shape)
    grid = Images(
        title="Explained samples",
        caption=f"{about} {_settings(rows)} Pictures: {how}. Every map has its own scale.{small}",
        pictures=tuple(pictures),
        columns=1 + len(methods),
        column_titles=("Sample", *methods),
        row_titles=tuple(subject.name for subject in subjects),
    )
    blocks = [grid, trust(subjects, rows), *agreement(rows, methods), reading((*methods, "agreement"))]
    return _done(subjects, rows, blocks)


def _pixels(experiment: Experiment, subjects: Sequence[Subject]) -> tuple[list[np.ndarray], str]:
    import torch

    batch = torch.cat([subject.values for subject in subjects])
    if batch.shape[1] in (1, 3):
        return to_pixels(batch, experiment.normalization)
    grey, how = to_pixels(batch.float().mean(dim=1, keepdim=True))
    return grey, f"the mean of {batch.shape[1]} channels, {how}"


def _map(made: Outcome, words: str) -> Picture:
    if isinstance(made, Missing):
        return Picture(missing=made.reason)
    field = shrink(made.values)
    limit = _rounded(float(np.abs(field).max()))
    kind = "signed" if made.signed else "unsigned"
    alt = f"{made.method}, {kind} map of {words}"
    return Picture(
        caption=f"{'±' if made.signed else '0 to '}{show(float(f'{limit:.3g}'))}",
        alt=alt,
        map=Map.from_array(field, signed=made.signed, limit=limit),
    )


def _rounded(value: float) -> float:
    """Six significant digits: what rounding in another order of additions can't reach."""
    return float(f"{value:.6g}")


def _settings(rows: explain.Rows) -> str:
    """How each method was run, from the first sample it worked on."""
    parts = []
    for column in zip(*rows, strict=True):
        made = next((outcome for outcome in column if isinstance(outcome, Attribution)), None)
        if made is not None:
            against = f" against {made.baseline}" if made.baseline else ""
            parts.append(f"{made.method}: {made.settings}{against}")
    return "; ".join(parts) + "." if parts else ""


def _table(
    experiment: Experiment, options: Options, subjects: list[Subject], what: str, about: str
) -> Section:
    rows = explain.explain_table(experiment, options, subjects)
    blocks: list[Block] = []
    for subject, row in zip(subjects, rows, strict=True):
        blocks += [_bars(experiment, subject, made, what, about) for made in row]
    table = trust(subjects, rows, together=True)
    return _done(subjects, rows, [*blocks, table, reading((*explain.TABLE_METHODS, "agreement"))])


def _bars(experiment: Experiment, subject: Subject, made: Outcome, what: str, about: str) -> Block:
    title = f"{subject.name.capitalize()}, {made.method}: {subject.said}"
    if isinstance(made, Missing):
        return Failure(title=title, error=made.method, message=made.reason)
    values = subject.values[0].cpu().double().numpy()
    order = np.argsort(-np.abs(made.values).round(9), kind="stable")[:TOP]
    rest = len(values) - len(order)
    meaning = ""
    if made.method == "LIME":
        meaning = " A bar is coefficient × (value - mean) / deviation."
    cut = f" The {len(order)} largest of {len(values)} features." if rest else ""
    return Bars(
        title=title,
        caption=f"{about} {made.method}: {made.settings} against {made.baseline}.{meaning}{cut}",
        labels=tuple(
            f"{shorten(experiment.feature_name(i))} = {show(float(f'{values[i]:.4g}'))}" for i in order
        ),
        values=tuple(_rounded(float(made.values[i])) for i in order),
        x_label=f"contribution to {what.removeprefix('the ')}",
    )


def _done(subjects: Sequence[Subject], rows: explain.Rows, blocks: Sequence[Block]) -> Section:
    worked = [made.method for made in rows[0] if any(_has(row, made.method) for row in rows)]
    if not worked:
        lost = next(made for made in rows[0] if isinstance(made, Missing))
        raise InputError(f"no method could explain a sample; {lost.method}: {lost.reason}")
    summary = f"{plural(len(subjects), 'prediction')} explained by {', '.join(worked)}."
    return _section(summary=summary, blocks=tuple(blocks), findings=tuple(findings(rows)))


def _has(row: Sequence[Outcome], method: str) -> bool:
    return any(isinstance(made, Attribution) and made.method == method for made in row)
