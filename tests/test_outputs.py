"""Where a report can't be written is told before any work, and what is no file is never taken the place of."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from reportgen import files
from reportgen.cli import main
from reportgen.errors import InputError
from reportgen.outputs import check

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes, devices and links are POSIX's")


def folder(at):
    at.mkdir()


def pipe(at):
    os.mkfifo(at)


def link_to_a_pipe(at):
    os.mkfifo(at.with_name("pipe"))
    at.symlink_to("pipe")


def link_to_a_device(at):
    at.symlink_to(os.devnull)


def dangling_link(at):
    at.symlink_to("gone.html")


def loop_of_links(at):
    at.symlink_to(at.name)


def listening_socket(at):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(at))


KINDS = [
    (folder, "which is a folder, expected a file"),
    (pipe, "which is a pipe, expected a file"),
    (link_to_a_pipe, "which is a pipe, expected a file"),
    (link_to_a_device, "which is a device, expected a file"),
    (dangling_link, "which is a link to what does not exist, expected a file"),
    (loop_of_links, "which can't be a file: Too many levels of symbolic links"),
    (listening_socket, "which is a socket, expected a file"),
]


@pytest.mark.parametrize(("make", "said"), KINDS, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_no_file_is_told_before_the_work_and_stays_as_it_is(
    tmp_path, monkeypatch, capsys, make, said
):
    monkeypatch.chdir(tmp_path)
    Path("log.csv").write_text("epoch,loss\n1,2.0\n")
    target = Path("out.html")
    make(target)
    before = target.lstat()
    with pytest.raises(InputError) as caught:
        check([target], "out")
    assert str(caught.value) == f"out: got 'out.html', {said}"
    # Nothing is loaded: the model that is named would leave a file.
    Path("exp.py").write_text("open('loaded', 'w')\n")
    assert main(["generate", "--model", "exp.py:net", "--logs", "log.csv", "--out", "out.html"]) == 2
    assert capsys.readouterr().err.splitlines()[0] == f"error: --out: got 'out.html', {said}"
    assert not Path("loaded").exists()
    with pytest.raises(OSError, match=r"expected a file|Too many levels"):
        files.replace(target, b"new")
    after = target.lstat()
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (
        before.st_ino,
        before.st_mode,
        before.st_mtime_ns,
    )
    assert not [name for name in os.listdir() if name.endswith(".part")]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("x" * 300 + ".html", "which can't be a file: File name too long"),
        ("a\0.html", "which can't be a file: there is a zero byte in its name"),
        ("gone/a.html", "expected a file in a folder that exists"),
        ("log.csv/a.html", "which can't be a file: Not a directory"),
        ("a.docx", "expected a file that ends in .html, .json, .pdf"),
        ("html", "expected a file that ends in"),
    ],
)
def test_what_can_not_be_a_file_is_one_clear_line(tmp_path, monkeypatch, name, said):
    monkeypatch.chdir(tmp_path)
    Path("log.csv").write_text("")
    with pytest.raises(InputError) as caught:
        check([name], "--out")
    assert said in str(caught.value)


def test_two_names_of_one_file_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to(".")
    with pytest.raises(InputError, match=r"got 'link/a.html', which is the same file as 'a.html'"):
        check(["b.html", "a.html", "link/a.html"], "--out")
    Path("old.html").write_text("old")
    Path("other.html").symlink_to("old.html")
    with pytest.raises(InputError, match=r"got 'other.html', which is the same file as 'old.html'"):
        check(["old.html", "other.html"], "--out")
    assert check(["a.html", "a.json", "old.html"], "--out")


def test_what_is_read_is_not_written_over(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("run.json").write_text('[{"epoch": 1, "loss": 2.0}]')
    assert main(["generate", "--logs", "./run.json", "--out", "run.json"]) == 2
    said = "error: --out: got 'run.json', which is read, as './run.json'"
    assert capsys.readouterr().err.splitlines()[0] == said
    assert Path("run.json").read_text() == '[{"epoch": 1, "loss": 2.0}]'
