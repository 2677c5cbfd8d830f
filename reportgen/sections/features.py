"""What the network has learned to look for: filters, activations, silent units, an embedding."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from reportgen.deadline import Deadline, Late
from reportgen.experiment import Experiment, Options
from reportgen.features.activations import activation_maps, map_layers
from reportgen.features.choice import STAGES
from reportgen.features.filters import filters
from reportgen.hooks import hidden
from reportgen.report import Images, Picture, Section, Text
from reportgen.sections._attention import attention_maps
from reportgen.sections._excite import excite
from reportgen.sections._kernels import signals
from reportgen.sections._late import late
from reportgen.sections._layers import activations, gradients, weights
from reportgen.sections._made import Made, failure
from reportgen.sections._pictures import as_raster, scaled
from reportgen.sections._samples import two
from reportgen.sections._survey import survey
from reportgen.sections._tokens import token_embeddings
from reportgen.sections._units import duplicates
from reportgen.timelimit import enforced
from reportgen.units import plural

if TYPE_CHECKING:
    from reportgen.data import Inputs

CHANNELS = 7  # shown a layer
LAYERS = 6  # with maps

Part = Callable[[Experiment, Options, Made], None]


def features(experiment: Experiment, options: Options) -> Section:
    """Filters, activation maps, weights, activations and gradients by layer, stuck units, a map of the samples."""
    if experiment.model is None:
        return Section(name="features", title="Features", status="empty", reason="no model was given")
    made = Made(deadline=Deadline.of(options.time_limit, options.timed))
    blocked = experiment.forward_problem or experiment.no_values
    problem = blocked or (experiment.data_problem if experiment.samples is None else None)
    parts = list(ALWAYS)
    if experiment.example is not None and blocked is None:
        parts += RUNNING
    elif problem is None:
        made.notes.append("Activations and an embedding need data or an example input; neither was given.")
    for at, (title, part) in enumerate(parts):
        options.step(title, at, len(parts))
        try:
            made.deadline.check()
            with enforced(made.deadline):
                part(experiment, options, made)
        except Late:
            made.blocks.append(late("What the time cut", ", ".join(name for name, _ in parts[at:])))
            break
        except Exception as error:  # noqa: BLE001 - one part that breaks never costs the others
            made.blocks.append(failure(title, error))
    options.step(parts[-1][0], len(parts), len(parts))
    if problem is not None:
        made.blocks.append(failure("Activations and embedding", problem))
    if made.blocks and hidden(experiment):
        made.notes.append(f"Of the model's parts, some or all are scripted, and {hidden(experiment)}.")
    return _section(made)


def _section(made: Made) -> Section:
    if not made.blocks:
        return Section(name="features", title="Features", status="empty", reason=" ".join(made.notes))
    if made.notes:
        made.blocks.append(Text(title="What is not shown", text="\n\n".join(made.notes)))
    summary = f"{'; '.join(made.said)}." if made.said else ""
    blocks, findings = tuple(made.blocks), tuple(made.findings)
    return Section(name="features", title="Features", summary=summary, blocks=blocks, findings=findings)


def _filters(experiment: Experiment, options: Options, made: Made) -> None:
    block, reason = filters(experiment)
    if block is None:
        made.notes.append(f"First-layer weights are not drawn: {reason}.")
    else:
        made.blocks.append(block)


# --- activation maps -------------------------------------------------------------------------------------


def _maps(experiment: Experiment, options: Options, made: Made) -> None:
    names = options.layers or map_layers(experiment, experiment.require_forward(), LAYERS)
    if not names:
        why = hidden(experiment) or "no 2-D convolution runs in the forward pass"
        made.notes.append(f"There are no activation maps: {why}.")
        return
    which = (
        "the chosen layers"
        if options.layers
        else f"convolutions, first, middle and last of each stage ({STAGES})"
    )
    for label, inputs in two(experiment):
        layers = [layer for layer in activation_maps(experiment, inputs, names, CHANNELS) if layer.pictures]
        if not layers:
            made.notes.append(
                f"There are no activation maps for {label}: these layers put out no maps: {', '.join(names)}."
            )
            continue
        first, how = _input_picture(experiment, inputs)
        pictures: list[Picture] = []
        for layer in layers:
            fill = (Picture(missing="no further channel"),) * (CHANNELS - len(layer.pictures))
            pictures += [first, *layer.pictures, *fill]
        shown = "; ".join(f"{x.layer}: {len(x.pictures)} of {plural(x.channels, 'channel')}" for x in layers)
        small = "".join(scaled(x.size, x.drawn, f"{x.layer}, {_by(x.size)},") for x in layers)
        made.blocks.append(
            Images(
                title=f"Activation maps, {label}",
                caption=f"Outputs of {which}, before what follows them, on {label}. "
                f"The channels of the largest mean size: {shown}. Every map has its own scale.{small}{how}",
                pictures=tuple(pictures),
                columns=1 + CHANNELS,
                row_titles=tuple(layer.layer for layer in layers),
            )
        )


def _input_picture(experiment: Experiment, inputs: Inputs) -> tuple[Picture, str]:
    from reportgen.pixels import shrink, to_pixels

    primary = inputs.primary
    if primary is None or primary.ndim != 4 or primary.shape[1] not in (1, 3):
        return Picture(caption="input", missing="the input is no picture of 1 or 3 channels"), ""
    pixels, how = to_pixels(primary, experiment.normalization)
    drawn = shrink(pixels[0])
    said = f" Input: {how}.{scaled(pixels[0].shape, drawn.shape, f'Input, {_by(pixels[0].shape)},')}"
    return Picture(caption="input", alt="the input", raster=as_raster(drawn)), said


def _by(size: tuple[int, ...]) -> str:
    return f"{size[0]} × {size[1]}"


# What needs the model alone.
ALWAYS: tuple[tuple[str, Part], ...] = (
    ("First-layer filters", _filters),
    ("Weights by layer", weights),
    ("Filters that are alike", duplicates),
)
# What needs a forward pass, in the order of the page. A part adds its blocks, findings and notes to what is made.
RUNNING: tuple[tuple[str, Part], ...] = (
    ("Activation maps", _maps),
    ("Activations by layer", activations),
    ("Gradients by layer", gradients),
    ("Stuck units and embedding", survey),
    ("What excites units", excite),
    ("Attention", attention_maps),
    ("Token embeddings", token_embeddings),
    ("Signals", signals),
)
