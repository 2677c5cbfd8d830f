"""Parameter randomisation: whether a method's maps change when the model has learned nothing, beside a control."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from reportgen.attribution.base import Attribution, NotApplicable, Outcome
from reportgen.attribution.explain import LEAST, PARTS, Rows, evenly, on, passes, run, until
from reportgen.attribution.methods import Method
from reportgen.attribution.sight import Sight, Tools
from reportgen.attribution.trust import known_of, spearman
from reportgen.deadline import NEVER, Deadline, Late
from reportgen.errors import one_line
from reportgen.experiment import Experiment, Options

if TYPE_CHECKING:
    from torch import nn

MOST = 2  # samples
SEEN = 8  # half-hidden samples that a new model's batch norms see first
LARGEST = 1 << 30  # bytes of parameters that are copied
SHARE = 0.2  # of the budget of operations that the explanations have
TIME = 0.13  # of the section's, for all samples, where the clock may decide


@dataclass(frozen=True)
class Randomised:
    """Rank correlations of |a| (samples, methods) over the places that belong to a part, NaN where unknown.

    `same`: between the model's map and that of a copy with random parameters; `control`: between the model's
    map and the edges of the picture, or of anything else the size of the input. `parts` (samples, methods): how many
    parts of the sample the compared places belong to. `numbers` are which of the explained samples these are, `wanted`
    how many they would be without a clock.
    """

    methods: tuple[str, ...]
    numbers: tuple[int, ...]
    wanted: int
    same: np.ndarray
    control: np.ndarray
    parts: np.ndarray


def randomised(
    experiment: Experiment,
    options: Options,
    tools: Tools,
    sights: Sequence[Sight],
    rows: Rows,
    methods: Sequence[Method],
    kind: str,
    deadline: Deadline = NEVER,
) -> Randomised:
    """Up to two samples through all methods again, on copies of the model whose parameters are drawn anew.

    Adebayo et al. 2018, with all layers at once and a new draw a sample. Methods that perturb make do with a
    fifth of the perturbations. Raises NotApplicable with the reason where there can be no such copy,
    Late where the time ends before one sample is through.
    """
    count = min(len(rows), _afforded(experiment, methods))
    if not count:
        raise NotApplicable("the model's cost leaves no room for it")
    chosen = evenly(len(rows), count)
    same: list[list[float | None]] = []
    control: list[list[float | None]] = []
    parts: list[list[int]] = []
    ours = deadline.part(TIME)
    for at in chosen:
        options.step("Parameters at random", len(same), count)
        if not ours.allows(len(same)):
            break
        model = copied(experiment)
        randomise(model, [*tools.seeds(sights[at]), 2])
        limit = ours if same else deadline
        seen = until(on(sights[at], replace(experiment, model=model)), limit)
        accustom(model, seen, tools)
        cheap = replace(tools, experiment=seen.score.experiment, share=min(tools.share, LEAST))
        try:
            other = _all(methods, seen, cheap, limit)
        except Late:
            if not same:
                raise
            break
        beside = edges(sights[at]) if kind == "image" else sights[at].fold(sights[at].values, sizes=True)
        places = sights[at].counted
        same.append([_alike(one, two, places) for one, two in zip(rows[at], other, strict=True)])
        control.append([_like(made, beside, places) for made in rows[at]])
        parts.append([_parts(made, sights[at]) for made in rows[at]])
    options.step("Parameters at random", len(same), len(same))
    names = tuple(made.method for made in rows[0])
    numbers = tuple(chosen[: len(same)])
    tables = np.array(same, float), np.array(control, float), np.array(parts, int)
    return Randomised(names, numbers, count, *tables)


def _all(methods: Sequence[Method], sight: Sight, tools: Tools, deadline: Deadline) -> list[Outcome]:
    """What each method gives. Raises Late."""
    made = []
    for method in methods:
        made.append(run(method, sight, tools))
        deadline.check()
    return made


def _afforded(experiment: Experiment, methods: Sequence[Method]) -> int:
    each = sum(3 * one.backward + LEAST * (one.forward + one.parted * PARTS) for one in methods)
    return int(min(MOST, passes(experiment, SHARE) / max(1, each)))


def copied(experiment: Experiment) -> nn.Module:
    """A deep copy of the model. Raises NotApplicable where it is too large, has nothing to draw or can't be copied."""
    assert experiment.model is not None
    drawn = [one for one in experiment.model.parameters() if one.is_floating_point()]
    if not drawn:
        raise NotApplicable("the model has no parameters")
    if sum(one.numel() * one.element_size() for one in experiment.model.parameters()) > LARGEST:
        raise NotApplicable("the model's parameters are more than 1 GiB, too large to copy")
    try:
        return copy.deepcopy(experiment.model)
    except Exception as error:  # noqa: BLE001 - what a model's own attributes raise
        raise NotApplicable(f"the model can't be copied ({one_line(error)})") from None


def randomise(model: nn.Module, seed: list[int]) -> None:
    """Draw all parameters of `model` anew: by each layer's own `reset_parameters`, else from a normal distribution.

    The normal one has mean zero and the root mean square that the parameter has. Statistics that a layer keeps
    are reset with it.
    """
    import torch

    parameters = [one for one in model.parameters() if one.is_floating_point()]
    sizes = [float(one.detach().double().square().mean().sqrt()) for one in parameters]
    devices = {one.device for one in parameters if one.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices, key=str)), torch.no_grad():
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        for one in parameters:
            one.fill_(torch.nan)  # tells afterwards which of them a layer has set
        for module in model.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                try:
                    reset()
                except Exception:  # noqa: BLE001 - the normal distribution is there for these
                    continue
        for one, size in zip(parameters, sizes, strict=True):
            if bool(one.isnan().any()):
                one.copy_(torch.randn(one.shape, dtype=torch.float32) * size)


def accustom(model: nn.Module, sight: Sight, tools: Tools) -> None:
    """Let batch norms of a new `model` see the sample, half of it hidden at random, as their first batch.

    Without it what deep layers put out vanishes, and the score is the same whatever is put in.
    """
    import torch
    from torch import nn

    norms = [one for one in model.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    masks = np.random.default_rng([*tools.seeds(sight), 3]).random((SEEN, *sight.shape)) < 0.5
    try:
        for norm in norms:
            norm.momentum, norm.training = 1.0, True
        with torch.no_grad():
            sight.score(sight.shown(masks))
    except Exception:  # noqa: BLE001 - a batch that the norm or the model takes no statistics of
        return
    finally:
        for norm in norms:
            norm.training = False


def edges(sight: Sight) -> np.ndarray:
    """The size of the picture's slope, by Sobel's filter on the mean of its channels: float64 (H, W)."""
    from skimage.filters import sobel

    found: np.ndarray = sobel(sight.values[0].float().mean(dim=0).cpu().double().numpy())
    return found


def _parts(made: Outcome, sight: Sight) -> int:
    """How many parts the places belong to of which the method can say something."""
    if not isinstance(made, Attribution):
        return 0
    return len(np.unique(sight.parts.numbers[sight.counted & known_of(made)]))


def _alike(one: Outcome, other: Outcome, places: np.ndarray) -> float | None:
    if not isinstance(one, Attribution) or not isinstance(other, Attribution):
        return None
    return _like(one, np.abs(other.values), places)


def _like(made: Outcome, beside: np.ndarray, places: np.ndarray) -> float | None:
    """Rank correlation over `places`, bool of the values' shape, of which the method can say something."""
    if not isinstance(made, Attribution):
        return None
    known = places & known_of(made)
    return spearman(np.abs(made.values[known]), beside[known])
