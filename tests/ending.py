"""Models and data that end their process, or never come back, as the environment's ENDS, ENDS_IN and AT say."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import torch
from torch import nn


def exits():
    os._exit(7)


def segfaults():
    ctypes.string_at(8)


def is_killed():
    """What the kernel does where the memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def gives_up():
    os.abort()


def swallows():
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(0.1)


def hangs():
    """A lock that is taken twice: no signal interrupts that, and no other thread of Python runs."""
    lock = ctypes.create_string_buffer(256)
    c = ctypes.PyDLL(None)
    c.pthread_mutex_lock(lock)
    c.pthread_mutex_lock(lock)


def leaves_a_program_behind():
    subprocess.Popen(["sleep", "601"], stdin=subprocess.DEVNULL)
    hangs()


def now():
    """Whether a section of ENDS_IN is at work; where that is not set, always."""
    names = os.environ.get("ENDS_IN", "").split()
    frame, files = sys._getframe(), set()
    while frame is not None:
        files.add(Path(frame.f_code.co_filename).parts[-2:])
        frame = frame.f_back
    return not names or any(("sections", f"{name}.py") in files for name in names)


class Net(nn.Module):
    def __init__(self, end):
        super().__init__()
        self.linear, self.end = nn.Linear(3, 2), end

    def forward(self, x):
        if self.end is not None and now():
            print("the last line", flush=True)
            if "SIGN" in os.environ:
                Path(os.environ["SIGN"]).touch()
            self.end()
        return self.linear(x)


class Data(torch.utils.data.Dataset):
    """100 samples; that at `at` is never read."""

    def __init__(self, end, at):
        self.end, self.at = end, at

    def __len__(self):
        return 100

    def __getitem__(self, index):
        if index == self.at:
            self.end()
        return torch.full((3,), float(index)), index % 2


END = {"exits": exits, "segfaults": segfaults, "is-killed": is_killed, "gives-up": gives_up, "swallows": swallows,
       "hangs": hangs, "leaves": leaves_a_program_behind}  # fmt: skip


def model():
    torch.manual_seed(0)
    return Net(END.get(os.environ.get("ENDS", "")))


def data():
    return Data(END.get(os.environ.get("DATA_ENDS", "")), int(os.environ.get("AT", "-1")))


def never_made():
    END[os.environ["ENDS"]]()


def asks():
    print("which seed? ", end="", flush=True)
    torch.manual_seed(int(input()))
    print("\x1b[2Jtaken\nthe \rseed")
    return nn.Linear(3, 2)


def interrupts():
    raise KeyboardInterrupt


class Unpicklable(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear, self.lock, self.numbers, self.same = (
            nn.Linear(3, 2),
            threading.Lock(),
            iter([1]),
            lambda x: x,
        )

    def forward(self, x):
        with self.lock:
            return self.same(self.linear(x))


def on_meta():
    with torch.device("meta"):
        return nn.Linear(3, 2)


class Loops(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x):
        while True:
            pass
