"""Models built to break a look inside: what is asked of them here gives blocks or a note, never a failure."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from reportgen.experiment import Options, build
from reportgen.report import Section
from reportgen.sections.features import features


class Net(nn.Module):
    """A convolution with a head; `how` is what stands between, `out` what becomes of the scores."""

    def __init__(self, how=functional.relu, out=lambda scores: scores, channels=1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3)
        self.head = nn.Linear(4, 3)
        self.how, self.out = how, out

    def forward(self, x):
        return self.out(self.head(self.how(self.conv(x)).mean(dim=(2, 3))))


class Writes(Net):
    def forward(self, x):
        x -= 0.5
        return super().forward(x)


class Twice(Net):
    """One ReLU and one convolution, used again."""

    def forward(self, x):
        x = self.how(self.conv(x))
        return super().forward(x.mean(dim=1, keepdim=True))


class Squeezes(Net):
    def forward(self, x):
        return super().forward(x).squeeze()


class Attends(nn.Module):
    """Attention whose rows, all hidden, are no numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, x):
        out, _ = self.attention(x, x, x, attn_mask=torch.full((5, 5), -torch.inf))
        return out.nan_to_num().mean(dim=1)


PICTURES = torch.rand(12, 1, 9, 9)
MODELS = {
    "functional": (Net(), PICTURES),
    "in place": (Net(nn.ReLU(inplace=True)), PICTURES),
    "reused": (Twice(nn.ReLU()), PICTURES),
    "a dict of outputs": (Net(out=lambda scores: {"scores": scores, "twice": scores * 2}), PICTURES),
    "outputs of NaN": (Net(out=lambda scores: scores * torch.nan), PICTURES),
    "writes to its input": (Writes(), PICTURES),
    "squeezes": (Squeezes(), PICTURES),
    "six channels": (Net(channels=6), torch.rand(12, 6, 9, 9)),
    "smaller than a spectrum": (Net(), torch.rand(12, 1, 5, 5)),
    "constant": (Net(), torch.zeros(12, 1, 9, 9)),
    "one sample": (Net(), PICTURES[:1]),
    "half precision": (Net().bfloat16(), PICTURES),
    "double precision": (Net().double(), PICTURES),
    "frozen": (Net().requires_grad_(False), PICTURES),
    "weight norm": (nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 2, 3)), nn.Flatten()), PICTURES),
    "hidden rows": (Attends(), torch.rand(12, 5, 6)),
    "a signal": (nn.Sequential(nn.Conv1d(2, 3, 5), nn.Flatten()), torch.rand(12, 2, 80)),
    "a short signal": (nn.Sequential(nn.Conv1d(1, 3, 5), nn.Flatten()), torch.rand(12, 1, 20)),
    "no layers": (nn.Tanh(), torch.rand(12, 4)),
}  # fmt: skip
OURS = ("What excites units", "Attention", "Token embeddings", "Signals")


@pytest.mark.parametrize("name", MODELS)
def test_blocks_or_notes_and_no_failure(name):
    model, inputs = MODELS[name]
    experiment = build(model.eval(), data=(inputs, torch.arange(len(inputs)) % 3))
    section = features(experiment, Options())
    # Compared as text: the histogram of a layer without finite values holds NaN, which equals nothing.
    text = section.model_dump_json()
    assert Section.model_validate_json(text).model_dump_json() == text
    assert not [block.message for block in section.blocks if block.kind == "failure" and block.title in OURS]


def test_a_model_made_under_inference_mode_is_looked_at_without_images():
    with torch.inference_mode():
        model = Net().eval()
    section = features(build(model, data=(PICTURES,)), Options())
    block = section.block("what-excites-units-conv")
    assert block.pictures[0].map is not None
    reason = "none: the model was made in inference mode, where no gradient can be taken"
    assert block.pictures[4].missing == reason


def test_a_program_of_a_one_sample_a_time_shows_its_outputs():
    program = torch.export.export(Net().eval(), (PICTURES[:1],))
    section = features(build(program, data=(PICTURES,)), Options())
    block = section.block("what-excites-units-output")
    assert len(block.pictures) == 3 * 5
    assert block.pictures[4].raster is not None
