"""What may be given as logs, from Python, the command line and reportgen.toml."""

import json
from pathlib import Path

import pytest

import reportgen
from reportgen import redaction
from reportgen.cli import main
from reportgen.config import read
from reportgen.errors import InputError
from reportgen.experiment import build
from reportgen.logs import Log, public


@pytest.mark.parametrize(
    ("given", "where", "kind", "name"),
    [
        ("runs/exp42", "runs/exp42", "", "exp42"),
        ("stdout=train.txt", "train.txt", "stdout", "train.txt"),
        ("trainer-state=a/b.json", "a/b.json", "trainer-state", "b.json"),
        ("s3://bucket/lr=0.1/run", "s3://bucket/lr=0.1/run", "", "run"),
        ("table=s3://bucket/x.dat", "s3://bucket/x.dat", "table", "x.dat"),
        ("https://h/a/log.csv?sig=secret", "https://h/a/log.csv?sig=secret", "", "log.csv"),
        ("zip://runs/a::file:///x.zip", "zip://runs/a::file:///x.zip", "", "a"),
        ("C:\\runs\\a", "C:\\runs\\a", "", "C:\\runs\\a"),
        (Path("stdout=x"), "stdout=x", "", "stdout=x"),
    ],
)
def test_kind_place_and_name_of_what_is_given(given, where, kind, name):
    log = Log.parse(given)
    assert (log.where, log.kind, log.name) == (where, kind, name)


def test_secrets_of_an_address_are_not_shown():
    shown = public("reportgen --logs https://me:word@host/x.csv?X-Signature=abc --title 'a?b'")
    assert shown == "reportgen --logs https://host/x.csv --title 'a?b'"
    assert public("what is a?b") == "what is a?b"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"logs": "gone"}, "logs: 'gone' does not exist"),
        ({"logs": "tabel=gone"}, "logs: 'tabel=gone': no such path, and 'tabel' is no kind of log"),
        ({"logs": "table=gone"}, "logs: 'gone' does not exist"),
        ({"logs": "nonsense://x"}, "logs: 'nonsense://x' can't be opened: .*Protocol not known"),
        ({"logs": ".", "log_pattern": "("}, r"log_pattern: '\(' is no regular expression: "),
        ({"logs": ".", "log_pattern": "loss"}, "log_pattern: 'loss' names no value"),
    ],
)
def test_what_cannot_be_meant_is_one_line(given, said):
    with pytest.raises(InputError, match=said) as raised:
        build(**given)
    assert "\n" not in str(raised.value)


@pytest.fixture
def odd(tmp_path, monkeypatch):
    """A log that only the pattern PATTERN can read, in the working folder."""
    monkeypatch.chdir(tmp_path)
    text = "".join(f"<{step}> has {step / 8}\n" for step in range(10))
    (tmp_path / "odd.weird").write_text(text, encoding="utf-8")
    return tmp_path


PATTERN = r"<(?P<step>\d+)> has (?P<loss>\S+)"


def series(report: reportgen.Report) -> list:
    (section,) = [section for section in report.sections if section.name == "training"]
    (table,) = [block for block in section.blocks if block.id == "series"]
    return [row.cells[:4] for row in table.rows]


def test_pattern_from_python(odd):
    report = reportgen.collect(logs="stdout=odd.weird", log_pattern=PATTERN, sections=["training"])
    assert series(report) == [("loss", "run", "step", 10)]


def test_pattern_from_the_command_line(odd, capsys):
    words = ["--logs", "odd.weird", "--log-pattern", PATTERN, "--section", "training", "--out", "a.json"]
    assert main(["generate", *words, "--quiet"]) == 0
    assert series(reportgen.Report.model_validate(json.loads((odd / "a.json").read_text()))) == [
        ("loss", "run", "step", 10)
    ]
    assert main(["generate", "--logs", "odd.weird", "--log-pattern", "(", "--out", "b.json"]) == 2
    assert "error: log_pattern: '(' is no regular expression" in capsys.readouterr().err


def test_pattern_and_kind_from_the_file_are_meant_from_its_folder(odd, monkeypatch):
    (odd / "exp.toml").write_text(
        f"logs = ['stdout=odd.weird', 's3://bucket/run']\nlog_pattern = '{PATTERN}'\n", encoding="utf-8"
    )
    monkeypatch.chdir("/")
    config = read(odd / "exp.toml")
    assert config.logs == [f"stdout={odd / 'odd.weird'}", "s3://bucket/run"]
    assert config.log_pattern == PATTERN


def test_address_is_reported_on_and_its_password_is_not():
    import fsspec

    fsspec.filesystem("memory").pipe("/me:word@host/run/metrics.csv", b"step,loss\n1,2\n2,1\n")
    address = "memory://me:word@host/run"
    command = " ".join(redaction.command(["reportgen", "generate", "--logs", address]))
    text = reportgen.collect(logs=address, sections=["training", "overview"], command=command).to_json()
    assert "metrics.csv" in text
    assert "word" not in text


def test_help_names_the_kinds_and_the_pattern(capsys):
    assert main(["generate", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "[KIND=]PATH" in said
    assert "--log-pattern REGEX" in said
    assert "checkpoint, events, jsonl, stdout, table" in said
