"""Sections are run one by one, and what goes wrong in one costs no other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Literal

import pytest
import state
import torch
from torch import nn
from torch.utils.data import TensorDataset

import reportgen
from reportgen import running
from reportgen.errors import InputError
from reportgen.experiment import Options, build
from reportgen.report import Section, Text
from reportgen.running import Course, choose, report_on
from reportgen.values import BaseBlock

DATA = TensorDataset(torch.rand(12, 1, 8, 8), torch.arange(12) % 3)


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).train()


# --- sections by strangers ------------------------------------------------------------------------------


def fine(experiment, options):
    return Section(name="fine", title="Fine", blocks=(Text(text="all is well"),))


def raises(experiment, options):
    experiment.model.weight_left_behind = 1
    raise RuntimeError("broken\nin two lines")


def rubbish(experiment, options):
    return {"name": "rubbish"}


def misnamed(experiment, options):
    return Section(name="other", title="Other")


def unserialisable(experiment, options):
    return Section.model_construct(name="unserialisable", title="U", blocks=(object(),), findings=())


def slow(experiment, options):
    experiment.model.training = True
    time.sleep(60)


class Sculpture(BaseBlock):
    """A kind of block that reportgen doesn't know."""

    kind: Literal["sculpture"] = "sculpture"


class Disguised(Text):
    """A block that is one of ours, and calls itself something else."""

    kind: Literal["disguised"] = "disguised"  # type: ignore[assignment]


def strange(experiment, options):
    return Section(name="strange", title="S", blocks=(Sculpture(),))


def disguised(experiment, options):
    return Section(name="disguised", title="D", blocks=(Disguised(text="x"),))


def unchecked(experiment, options):
    return Section.model_construct(name="unchecked", title="U", blocks=(Text.model_construct(text=object()),))


def leaves(experiment, options):
    sys.exit("I am leaving")


def leaks(experiment, options):
    raise FileNotFoundError(f"{Path.cwd()}/data/1.png and {Path.home()}/x of {object()}")


def interrupted(experiment, options):
    experiment.model.train()
    raise KeyboardInterrupt


def uses_random(experiment, options):
    return Section(name="uses-random", title="R", blocks=(Text(text=str(torch.rand(2).tolist())),))


def points(*functions):
    return {
        f.__name__.replace("_", "-"): EntryPoint(f.__name__, f"{__name__}:{f.__name__}", "x")
        for f in functions
    }


def made(*functions, limit=30.0, progress=None, network=None):
    experiment = build(network or model(), data=DATA)
    course = Course(progress) if progress is not None else None
    return report_on(experiment, Options(), points(*functions), limit=limit, course=course)


@pytest.mark.parametrize(
    ("broken", "error", "message"),
    [
        (raises, "RuntimeError", "broken in two lines"),
        (rubbish, "TypeError", "section 'rubbish' returned dict, expected a reportgen.Section"),
        (misnamed, "ValueError", "section 'misnamed' calls itself 'other'"),
        (unserialisable, "PydanticSerializationError", ""),
        (leaves, "SystemExit", "I am leaving"),
        (strange, "ValidationError", "sculpture"),
        (disguised, "ValidationError", "disguised"),
        (unchecked, "PydanticSerializationError", ""),
    ],
)
def test_a_broken_section_becomes_a_failure_and_the_rest_is_there(broken, error, message):
    report = made(broken, fine)
    section = report.section(broken.__name__)
    assert section.status == "failed"
    block = section.blocks[0]
    assert (block.kind, block.error) == ("failure", error)
    assert message in block.message
    assert "\n" not in block.message
    assert report.section("fine").status == "ok"
    assert [part.name for part in report.failed] == [broken.__name__]


def test_a_section_that_runs_out_of_its_time_is_ended_and_the_report_says_it_is_not_reproducible():
    report = made(slow, fine, limit=0.3)
    assert report.section("slow").reason == "OutOfTime: did not end within 0.3 s"
    assert report.section("fine").status == "ok"
    assert not report.provenance.reproducible
    assert report.provenance.notes == ("slow ran out of time, which another machine may not",)


def test_a_failure_shows_its_traceback_without_the_paths_of_the_machine():
    details = made(raises).section("raises").blocks[0].details
    assert "test_running.py" in details
    assert str(Path.cwd()) not in details


@pytest.mark.parametrize("broken", [raises, rubbish, slow, leaves])
def test_the_model_is_untouched_by_a_section_that_breaks(broken):
    network = model()
    before = (state.of_model(network), state.of_process())
    made(broken, limit=0.3, network=network)
    assert (state.of_model(network), state.of_process()) == before


class Exits(nn.Module):
    """Raises in its forward pass what ends a program rather than an error, from the call `after` on."""

    def __init__(self, kind, after=0):
        super().__init__()
        self.linear, self.kind = nn.Linear(64, 3), kind
        self.calls, self.after = [], after

    def forward(self, x):
        self.calls.append(len(x))
        if len(self.calls) > self.after:
            raise self.kind("no more")
        return self.linear(x.flatten(1))


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit])
@pytest.mark.parametrize("after", [0, 3])
def test_a_forward_pass_that_exits_costs_its_sections_alone(kind, after):
    report = reportgen.collect(Exits(kind, after), data=DATA, samples=1)
    assert report.section("environment").status == "ok"
    assert report.section("explanations").status == "failed"
    block = report.section("explanations").blocks[0]
    assert block.error == "InputError"
    assert (
        f"the model's forward pass raised on float32 (1, 1, 8, 8): {kind.__name__}: no more" in block.message
    )


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit])
def test_data_that_exits_is_told_in_one_line(kind):
    class Leaving(list):
        def __getitem__(self, place):
            raise kind("no more")

    report = reportgen.collect(model(), data=Leaving([0, 1]), sections=["evaluation"])
    said = f"InputError: data: sample 0 can't be read: {kind.__name__}: no more"
    assert report.section("evaluation").reason == said


def test_ctrl_c_in_a_forward_pass_ends_the_report():
    with pytest.raises(KeyboardInterrupt):
        reportgen.collect(Exits(KeyboardInterrupt), data=DATA)


def test_ctrl_c_goes_through_and_the_model_is_untouched():
    network = model()
    before = state.of_model(network)
    with pytest.raises(KeyboardInterrupt):
        made(interrupted, network=network)
    assert state.of_model(network) == before


def test_the_order_of_the_sections_changes_no_random_number():
    alone = made(uses_random).section("uses-random").blocks
    assert made(fine, uses_random).section("uses-random").blocks == alone


def test_every_section_is_told_of_from_start_to_end():
    seen = []
    made(fine, raises, progress=lambda event: seen.append((event.event, event.section, event.number)))
    assert seen == [("start", "fine", 1), ("end", "fine", 1), ("start", "raises", 2), ("end", "raises", 2)]


def prints(experiment, options):
    print("a line")
    own = Text(id="printed-1", text="a block that has this name already")
    return Section(name="prints", title="P", blocks=(own,))


def prints_and_raises(experiment, options):
    print("before it broke")
    raise RuntimeError("broken")


def test_what_a_section_prints_is_its_last_block_also_where_it_breaks(capsys):
    report = made(prints, prints_and_raises, fine)
    assert [block.id for block in report.section("prints").blocks] == ["printed-1", "printed-2"]
    assert report.section("prints").blocks[-1].text == "a line"
    assert report.section("prints-and-raises").blocks[-1].text == "before it broke"
    assert len(report.section("fine").blocks) == 1
    assert "may differ from run to run" in report.provenance.notes[0]
    assert capsys.readouterr() == ("", "")


# --- the sections that are installed --------------------------------------------------------------------


def test_our_sections_are_found_by_entry_point_in_the_order_of_the_page():
    assert tuple(choose(None)) == reportgen.report.NAMES


def test_a_strangers_section_comes_before_the_environment(monkeypatch):
    ours = list(running.entry_points(group=running.GROUP))
    monkeypatch.setattr(running, "entry_points", lambda group: [*ours, *points(fine).values()])
    assert list(choose(None))[-2:] == ["fine", "environment"]


def test_an_unknown_section_is_refused_with_the_names_there_are():
    with pytest.raises(InputError, match="got 'nonsense', expected one of overview, architecture"):
        choose(["nonsense"])
    with pytest.raises(InputError, match="sections: got 'overview', expected a list"):
        choose("overview")


@pytest.mark.parametrize("name", reportgen.report.NAMES)
def test_no_section_touches_the_model_or_the_process(name):
    network = model()
    network(DATA.tensors[0]).sum().backward()
    before = (state.of_model(network), state.of_process(), state.bytes_of(DATA.tensors[0]))
    report = reportgen.collect(network, data=DATA, sections=[name], samples=2)
    after = (state.of_model(network), state.of_process(), state.bytes_of(DATA.tensors[0]))
    assert after[0] == before[0]
    for key in before[1]:
        # matplotlib may be imported for the first time by a section; its settings are then its own.
        assert key == "rcParams" or after[1][key] == before[1][key]
    assert after[2] == before[2]
    assert report.section(name).status in ("ok", "empty"), report.section(name).reason


@pytest.mark.parametrize("name", reportgen.report.NAMES)
def test_no_section_touches_a_model_whose_forward_pass_raises(name):
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).train()
    before = state.of_model(network)
    report = reportgen.collect(network, data=DATA, sections=[name])
    assert state.of_model(network) == before
    assert report.section(name).status in ("ok", "empty", "failed")


def test_under_source_date_epoch_nothing_measured_is_left(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    report = reportgen.collect(model(), sections=["environment"])
    assert report.created == "2023-11-14T22:13:20Z"
    assert report.sections[0].seconds is None


@pytest.mark.parametrize(
    "value", ["yesterday", "-5", "1.5", "²", " 17", "9" * 30, "9" * 5000, "253402300800"]
)
def test_a_source_date_epoch_that_can_not_be_meant_costs_no_report_and_is_told(monkeypatch, value):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    report = reportgen.collect(model(), sections=["environment"])
    assert report.created[:2] == "20"
    assert report.sections[0].seconds is not None
    (note,) = report.provenance.notes
    assert note.startswith(f"SOURCE_DATE_EPOCH is {value[:40]!r}, expected seconds since 1970")
    assert not report.provenance.reproducible
    assert report.encode("report.html")


def test_the_last_second_that_a_date_can_have_is_a_source_date_epoch(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "253402300799")
    assert reportgen.collect(model(), sections=["environment"]).created == "9999-12-31T23:59:59Z"


SAME = """
import sys, torch, reportgen
from pathlib import Path
from networks import digits
folder = Path(sys.argv[1]); folder.mkdir()
network, data = digits()
network.load_state_dict(torch.load(sys.argv[2], weights_only=True))
report = reportgen.collect(network, data=data, logs=sys.argv[3], samples=3, seed=7)
assert not report.failed, report.failed[0].reason
for suffix in ("html", "pdf", "json"):
    report.save(folder / f"report.{suffix}")
"""


def test_two_processes_with_different_hash_seeds_write_the_same_bytes(tmp_path, digits_cnn):
    torch.save(digits_cnn[0].state_dict(), tmp_path / "weights.pt")
    logs = tmp_path / "logs"
    logs.mkdir()
    rows = "".join(f"{step},{1 / step:.4f},{1.2 / step:.4f},0.1\n" for step in range(1, 40))
    (logs / "metrics.csv").write_text("step,loss,val_loss,lr\n" + rows)
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "SOURCE_DATE_EPOCH": "1700000000"}
        words = [sys.executable, "-c", SAME, str(tmp_path / seed), str(tmp_path / "weights.pt"), str(logs)]
        subprocess.run(words, env=environment, cwd=Path(__file__).parent, check=True)
    for name in ("report.json", "report.html", "report.pdf"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


def test_inside_inference_mode_gradients_are_there_all_the_same():
    network = model()
    with torch.inference_mode():
        report = reportgen.collect(network, data=DATA, sections=["explanations"], samples=2)
    pictures = report.section("explanations").blocks[0].pictures
    assert not any(picture.missing for picture in pictures)


def test_no_address_and_no_folder_of_the_machine_is_in_a_report():
    report = made(leaks)
    text = report.to_json()
    assert "at 0x…" in text
    assert "./data/1.png" in text
    assert str(Path.cwd()) not in text
    assert str(Path.home() / "x") not in text
