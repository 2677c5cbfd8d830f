"""A report is replaced whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from reportgen import files


def test_the_content_arrives_and_nothing_else_is_left(tmp_path):
    files.replace(tmp_path / "report.html", b"new")
    assert (tmp_path / "report.html").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, step):
    target = tmp_path / "report.html"
    target.write_bytes(b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"os.{step}" if step == "fsync" else "pathlib.Path.replace", full)
    with pytest.raises(OSError, match="No space left"):
        files.replace(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_really_full_disk_leaves_the_old_file_and_no_litter(tmp_path):
    """RLIMIT_FSIZE makes the kernel refuse the write itself, half-way through."""
    target = tmp_path / "report.html"
    target.write_bytes(b"old")
    code = (
        "import resource, signal, sys; from pathlib import Path; from reportgen import files\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "try: files.replace(Path(sys.argv[1]), b'x' * 1_000_000)\n"
        "except OSError as error: print(error.errno)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(target)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(errno.EFBIG)
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_ctrl_c_in_the_middle_of_writing_leaves_the_old_file_and_no_litter(tmp_path):
    target = tmp_path / "report.html"
    target.write_bytes(b"old")
    code = (
        "import os, signal, sys, time; from pathlib import Path; from reportgen import files\n"
        # A background job is started with SIGINT ignored, and would hand that on.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def slow(handle): print('writing', flush=True); time.sleep(60)\n"
        "os.fsync = slow\n"
        "files.replace(Path(sys.argv[1]), b'new')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout.readline() == b"writing\n"
        child.send_signal(signal.SIGINT)
        assert child.wait(20) != 0
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_old_files_permissions_stay(tmp_path):
    target = tmp_path / "report.html"
    target.write_bytes(b"old")
    target.chmod(0o640)
    files.replace(target, b"new")
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_new_file_gets_the_permissions_any_new_file_gets(tmp_path):
    files.replace(tmp_path / "report.html", b"new")
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "report.html").stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_link_keeps_pointing_at_the_file_that_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "report.html").write_bytes(b"old")
    link = tmp_path / "report.html"
    link.symlink_to(tmp_path / "real" / "report.html")
    files.replace(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "real" / "report.html").read_bytes() == b"new"


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.replace(tmp_path / "none" / "report.html", b"new")


def test_a_long_file_name_can_be_replaced(tmp_path):
    target = tmp_path / ("x" * 250 + ".html")
    files.replace(target, b"new")
    assert target.read_bytes() == b"new"
    assert time.time() >= target.stat().st_mtime
