"""What a sample rate, a shape and a model's first step say about sound: waveforms and spectrograms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from reportgen.errors import InputError

if TYPE_CHECKING:
    import torch

    from reportgen.experiment import Experiment

KINDS = ("signal", "spectrogram")
LONG = 256  # samples in a row: fewer are taken for the columns of a table
CHANNELS = 16  # of (n, C, T): more are taken for the bands of a spectrogram


def rate(given: Any) -> float:
    """A sample rate in Hz, 0 where none was given. Raises InputError for what can't be one."""
    if given is None:
        return 0.0
    number = given.item() if hasattr(given, "item") and getattr(given, "ndim", 0) == 0 else given
    real = isinstance(number, int | float) and not isinstance(number, bool)
    if not real or not math.isfinite(number) or not 0 < number <= 1e9:
        raise InputError(f"sample_rate: got {given!r}, expected samples a second, as in 16000")
    return float(number)


def modality(experiment: Experiment) -> tuple[str, str]:
    """`signal` or `spectrogram` and why, where something says that the input is sound; else two empty texts.

    Waveforms are (n, T), (n, channels, T) or (n, T, channels), spectrograms (n, F, T) or (n, 1 or 2, F, T). A
    spectrogram can't be told from an image by its shape, nor a waveform (n, T) from the row of a table: a sample
    rate tells them, or a model whose first step is a 1-D convolution or a Fourier transform. Raises InputError.
    """
    example = experiment.example
    tensor = example.primary if example is not None else None
    if example is None or tensor is None or tensor.ndim not in (2, 3, 4):
        return "", ""
    shape, seen = tuple(tensor.shape), f"the input is {example.describe()}"
    if experiment.sample_rate and _is_sound(tensor):
        kind, what = _by_shape(shape)
        return (kind, f"{seen} and a sample rate was given, so it is {what}") if kind else ("", "")
    if len(shape) == 2 and tensor.is_floating_point() and shape[1] >= LONG:
        first = _first_step(experiment)
        if first:
            return (
                "signal",
                f"{seen} and the model starts with a {first}, so it is a waveform, not a table's row",
            )
    return "", ""


def check(experiment: Experiment) -> None:
    """Raise InputError where a sample rate was given for an input that is no sound."""
    if not experiment.sample_rate or experiment.example is None or experiment.modality in KINDS:
        return
    taken = f", taken for {experiment.modality}" if experiment.modality else ""
    raise InputError(
        f"sample_rate: given, but the input is {experiment.example.describe()}{taken}, expected a waveform (n, T) "
        f"or (n, channels, T) of {LONG} samples or more, or a spectrogram (n, F, T) or (n, 1, F, T)",
        "leave sample_rate out, or say modality='signal' or modality='spectrogram'",
    )


def _is_sound(tensor: torch.Tensor) -> bool:
    """Whether the dtype can be sound: 64-bit whole numbers are the numbers of tokens."""
    import torch

    return tensor.is_floating_point() or tensor.dtype in (torch.uint8, torch.int16, torch.int32)


def _by_shape(shape: tuple[int, ...]) -> tuple[str, str]:
    """The kind of sound of this shape (n, ...), given that it is one, and what that is."""
    if len(shape) == 4:
        images = "which an image's shape can't tell"
        return (
            ("spectrogram", f"a spectrogram of {shape[2]} bands × {shape[3]} frames, {images}")
            if shape[1] <= 2
            else ("", "")
        )
    if len(shape) == 3 and min(shape[1:]) > CHANNELS:
        return "spectrogram", f"a spectrogram of {shape[1]} bands × {shape[2]} frames"
    return ("signal", "a waveform") if max(shape[1:]) >= LONG else ("", "")


def _first_step(experiment: Experiment) -> str:
    """The first step with weights, where it is a 1-D convolution, or a Fourier transform before any weights."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    from reportgen.guard import untouched

    model, example = experiment.model, experiment.example
    if model is None or example is None or experiment.forward_problem or experiment.no_values:
        return ""
    steps: list[str] = []

    class Watch(TorchDispatchMode):
        """Notes the steps that tell what an input is read as."""

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = func.name().partition(".")[0].removeprefix("aten::")
            if name in ("convolution", "_convolution"):
                steps.append("1-D convolution" if args[1].ndim == 3 else "other")
            elif name.startswith("_fft"):
                steps.append("Fourier transform")
            elif name in ("addmm", "mm", "bmm", "linear", "embedding", "mkldnn_rnn_layer"):
                steps.append("other")
            return func(*args, **(kwargs or {}))

    with torch.inference_mode(False), untouched(model), torch.no_grad(), Watch():
        experiment.call(example.take([0]))
    return steps[0] if steps and steps[0] != "other" else ""
