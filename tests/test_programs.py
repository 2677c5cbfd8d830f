"""Files that hold a whole model: read where they are sound, refused where they could do something."""

from __future__ import annotations

import contextlib
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from networks import DigitsCNN

import reportgen
from reportgen.data import Inputs
from reportgen.errors import InputError
from reportgen.experiment import build
from reportgen.programs import is_program, load
from reportgen.report import Failure

ROWS = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))


class Payload:
    """A pickle that leaves a file behind when it is run."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    free = {"dynamic_shapes": ({0: torch.export.Dim("batch", min=1, max=512)},)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(DigitsCNN().eval(), (ROWS[:2],), **free)
        torch.export.save(exported, tmp_path / "net.pt2")
    return tmp_path / "net.pt2"


def rewritten(source: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """The same archive with each member passed through `change`."""
    target = source.with_name("changed.pt2")
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name), change(name, old.read(name)))
    return target


def in_json(wanted: str, change: Callable[[dict[str, object]], None]) -> Callable[[str, bytes], bytes]:
    def apply(name: str, content: bytes) -> bytes:
        if not name.endswith(wanted):
            return content
        made = json.loads(content)
        change(made)
        return json.dumps(made).encode()

    return apply


def test_exported_program_and_script_are_read_and_compute_what_their_module_does(
    program: Path, tmp_path: Path
) -> None:
    model = DigitsCNN().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(model), tmp_path / "net.ts")
        script = load(tmp_path / "net.ts")
    assert torch.equal(script(ROWS), model(ROWS))
    assert load(program).module()(ROWS).shape == (4, 10)


@pytest.mark.parametrize("name", ["net.pt2", "a/b.ts", "C:\\models\\net.PT2", "net.pth"])
def test_a_file_of_a_model_is_told_from_a_reference_by_its_suffix(name: str) -> None:
    assert is_program(name)
    assert not is_program("exp.py:net")


def test_no_pickle_in_any_member_is_run(program: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    bomb = pickle.dumps(Payload(marker))
    with zipfile.ZipFile(program) as archive:
        members = archive.namelist()
    for member in members:
        changed = rewritten(program, lambda name, content, member=member: bomb if name == member else content)
        with contextlib.suppress(InputError):
            load(changed)
        assert not marker.exists(), member


def test_a_pickled_object_among_the_constants_is_refused(program: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    def add(made: dict[str, object]) -> None:
        made["config"] = {
            "evil": {
                "path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None,
            }
        }  # fmt: skip

    changed = rewritten(program, in_json("model_constants_config.json", add))
    with zipfile.ZipFile(changed, "a") as archive:
        archive.writestr("net/data/constants/opaque_obj_0", pickle.dumps(Payload(marker)))
    with pytest.raises(InputError):
        load(changed)
    assert not marker.exists()


@pytest.mark.parametrize(
    "target",
    [
        "torch.os.system",
        "_operator.__class__.__base__",
        "torch.ops.aten.from_file.default",
        "os.system",
        "#x:y",
    ],
)
def test_a_graph_that_calls_anything_but_operators_is_refused(program: Path, target: str) -> None:
    def point(made: dict[str, object]) -> None:
        made["graph_module"]["graph"]["nodes"][0]["target"] = target  # type: ignore[index]

    with pytest.raises(InputError, match="was not loaded"):
        load(rewritten(program, in_json("models/model.json", point)))


@pytest.mark.parametrize(
    "size", ["__import__('os').getcwd()", "Symbol('s1').__class__", "open(s0)", "lambda: 1"]
)
def test_a_size_that_is_more_than_arithmetic_is_refused(program: Path, size: str) -> None:
    def plant(made: object) -> None:
        waiting = [made]
        while waiting:
            value = waiting.pop()
            if isinstance(value, dict):
                waiting += value.values()
                if "expr_str" in value:
                    value["expr_str"] = size
            elif isinstance(value, list):
                waiting += value

    with pytest.raises(InputError, match="was not loaded"):
        load(rewritten(program, in_json("models/model.json", plant)))


def test_what_is_no_model_is_said_in_one_line(program: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.pt2").write_bytes(program.read_bytes()[:-200])
    (tmp_path / "text.pt2").write_text("no archive")
    torch.save(DigitsCNN().state_dict(), tmp_path / "weights.pt")
    for name, said in (
        ("cut.pt2", "was not loaded"), ("text.pt2", "can't be read"), ("weights.pt", "holds weights"),
        ("none.pt2", "is not a file"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said) as caught:
            load(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_program_of_one_batch_size_is_evaluated_in_batches_of_it(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(DigitsCNN().eval(), (ROWS[:1],))
    report = reportgen.collect(exported, data=(ROWS, torch.tensor([0, 1, 2, 3])), sections=["evaluation"])
    assert [(section.name, section.status) for section in report.sections] == [("evaluation", "ok")]


def test_the_last_batch_of_a_program_of_four_is_filled_up_and_cut_in_every_section() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3)).eval()
    rows, labels = torch.randn(30, 5), torch.arange(30) % 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(model, (rows[:4],))
    experiment = build(exported, data=(rows, labels))
    with torch.no_grad():
        assert torch.allclose(experiment.predictions.outputs, model(rows), atol=1e-6)
        for count in (1, 3, 4, 7):
            assert torch.allclose(
                experiment.call(Inputs((rows[:count],), {})), model(rows[:count]), atol=1e-6
            )
    taken = rows[:3].clone().requires_grad_()
    (slope,) = torch.autograd.grad(experiment.scores(Inputs((taken,), {})).sum(), taken)
    wanted = torch.autograd.functional.jacobian(lambda x: model(x).sum(), rows[:3])
    assert torch.allclose(slope, wanted, atol=1e-6)
    assert experiment.operations == build(model, data=(rows, labels)).operations
    report = reportgen.collect(exported, data=(rows, labels), samples=1, methods=["saliency", "occlusion"])
    blocks = [block for section in report.sections for block in section.blocks]
    assert [section.name for section in report.failed] == []
    assert not [block for block in blocks if isinstance(block, Failure)]


def test_a_report_of_a_program_has_every_section_that_its_module_would_have(program: Path) -> None:
    report = reportgen.collect(load(program), data=(ROWS, torch.tensor([0, 1, 2, 3])), samples=1)
    assert [section.name for section in report.failed] == []
    architecture = report.section("architecture")
    assert architecture is not None
    assert architecture.summary.startswith("DigitsCNN: 20.6 k parameters")
    captured = next(fact for fact in architecture.block("totals").facts if fact.label == "Captured with")
    assert captured.value == "the exported graph"
    assert report.provenance.model == "DigitsCNN"
