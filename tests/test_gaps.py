"""NaN and infinity among the inputs: counted where they are, said once, and what was done with them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reportgen.attribution.choose import choose
from reportgen.collecting import collect
from reportgen.errors import InputError
from reportgen.experiment import Options, build
from reportgen.report import Facts, Report
from reportgen.sections.evaluation import evaluation
from reportgen.sections.explanations import explanations
from reportgen.sections.overview import overview

N = 24
LABELS = torch.arange(N) % 2


def table() -> torch.Tensor:
    """NaN in age of samples 3 and 5, and in bmi of 5; infinity in bmi of 7."""
    rows = torch.randn(N, 3, generator=torch.Generator().manual_seed(0))
    rows[3, 0] = rows[5, 0] = rows[5, 2] = torch.nan
    rows[7, 2] = -torch.inf
    return rows


class Fills(nn.Module):
    """Zeros stand for what is missing, so that every output is finite."""

    def __init__(self, outputs: int = 2) -> None:
        super().__init__()
        self.layer = nn.Linear(3, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.nan_to_num(0, 0, 0))


def found(report: Report) -> list[str]:
    return [finding.message for finding in report.findings if "among the inputs" in finding.message]


def test_samples_and_columns_with_gaps_are_one_finding_with_their_numbers() -> None:
    report = collect(
        Fills().eval(),
        data=(table(), LABELS),
        feature_names=["age", "sex", "bmi"],
        sections=["overview", "evaluation"],
    )
    assert found(report) == [
        "3 of 24 samples looked at hold NaN or infinity among the inputs: age in 2 samples, bmi in 2 samples."
    ]
    totals = report.section("evaluation").block("totals")
    assert isinstance(totals, Facts)
    assert (
        "3 of them have NaN or infinity among their inputs and are counted by what the model says"
        in totals.caption
    )


@pytest.mark.parametrize(
    "said",
    [{"example_inputs": table()}, {"data": (table(),)}, {"data": [(row,) for row in table()]}],
    ids=["example", "array", "samples"],
)
def test_without_predictions_what_was_looked_at_tells(said: dict) -> None:
    (message,) = found(collect(Fills().eval(), sections=["overview"], **said))
    assert message.startswith("3 of 24 samples looked at hold")


def test_of_pictures_the_channels_are_named_and_of_none_nothing_is_said() -> None:
    pictures = torch.rand(6, 3, 8, 8)
    assert found(collect(nn.Flatten(), data=(pictures,), sections=["overview"])) == []
    pictures[2, 1, 4, 4] = torch.nan
    assert found(collect(nn.Flatten(), data=(pictures,), sections=["overview"])) == [
        "1 of 6 samples looked at holds NaN among the inputs: channel 1 in 1 sample."
    ]


def test_infinity_in_a_mask_is_at_home_there() -> None:
    class Masked(nn.Module):
        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return (x + mask).softmax(1)

    rows, mask = torch.rand(6, 4), torch.zeros(6, 4)
    mask[:, 3] = -torch.inf
    assert build(Masked(), example_inputs=(rows, mask)).gaps.count == 0
    mask[1, 1] = torch.nan
    assert build(Masked(), example_inputs=(rows, mask)).gaps.marred == [False, True, *[False] * 4]


def test_predictions_that_gaps_spoil_say_so() -> None:
    spoiled = evaluation(build(nn.Linear(3, 2).eval(), data=(table(), LABELS)), Options())
    assert spoiled.findings[0].message == (
        "The outputs are NaN or infinite for 3 of 24 samples, which count as wrong; 3 of them have NaN or infinity "
        "among their inputs."
    )
    values = evaluation(build(nn.Linear(3, 1).eval(), data=(table(), torch.rand(N))), Options())
    assert "3 of them have NaN or infinity among their inputs" in values.findings[0].message
    filled = evaluation(build(Fills(1).eval(), data=(table(), torch.rand(N))), Options())
    assert "on 24 samples, 3 of them with NaN or infinity among the inputs" in filled.summary


def test_samples_with_gaps_are_not_explained() -> None:
    seen = build(Fills().eval(), data=(table(), LABELS))
    section = explanations(seen, Options(samples=N, methods=("saliency",)))
    text = " ".join(block.text for block in section.blocks if hasattr(block, "text"))
    assert "; 3 with NaN or infinity among the inputs left out" in text
    for model in (Fills().eval(), nn.Linear(3, 2).eval()):
        with pytest.raises(InputError, match="NaN or infinity is among the inputs of sample 5"):
            explanations(build(model, data=(table(), LABELS)), Options(chosen=(5,), methods=("saliency",)))
    everywhere = build(Fills().eval(), data=(torch.full((N, 3), torch.nan), LABELS))
    subjects, rule = choose(everywhere, 4)
    assert len(subjects) == 4
    assert "; all with NaN among the inputs" in rule


def test_a_report_of_logs_alone_has_no_inputs(tmp_path) -> None:
    (tmp_path / "log.csv").write_text("step,loss\n1,0.5\n2,0.4\n")
    assert overview(build(logs=tmp_path / "log.csv"), Options()).findings == ()
