"""What is found under a path: links, loops, vanishing files, many files, kinds in front, wrong suffixes."""

import os
import time
from pathlib import Path

import eventfiles as files
import pytest

from reportgen import collect, history
from reportgen.history import HistoryError
from reportgen.logs import Log

CSV = "step,loss\n1,2\n2,1\n"


def put(path: Path, text: str | bytes = CSV) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def told(*paths: Path | str) -> dict[str, tuple[str, int, tuple[str, ...]]]:
    return {s.path: (s.format, s.points, s.warnings) for s in history.read(paths).sources}


def test_links_that_loop_are_not_followed(tmp_path):
    put(tmp_path / "run" / "metrics.csv")
    (tmp_path / "run" / "loop").symlink_to(tmp_path)
    (tmp_path / "run" / "self").symlink_to("self")
    (tmp_path / "run" / "circle.csv").symlink_to("circle.csv")
    (tmp_path / "latest").symlink_to(tmp_path / "run")
    found = told(tmp_path)
    assert found.pop("run/circle.csv")[2] == ("a link that leads nowhere",)
    assert found == {"run/metrics.csv": ("table", 2, ())}


def test_a_link_to_a_folder_elsewhere_is_said(tmp_path):
    put(tmp_path / "elsewhere" / "metrics.csv")
    put(tmp_path / "logs" / "run" / "metrics.csv")
    (tmp_path / "logs" / "other").symlink_to(tmp_path / "elsewhere")
    found = told(tmp_path / "logs")
    assert found["run/metrics.csv"] == ("table", 2, ())
    assert found["other"][2] == ("a link to a folder elsewhere, not followed: give that folder itself",)
    assert told(tmp_path / "logs" / "other") == {"metrics.csv": ("table", 2, ())}


def test_links_to_files_inside_are_read_once(tmp_path):
    put(tmp_path / "run" / "data" / "a.csv")
    for name in ("metrics.csv", "same.csv"):
        (tmp_path / "run" / name).symlink_to(tmp_path / "run" / "data" / "a.csv")
    assert told(tmp_path / "run") == {"metrics.csv": ("table", 2, ())}


def test_links_to_files_elsewhere_are_not_followed_and_said(tmp_path):
    put(tmp_path / "private" / "a.csv", "step,loss\n1,0.123456\n2,0.123456\n")
    put(tmp_path / "run" / "metrics.csv")
    (tmp_path / "run" / "stolen.csv").symlink_to(tmp_path / "private" / "a.csv")
    (tmp_path / "run" / "above.csv").symlink_to("../private/a.csv")
    found = told(tmp_path / "run")
    why = ("a link to a file elsewhere, not followed: give that file itself",)
    assert found["stolen.csv"][2] == found["above.csv"][2] == why
    assert found["metrics.csv"] == ("table", 2, ())
    assert told(tmp_path / "run" / "stolen.csv")["stolen.csv"][:2] == ("table", 2)  # which the user named
    (tmp_path / "latest").symlink_to("run")
    assert told(tmp_path / "latest")["metrics.csv"] == ("table", 2, ())


def test_a_store_whose_parts_are_links_elsewhere_gives_nothing_of_them(tmp_path):
    secret = put(tmp_path / "home" / "id_rsa", "CANARY-a7c1")
    run = tmp_path / "logs" / "mlruns" / "0" / "abc"
    put(run / "meta.yaml", "run_id: abc\n")
    put(run / "metrics" / "loss", "1600000000000 0.5 1\n")
    for link in ("params/x", "tags/mlflow.runName", "metrics/y"):
        (run / link).parent.mkdir(exist_ok=True)
        (run / link).symlink_to(secret)
    (run / "params" / "deep").symlink_to(secret.parent)
    (run.parent / "meta.yaml").symlink_to(secret)
    report = collect(logs=tmp_path / "logs", sections=["training"])
    assert report.section("training").status == "ok"
    assert "CANARY" not in report.to_json()
    other = tmp_path / "logs" / "mlruns" / "0" / "def"
    put(other / "meta.yaml", "run_id: def\n")
    (other / "params").symlink_to(secret.parent)
    assert "CANARY" not in collect(logs=tmp_path / "logs", sections=["training"]).to_json()


def test_a_link_that_leads_nowhere_is_said(tmp_path):
    put(tmp_path / "metrics.csv")
    (tmp_path / "old.csv").symlink_to(tmp_path / "gone.csv")
    assert told(tmp_path)["old.csv"][2] == ("a link that leads nowhere",)


def test_what_is_given_twice_is_read_once(tmp_path):
    path = put(tmp_path / "metrics.csv")
    (tmp_path / "link").symlink_to(tmp_path)
    assert history.read([path, str(path), tmp_path, tmp_path / "link"]).points == 2


def test_a_file_that_vanishes_is_named(tmp_path, monkeypatch):
    put(tmp_path / "a.csv")
    gone = put(tmp_path / "b.csv")

    def vanish(shown, done, total):
        if shown == "a.csv":
            gone.unlink()

    found = history.read([tmp_path], progress=vanish)
    assert found.points == 2
    assert found.sources[1].warnings == ("can't be read: No such file or directory",)


def test_a_folder_that_vanishes_while_it_is_listed_costs_no_other(tmp_path, monkeypatch):
    put(tmp_path / "a" / "metrics.csv")
    put(tmp_path / "b" / "metrics.csv")
    scan = os.scandir

    def vanish(path):
        if Path(path).name == "a":
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", vanish)
    assert told(tmp_path)["a"][2] == ("can't be listed: No such file or directory",)
    assert history.read([tmp_path]).points == 2


def test_a_folder_of_ten_thousand_files_is_looked_through_by_their_names(tmp_path, monkeypatch):
    for number in range(10_000):
        (tmp_path / f"image_{number}.png").touch()
    put(tmp_path / "metrics.csv")
    opened = []
    original = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: opened.append(self) or original(self, *a, **k))
    start = time.perf_counter()
    assert history.read([tmp_path]).points == 2
    assert time.perf_counter() - start < 3
    assert {path.name for path in opened if path.parent == tmp_path} == {"metrics.csv"}


def test_text_that_is_no_log_is_opened_only_at_its_start_and_told_in_one_line(tmp_path):
    for number in range(300):
        put(tmp_path / f"label_{number}.txt", "0 0.5 0.5 0.1\n")
    put(tmp_path / "notes.txt", "step one: think\n" * 300_000)
    put(tmp_path / "metrics.csv")
    start = time.perf_counter()
    assert list(told(tmp_path)) == ["metrics.csv", "301 other files"]
    assert time.perf_counter() - start < 3


def test_text_that_is_no_log_is_told_where_nothing_else_is_found(tmp_path):
    for number in range(30):
        put(tmp_path / f"label_{number:02}.txt", "0 0.5 0.5 0.1\n")
    found = told(tmp_path)
    assert len(found) == 21
    assert "not recognised: expected one of" in found["label_00.txt"][2][0]
    assert found["…"][2] == ("10 more files are not recognised",)


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("log.csv", '{"step": 1, "loss": 2}\n{"step": 2, "loss": 1}\n', "JSONL"),
        ("log.txt", '{"step": 1, "loss": 2}\n{"step": 2, "loss": 1}\n', "JSONL"),
        ("log.json", CSV, "table"),
        ("train.log", CSV, "table"),
        ("metrics", CSV, "table"),
        ("log.csv", "step 1 loss 2\nstep 2 loss 1\n", "printed lines"),
        ("log.csv", '{"log_history": [{"step": 1, "loss": 2}, {"step": 2, "loss": 1}]}',
         "Hugging Face trainer state"),
        ("odd.bin", files.version() + files.scalar("loss", 1, 2.0) + files.scalar("loss", 2, 1.0),
         "TensorBoard events"),
    ],
)  # fmt: skip
def test_a_wrong_suffix_does_not_matter_where_the_file_is_given(tmp_path, name, text, kind):
    assert told(put(tmp_path / name, text)) == {name: (kind, 2, ())}


@pytest.mark.parametrize("name", ["log.csv", "log.json", "log.jsonl"])
def test_jsonl_and_csv_are_told_apart_by_content_in_a_folder(tmp_path, name):
    text = CSV if name != "log.csv" else '{"step": 1, "loss": 2}\n{"step": 2, "loss": 1}\n'
    found = told(put(tmp_path / name, text).parent)
    assert found[name][1] == 2


def test_kind_in_front_skips_recognition(tmp_path):
    odd = put(tmp_path / "odd.dat", "iteration;my loss\n1;2\n2;1\n")
    assert history.read([f"table={odd}"]).sources[0].why == "given as table"
    text = put(tmp_path / "x.csv", "step,loss\nstep 1 loss 2\n")
    assert told(f"stdout={text}")["x.csv"][:2] == ("printed lines", 1)


def test_kind_in_front_of_a_folder_reads_the_files_of_that_kind_alone(tmp_path):
    put(tmp_path / "metrics.csv")
    put(tmp_path / "log.jsonl", '{"step": 1, "acc": 2}\n')
    assert list(told(f"table={tmp_path}")) == ["metrics.csv"]


@pytest.mark.parametrize("kind", ["events", "jsonl", "stdout", "checkpoint", "trainer-state", "table"])
def test_wrong_kind_in_front_is_one_clear_warning(tmp_path, kind):
    path = put(tmp_path / "x.csv", "nothing of the sort\n")
    ((fmt, points, warnings),) = told(f"{kind}={path}").values()
    assert (fmt, points) == ("", 0)
    assert len(warnings) == 1
    assert "\n" not in warnings[0]


def test_unknown_kind_is_one_line_that_lists_them(tmp_path):
    path = put(tmp_path / "x.csv")
    with pytest.raises(
        HistoryError, match=r"'tabel' is no kind of log, expected one of checkpoint, dvclive, events"
    ) as raised:
        history.read([f"tabel={path}"])
    assert "its content then decides" in raised.value.hint


def test_path_with_an_equals_sign_is_a_path(tmp_path, monkeypatch):
    put(tmp_path / "lr=0.1" / "metrics.csv")
    put(tmp_path / "table=x.csv")
    monkeypatch.chdir(tmp_path)
    assert history.read(["lr=0.1"]).points == 2
    assert told("table=x.csv") == {"table=x.csv": ("table", 2, ())}
    assert Log.parse("table=lr=0.1/metrics.csv") == Log("lr=0.1/metrics.csv", "table")
    assert Log.parse("runs/lr=0.1") == Log("runs/lr=0.1")
    assert Log.parse(Path("stdout=x")) == Log("stdout=x")
