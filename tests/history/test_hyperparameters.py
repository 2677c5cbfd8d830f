"""Hyper-parameters in YAML beside a log, and YAML that is no such thing."""

import time
from argparse import Namespace
from enum import Enum
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reportgen import history
from reportgen.history.readers import UnreadableError, hyperparameters
from reportgen.history.readers.flat import flat, typed


class Mode(Enum):
    FAST = 1


GIVEN = {
    "lr": 1e-5, "opt": {"name": "adam", "betas": (0.9, 0.99)}, "none": None, "flag": True, "bs": 32,
    "ü": "ä: 'b'", "mode": Mode.FAST, "path": Path("a/b"), "more": Namespace(depth=3), "inf": float("inf"),
    "text": "1e-5",
}  # fmt: skip


@pytest.mark.parametrize("logger", ["CSVLogger", "TensorBoardLogger"])
def test_lightnings_hparams_are_the_settings_of_their_run(tmp_path, logger):
    from lightning.pytorch import loggers

    made = getattr(loggers, logger)(str(tmp_path))
    made.log_hyperparams(GIVEN)
    for step in range(3):
        made.log_metrics({"loss": 1.0 / (step + 1)}, step)
    made.save()
    made.finalize("success")
    (run,) = history.read([tmp_path]).runs
    assert (tmp_path / "lightning_logs" / "version_0" / "hparams.yaml").is_file()
    assert run.series["loss"].step.tolist() == [0, 1, 2]
    expected = {
        "lr": 1e-5, "opt.name": "adam", "opt.betas": "[0.9, 0.99]", "none": "None", "flag": True, "bs": 32,
        "ü": "ä: 'b'", "more.depth": 3, "inf": float("inf"), "text": 1e-5, "path": "a/b",
    }  # fmt: skip
    assert {**run.settings, "mode": ""} == {**expected, "mode": ""}
    assert run.settings["mode"] in ("FAST", "[1]")  # with omegaconf installed, and without


def write(folder, text, name="hparams.yaml"):
    (folder / name).write_text(text, encoding="utf-8")
    (folder / "metrics.csv").write_text("step,loss\n0,2\n1,1\n")
    return history.read([folder])


@pytest.mark.parametrize("name", ["hparams.yaml", "args.yaml", "params.yaml"])
def test_settings_belong_to_the_run_in_their_folder(tmp_path, name):
    for lr in (0.1, 0.2):
        (tmp_path / f"run{lr}").mkdir()
        write(tmp_path / f"run{lr}", f"lr: {lr}\n", name)
    (tmp_path / name).write_text("lr: 3\n")
    found = history.read([tmp_path])
    assert {run.name: run.settings for run in found.runs} == {"run0.1": {"lr": 0.1}, "run0.2": {"lr": 0.2}}
    told = {source.path: source.warnings for source in found.sources}
    assert told[name] == ("hyper-parameters of no run: there is no curve with them",)
    assert told[f"run0.1/{name}"] == ()


def test_nothing_that_yaml_names_is_made_or_run(tmp_path):
    mark = tmp_path / "mark"
    text = f"lr: 0.1\nbad: !!python/object/apply:os.mkdir ['{mark}']\nname: !!python/name:os.system ''\n"
    (run,) = write(tmp_path, text).runs
    assert not mark.exists()
    assert run.settings["lr"] == 0.1
    assert run.settings["name"] == "name:os.system"


def test_aliases_are_not_expanded_without_bound(tmp_path):
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    began = time.monotonic()
    found = write(tmp_path, "\n".join(levels))
    assert time.monotonic() - began < 3
    (source,) = [source for source in found.sources if not source.format]
    assert source.warnings == ("more than 20,000 values (aliases expanded): expected settings in YAML",)
    assert found.runs[0].settings == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 5000, "nested too deeply"),
        ("a: [1, 2", "no whole YAML"),
        ("a: 1\nb: 2\n---\nc: 3\n", "no whole YAML"),
        ("- 1\n- 2\n", "a YAML list: expected a mapping"),
        ("x" * 300_000, "larger than 256 KiB"),
        ("a: \x01", "no whole YAML"),
    ],
)
def test_what_is_no_mapping_of_settings_is_one_line(tmp_path, text, told):
    found = write(tmp_path, text)
    (source,) = [source for source in found.sources if not source.format]
    assert source.warnings[0].startswith(told)
    assert "\n" not in source.warnings[0]
    assert found.points == 2


def test_what_holds_itself_ends(tmp_path):
    (run,) = write(tmp_path, "lr: 0.1\na: &a [*a]\n").runs
    assert run.settings["lr"] == 0.1


def test_an_empty_file_is_no_fault(tmp_path):
    for text in ("", "{}\n", "# nothing\n"):
        found = write(tmp_path, text)
        assert not [note for source in found.sources for note in source.warnings]


def test_more_settings_than_a_table_bears_are_counted(tmp_path):
    found = write(tmp_path, "".join(f"k{n}: {n}\n" for n in range(600)))
    assert len(found.runs[0].settings) == 500
    assert [source.warnings for source in found.sources if source.path == "hparams.yaml"] == [
        ("100 settings left out: more than 500",)
    ]


def test_long_texts_are_shortened():
    ((value,), left) = (list(flat({"a": "word " * 1000})[0].values()), 0)
    assert len(str(value)) == 200
    assert left == 0


@pytest.mark.parametrize(
    ("text", "meant"),
    [("1e-05", 1e-5), ("3", 3), ("-3", -3), ("True", True), ("false", False), ("1_000", "1_000"), ("", ""),
     ("a b", "a b"), ("9" * 30, 1e30), ("inf", float("inf"))],
)  # fmt: skip
def test_text_is_read_as_what_it_means(text, meant):
    assert typed(text) == meant
    assert type(typed(text)) is type(meant)


@given(
    content=st.binary(max_size=200)
    | st.text(alphabet="ab:-[]{}&*!'\"\n |>#%1.e", max_size=80).map(str.encode)
)
@settings(deadline=None, max_examples=200)
def test_whatever_a_file_holds_is_no_traceback(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "hparams.yaml"
    path.write_bytes(content)
    try:
        reading = hyperparameters.read(path)
    except UnreadableError:
        return
    assert all(isinstance(value, str | int | float) for value in reading.settings.values())
