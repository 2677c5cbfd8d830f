"""No secret is in any file of a report, and with redact no sample and no text of a log: canaries in what is given."""

import importlib.metadata
import json
import sqlite3
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import reportgen.running
from reportgen import Section, collect
from reportgen.blocks import Code, Column, Facts, Images, Picture, Row, Table, Text, Tokens
from reportgen.report import Bars, Fact, Raster, Signal

CANARY = "CANARY7f3a"


def everywhere(report, tmp_path) -> str:
    """The report in each of its formats, as text."""
    out = [report.to_json(), repr(report)]
    for name in ("r.html", "r.json"):
        out.append(report.save(tmp_path / name).read_bytes().decode("utf-8", "replace"))
    return "\n".join(out)


SETTINGS = {
    "api_key": CANARY, "wandb_token": CANARY, "password": CANARY, "host": f"{CANARY}.corp.example",
    "logger": {"auth": {"secret": CANARY}}, "data_dir": f"/home/{CANARY}/data/train", "url": f"https://u:{CANARY}@h/x",
    "note": f"WANDB_API_KEY={CANARY}", "users": [{"name": "a", "password": CANARY}], "lr": 0.1,
    "max_tokens": 4096, "key_dim": 64, "tokenizer": "bert-base",
}  # fmt: skip


def flat(given: dict, above: str = "") -> dict:
    out = {}
    for name, value in given.items():
        out |= flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return out


def hparams(folder: Path) -> None:
    import yaml

    (folder / "hparams.yaml").write_text(yaml.safe_dump(SETTINGS))


def args(folder: Path) -> None:
    import yaml

    (folder / "args.yaml").write_text(yaml.safe_dump(SETTINGS))


def mlflow_files(folder: Path) -> None:
    run = folder / "mlruns" / "0" / "abc"
    for name, value in flat(SETTINGS).items():
        (run / "params").mkdir(parents=True, exist_ok=True)
        (run / "params" / name).write_text(str(value))
    (run / "metrics").mkdir()
    (run / "metrics" / "loss").write_text("1600000000000 0.5 1\n1600000001000 0.4 2\n")
    (run / "meta.yaml").write_text("run_id: abc\n")


def mlflow_database(folder: Path) -> None:
    with sqlite3.connect(folder / "mlflow.db") as made:
        made.execute("CREATE TABLE metrics (run_uuid, key, value, timestamp, step, is_nan)")
        made.execute("CREATE TABLE runs (run_uuid, name, status, lifecycle_stage, experiment_id)")
        made.execute("CREATE TABLE params (run_uuid, key, value)")
        made.execute("CREATE TABLE experiments (experiment_id, name)")
        made.execute("INSERT INTO metrics VALUES ('r', 'loss', 0.5, 1, 1, 0)")
        rows = [("r", name, str(value)) for name, value in flat(SETTINGS).items()]
        made.executemany("INSERT INTO params VALUES (?, ?, ?)", rows)
    made.close()


def events(folder: Path) -> None:
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(folder / "run"))
    writer.add_hparams(flat(SETTINGS), {"score": 1.0}, name="hp")
    writer.add_text(
        "config", "|key|value|\n|-|-|\n" + "\n".join(f"|{k}|{v}|" for k, v in flat(SETTINGS).items())
    )
    writer.add_scalar("loss", 0.5, 1)
    writer.close()


def wandb_log(folder: Path) -> None:
    """A log as W&B frames it: each record with its CRC, length and kind (whole)."""
    from reportgen.history.readers.wandb_schema import record_class

    record = record_class()
    config, history = record(), record()
    for name, value in SETTINGS.items():
        item = config.config.update.add()
        item.key, item.value_json = name.encode(), json.dumps(value).encode()
    item = history.history.item.add()
    item.key, item.value_json = b"loss", b"0.5"
    content = b":W&B\xe1\xbe\x00"
    for one in (config, history):
        payload = one.SerializeToString()
        content += struct.pack("<IHB", zlib.crc32(b"\x01" + payload), len(payload), 1) + payload
    (folder / "run-1.wandb").write_bytes(content)


WRITERS = [hparams, args, mlflow_files, mlflow_database, events, wandb_log]


@pytest.mark.parametrize("write", WRITERS)
def test_secrets_among_the_hyper_parameters_of_every_reader_are_masked(tmp_path, write):
    logs = tmp_path / "logs"
    logs.mkdir()
    write(logs)
    if write in (hparams, args):
        (logs / "metrics.csv").write_text("step,loss\n1,2\n2,1\n")
    report = collect(logs=logs, sections=["overview", "training", "environment"])
    said = everywhere(report, tmp_path)
    assert CANARY not in said
    table = report.section("training").block("settings")
    shown = dict(row.cells for row in table.rows)
    assert shown["api_key"] == "***"
    assert (shown["lr"], shown["max_tokens"], shown["key_dim"]) == (0.1, 4096, 64)
    assert shown["tokenizer"] == "bert-base"


def test_secrets_on_the_command_line_are_masked(tmp_path, monkeypatch):
    from reportgen import cli

    monkeypatch.chdir(tmp_path)
    (tmp_path / "metrics.csv").write_text("step,loss\n1,2\n2,1\n")
    pattern = f"token={CANARY} (?P<loss>x)"
    words = ["generate", "--logs", "metrics.csv", "--title", "t", "--log-pattern", pattern, "--out", "r.json"]
    assert cli.main([*words, "--fact", f"api_key={CANARY}", "--quiet"]) == 0
    written = json.loads((tmp_path / "r.json").read_text())
    assert CANARY not in written["provenance"]["command"]
    assert CANARY not in json.dumps([one for one in written["sections"] if one["name"] != "overview"])


class Leaky(nn.Module):
    def forward(self, x):
        raise RuntimeError(
            f"can't reach https://me:{CANARY}@db.example with api_key={CANARY} in /home/{CANARY}/x/y.py"
        )


def test_secrets_in_what_went_wrong_are_masked(tmp_path):
    report = collect(Leaky(), example_inputs=torch.zeros(1, 3))
    assert CANARY not in everywhere(report, tmp_path)


def _install(monkeypatch, function, name="strange") -> None:
    module = type(sys)("a_strangers_section")
    module.made = function
    monkeypatch.setitem(sys.modules, "a_strangers_section", module)
    point = importlib.metadata.EntryPoint(name, "a_strangers_section:made", "reportgen.sections")
    before = reportgen.running.available()
    monkeypatch.setattr(reportgen.running, "available", lambda: {**before, name: point})


def strange(experiment, options):
    pixels = np.zeros((4, 4), np.uint8)
    columns = (Column(name=CANARY), Column(name="n", unit="exact"))
    return Section(
        name="strange",
        title=CANARY,
        summary=CANARY,
        blocks=(
            Facts(
                title=CANARY,
                facts=(Fact(label="api_key", value=CANARY), Fact(label=CANARY, value=0.8125, note=CANARY)),
            ),
            Table(caption=CANARY, columns=columns, rows=(Row(cells=(CANARY, 12345)),)),
            Text(text=CANARY),
            Code(text=CANARY),
            Tokens(tokens=(CANARY,), weights=(0.5,)),
            Images(pictures=(Picture(caption=CANARY, raster=Raster.from_array(pixels)),)),
            Signal(values=(0.1, 0.2), rate=2, y_label=CANARY),
            Bars(labels=(CANARY, "b"), values=(0.4375, 0.5), x_label=CANARY),
        ),
    )


def test_a_strangers_section_keeps_its_numbers_alone(tmp_path, monkeypatch):
    _install(monkeypatch, strange)
    (tmp_path / "metrics.csv").write_text("step,loss\n1,2\n2,1\n")
    report = collect(logs=tmp_path / "metrics.csv", sections=["strange", "training"], redact=True)
    said = everywhere(report, tmp_path)
    assert CANARY not in said
    section = report.section("strange")
    assert section.status == "ok"
    assert {0.8125} <= {fact.value for fact in section.blocks[0].facts}
    assert section.blocks[1].rows[0].cells[1] == 12345
    assert section.blocks[-1].values == (0.4375, 0.5)
    assert said.count("left out: --redact") >= 5


def test_neither_secrets_nor_samples_are_in_a_pdf(tmp_path, monkeypatch):
    pypdf = pytest.importorskip("pypdf")
    from reportgen.archive import load

    _install(monkeypatch, strange)
    (tmp_path / "metrics.csv").write_text("step,loss\n1,2\n2,1\n")
    hparams(tmp_path)
    report = collect(logs=tmp_path, sections=["strange", "training"], redact=True)
    path = report.save(tmp_path / "r.pdf")
    said = load(path).to_json() + "".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
    assert CANARY not in said
    assert CANARY.encode() not in path.read_bytes()
    assert "left out" in said


def test_a_strangers_facts_are_masked_without_redact_too(tmp_path, monkeypatch):
    _install(monkeypatch, strange)
    (tmp_path / "metrics.csv").write_text("step,loss\n1,2\n2,1\n")
    section = collect(logs=tmp_path / "metrics.csv", sections=["strange"]).section("strange")
    assert section.blocks[0].facts[0].value == "***"


class Texts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = nn.Embedding(40, 8), nn.Linear(8, 2)

    def forward(self, ids):
        return self.out(self.embed(ids).mean(1))


def test_no_word_of_a_text_is_left(tmp_path):
    torch.manual_seed(0)
    ids = torch.randint(0, 40, (60, 6))
    words = [f"{CANARY}x{n}" for n in range(40)]
    model = Texts().eval()
    targets = torch.randint(0, 2, (60,))
    given = {"data": (ids, targets), "tokenizer": words, "modality": "text", "time_limit": 60}
    shown = collect(model, **given, sections=["evaluation", "features", "explanations"])
    assert CANARY in shown.to_json()  # what is left out is there without redact
    report = collect(model, **given, redact=True)
    assert CANARY not in everywhere(report, tmp_path)
    assert all(section.status == "ok" for section in report.sections if section.name != "training")
    assert report.section("evaluation").block("totals") is not None


def test_no_picture_is_left(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    ).eval()
    data = (torch.rand(24, 3, 16, 16), torch.randint(0, 2, (24,)))
    report = collect(model, data=data, redact=True, time_limit=60)
    said = everywhere(report, tmp_path)
    assert all(
        block.kind not in ("images", "tokens", "signal") for one in report.sections for block in one.blocks
    )
    assert "raster" not in said
    assert "data:image/webp" not in said
    assert report.section("evaluation").block("totals").facts


def test_no_value_of_a_row_is_left(tmp_path):
    torch.manual_seed(0)
    rows = torch.rand(60, 4)
    rows[:, 1] = 7316.0625 + torch.arange(60) / 64
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).eval()
    data = (rows, torch.randint(0, 2, (60,)))
    names = ["age", "weight", "height", "dose"]
    shown = collect(model, data=data, feature_names=names, modality="table", time_limit=60)
    assert "7316" in shown.section("explanations").model_dump_json()
    report = collect(model, data=data, feature_names=names, modality="table", time_limit=60, redact=True)
    assert "7316" not in report.section("explanations").model_dump_json()
    assert "age" in report.section("explanations").model_dump_json()


def test_no_text_and_no_picture_of_a_log_is_left(tmp_path):
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(tmp_path / "run"))
    writer.add_text("says", CANARY)
    writer.add_image("seen", np.zeros((3, 8, 8), np.uint8))
    for step in range(5):
        writer.add_scalar("loss", 0.5, step)
    writer.close()
    (tmp_path / "metrics.csv").write_text(f"step,loss,note\n1,2,3\n2,{CANARY},1\n")
    assert CANARY in collect(logs=tmp_path).to_json()
    report = collect(logs=tmp_path, redact=True)
    assert CANARY not in everywhere(report, tmp_path)
    assert all(block.kind not in ("images", "code") for block in report.section("training").blocks)
    assert report.section("training").block("series").rows[0].cells[0] == "loss"


class OopsX(Exception):  # noqa: N818 - a name that does not say what it is
    pass


class Odd(torch.utils.data.Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, place):
        raise OopsX(f"bad file /data/{CANARY}.png {CANARY}")


def test_what_an_error_of_the_data_says_is_left_out(tmp_path):
    report = collect(nn.Linear(3, 2), data=Odd(), redact=True)
    assert CANARY not in everywhere(report, tmp_path)


def test_no_sound_is_left(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv1d(1, 4, 9), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2)
    ).eval()
    clips = torch.rand(16, 1, 400)
    clips[:, 0, 0] = 0.7316
    report = collect(
        model, data=(clips, torch.randint(0, 2, (16,))), sample_rate=1000, redact=True, time_limit=60
    )
    assert "0.7316" not in everywhere(report, tmp_path)
    assert all(block.kind != "signal" for one in report.sections for block in one.blocks)


def test_a_watched_report_leaves_out_texts_of_logs_too(tmp_path):
    from tensorboardX import SummaryWriter

    from reportgen.watching import Watch

    writer = SummaryWriter(str(tmp_path / "run"))
    writer.add_text("says", CANARY)
    writer.add_scalar("loss", 0.5, 1)
    writer.close()
    assert Watch([tmp_path / "run"], [tmp_path / "r.json"], redact=True).look()
    assert CANARY not in (tmp_path / "r.json").read_text()


class Quoting(nn.Module):
    def forward(self, x):
        raise ValueError(f"bad sample {CANARY}")


def test_what_an_error_says_of_a_sample_is_left_out(tmp_path):
    report = collect(Quoting(), data=(torch.rand(8, 3), torch.zeros(8)), redact=True)
    assert CANARY not in everywhere(report, tmp_path)


def test_redact_is_an_option_of_the_command_line_and_of_the_file(tmp_path, monkeypatch):
    from reportgen import cli

    monkeypatch.chdir(tmp_path)
    from tensorboardX import SummaryWriter

    writer = SummaryWriter("run")
    writer.add_text("says", CANARY)
    writer.add_scalar("loss", 0.5, 1)
    writer.close()
    assert cli.main(["generate", "--logs", "run", "--out", "a.json", "--redact", "--quiet"]) == 0
    (tmp_path / "exp.toml").write_text('logs = "run"\nredact = true\nquiet = true\nout = "b.json"\n')
    assert cli.main(["generate", "exp.toml"]) == 0
    for name in ("a.json", "b.json"):
        assert CANARY not in (tmp_path / name).read_text()
