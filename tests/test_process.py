"""What a model changes of the process is put back, each thing alone."""

from __future__ import annotations

import builtins
import decimal
import gc
import locale
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import reportgen
from reportgen.aftermath import Aftermath, told
from reportgen.process import Steps, kept


def umask():
    current = os.umask(0)
    os.umask(current)
    return current


def logger():
    one = logging.getLogger("reportgen.tests")
    return one.level, list(one.handlers), one.propagate, logging.root.level, list(logging.root.handlers)


def change_logger():
    logging.basicConfig(level=1, force=True, handlers=[logging.NullHandler()])
    logging.getLogger("reportgen.tests").setLevel(7)
    logging.getLogger("reportgen.tests").addHandler(logging.NullHandler())


def change_signals():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: None)


def change_environ():
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = "/nowhere"
    os.environ["HOME"] = "/nowhere"
    os.environ.pop("PATH", None)


def change_path():
    sys.path.insert(0, "/vendored")
    sys.path = [*sys.path, "/more"]


def change_decimal():
    decimal.getcontext().prec = 3
    decimal.getcontext().traps[decimal.Inexact] = True


def change_hooks():
    sys.excepthook = threading.excepthook = lambda *_: None
    builtins.print = lambda *_: None


def change_zone():
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()


attention = torch.backends.cuda
CHANGES = {
    "environment": (change_environ, lambda: dict(os.environ)),
    "sys.path": (change_path, lambda: (id(sys.path), list(sys.path))),
    "sys.argv": (lambda: sys.argv.append("x"), lambda: list(sys.argv)),
    "working folder": (lambda: os.chdir("/"), os.getcwd),
    "umask": (lambda: os.umask(0o027), umask),
    "recursion limit": (lambda: sys.setrecursionlimit(4321), sys.getrecursionlimit),
    "signals": (change_signals, lambda: [signal.getsignal(n) for n in signal.valid_signals()]),
    "streams": (lambda: setattr(sys, "stdout", None), lambda: sys.stdout),
    "hooks": (change_hooks, lambda: (sys.excepthook, threading.excepthook, builtins.print)),
    "loggers": (change_logger, logger),
    "logging.disable": (lambda: logging.disable(50), lambda: logging.root.manager.disable),
    "warnings": (warnings.resetwarnings, lambda: list(warnings.filters)),
    "decimal": (change_decimal, lambda: repr(decimal.getcontext())),
    "garbage collector": (
        lambda: (gc.disable(), gc.set_threshold(1, 2, 3)),
        lambda: (gc.isenabled(), gc.get_threshold()),
    ),
    "locale": (lambda: locale.setlocale(locale.LC_ALL, "C"), lambda: locale.setlocale(locale.LC_ALL)),
    "time zone": (change_zone, lambda: (os.environ.get("TZ"), time.tzname)),
    "generators": (
        lambda: (random.random(), np.random.rand(), torch.rand(1)),
        lambda: (random.getstate(), repr(np.random.get_state()), torch.get_rng_state().tolist()),
    ),
    "NumPy": (
        lambda: (np.seterr(all="ignore"), np.set_printoptions(precision=1, suppress=True)),
        lambda: (np.geterr(), np.get_printoptions()),
    ),
    "default device": (lambda: torch.set_default_device("meta"), torch.get_default_device),
    "default dtype": (lambda: torch.set_default_dtype(torch.float16), torch.get_default_dtype),
    "matmul precision": (
        lambda: torch.set_float32_matmul_precision("medium"),
        lambda: (torch.get_float32_matmul_precision(), torch.backends.cuda.matmul.allow_tf32),
    ),
    "TF32": (lambda: setattr(torch.backends.cudnn, "allow_tf32", False), lambda: torch.backends.cudnn.allow_tf32),
    "torch's print options": (
        lambda: torch.set_printoptions(precision=1, sci_mode=True),
        lambda: repr(torch.tensor([1.23456789, 1e9])),
    ),
    "grad mode": (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled),
    "threads": (lambda: torch.set_num_threads(3), torch.get_num_threads),
    "deterministic": (
        lambda: torch.use_deterministic_algorithms(True, warn_only=True),
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
    ),
    "anomaly": (lambda: torch.autograd.set_detect_anomaly(True), torch.is_anomaly_enabled),
    "denormals": (lambda: torch.set_flush_denormal(True), lambda: float(torch.tensor(1e-40) * 1) > 0),
    "autocast": (lambda: torch.set_autocast_enabled("cpu", True), lambda: torch.is_autocast_enabled("cpu")),
    "attention": (lambda: attention.enable_flash_sdp(False), attention.flash_sdp_enabled),
    "cudnn": (lambda: setattr(torch.backends.cudnn, "benchmark", True), lambda: torch.backends.cudnn.benchmark),
    "global hooks": (
        lambda: nn.modules.module.register_module_forward_hook(lambda *_: None),
        lambda: len(nn.modules.module._global_forward_hooks),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_setting_is_put_back(what):
    change, read = CHANGES[what]
    before, said = read(), Aftermath()
    with kept(said):
        change()
        # The locale may be C already, as it is in a test that nobody gave one.
        assert what == "locale" or read() != before
    assert read() == before
    assert not said


class Meddles(nn.Module):
    """Changes everything above in its forward pass, again and again."""

    def __init__(self, *but):
        super().__init__()
        self.linear = nn.Linear(4, 3)
        self.but = but

    def forward(self, x):
        for what, (change, _) in CHANGES.items():
            if what not in self.but:
                change()
        return self.linear(x)


def test_a_report_on_a_model_that_changes_everything_leaves_it_all_as_it_was():
    torch.manual_seed(0)
    # Python's streams are looked at in the tests of `printed`; a default of half precision changes the model's numbers.
    model, data = Meddles("default dtype", "streams"), (torch.rand(12, 4), torch.arange(12) % 3)
    before = {what: read() for what, (_, read) in CHANGES.items()}
    report = reportgen.collect(model, data=data, samples=2)
    after = {what: read() for what, (_, read) in CHANGES.items()}
    assert [what for what in CHANGES if before[what] != after[what]] == []
    assert [(section.name, section.reason) for section in report.failed] == []


FRESH = """
import logging, os, signal, sys, torch, warnings
from torch import nn
import reportgen

def state():
    return {
        "environ": dict(os.environ), "path": list(sys.path), "argv": list(sys.argv), "filters": list(warnings.filters),
        "signals": [signal.getsignal(n) for n in signal.valid_signals()], "handlers": list(logging.root.handlers),
        "hooks": (sys.excepthook, sys.stdout, sys.stderr), "dtype": torch.get_default_dtype(), "cwd": os.getcwd(),
        "precision": torch.get_float32_matmul_precision(), "limit": sys.getrecursionlimit(),
    }

class Lazy(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last, self.tool = nn.LazyLinear(8), nn.LazyLinear(3), None
    def forward(self, x):
        if self.tool is None:
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = "/nowhere"
            os.environ.setdefault("KMP_DUPLICATE_LIB_OK", "TRUE")
            sys.path.insert(0, "/vendored")
            self.tool = torch.relu
        return self.last(self.tool(self.first(x)))

data = (torch.rand(12, 4), torch.arange(12) % 3)
reportgen.collect  # its own import
before = state()
report = reportgen.collect(Lazy(), data=data, samples=1)
after = state()
assert not report.failed, report.failed
assert after == before, [key for key in before if after[key] != before[key]]
"""


def test_a_first_report_in_a_fresh_process_leaves_nothing_behind_nor_do_its_imports():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KMP")}
    subprocess.run([sys.executable, "-c", FRESH], check=True, env=environment, timeout=300)


def test_a_step_that_fails_is_said_and_the_others_are_done():
    said, done = Aftermath(), []
    steps = Steps(said)

    def fails(*_):
        raise OSError("no")

    steps.add("first", lambda: done.append(1))
    steps.add("second", fails)
    steps.keep("third", fails, fails)
    steps.keep("fourth", lambda: len(done), lambda before: None)
    done.append(0)
    steps.put_back()
    assert done == [0, 1]
    assert told(said.changed) == ["fourth: it stayed as it had been set", "second: OSError: no"]
    assert told(said.unwatched) == ["third: OSError: no"]


def test_ctrl_c_while_things_are_put_back_is_raised_when_all_are():
    done = []
    steps = Steps(Aftermath())

    def interrupted():
        raise KeyboardInterrupt

    steps.add("first", lambda: done.append(1))
    steps.add("second", interrupted)
    with pytest.raises(KeyboardInterrupt):
        steps.put_back()
    assert done == [1]


def test_what_an_import_sets_once_holds_until_the_outermost_ends(monkeypatch):
    monkeypatch.delenv("SET_ONCE", raising=False)
    with kept(Aftermath()):
        with kept(Aftermath()):
            os.environ["SET_ONCE"] = "1"
            sys.path.append("/vendored")
        assert os.environ["SET_ONCE"] == "1"
        assert sys.path[-1] == "/vendored"
    assert "SET_ONCE" not in os.environ
    assert sys.path[-1] != "/vendored"


def test_in_a_thread_what_is_the_main_threads_is_left_alone():
    found = []

    def inside():
        said = Aftermath()
        with kept(said):
            os.environ["IN_A_THREAD"] = "1"
        found.append((said, os.environ.get("IN_A_THREAD")))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert found == [(Aftermath(), None)]


def test_a_working_folder_that_is_gone_costs_nothing(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    said = Aftermath()
    with kept(said):
        pass
    monkeypatch.chdir(tmp_path)
    assert not said


def test_many_places_of_one_fault_are_one_line():
    said = Aftermath()
    for place in range(50):
        said.unseen("Int8 can't be copied", f"layer {place}")
    for fault in range(40):
        said.lost(f"fault {fault}")
    assert told(said.unwatched) == ["Int8 can't be copied (layer 0, layer 1, layer 2 and 47 more places)"]
    assert told(said.changed)[-1] == "and 28 more things"
