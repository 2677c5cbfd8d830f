"""A time limit ends what runs over it and nothing else."""

from __future__ import annotations

import contextlib
import signal
import threading
import time

import pytest

from reportgen.deadline import NEVER, Deadline, Late
from reportgen.timelimit import OutOfTime, enforced, time_limit


def test_sleep_is_interrupted_in_the_main_thread():
    start = time.perf_counter()
    with pytest.raises(OutOfTime), time_limit(0.2):
        time.sleep(30)
    assert time.perf_counter() - start < 10


def test_a_section_that_swallows_exceptions_ends_all_the_same():
    def stubborn():
        for _ in range(200):
            with contextlib.suppress(Exception):
                time.sleep(0.1)

    with pytest.raises(OutOfTime), time_limit(0.2):
        stubborn()


def test_what_ends_in_time_is_left_alone_and_the_alarm_is_off():
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(0.1):
        pass
    time.sleep(0.25)
    assert signal.getsignal(signal.SIGALRM) is before


def test_an_exception_passes_and_the_alarm_is_off():
    with pytest.raises(KeyError), time_limit(0.1):
        raise KeyError
    time.sleep(0.25)


def test_in_another_thread_a_busy_loop_is_ended_too():
    seen = []

    def work():
        try:
            with time_limit(0.2):
                for _ in range(3000):
                    time.sleep(0.01)
            seen.append("ran on")
        except OutOfTime:
            seen.append("ended")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(25)
    assert seen == ["ended"]


def test_nought_means_no_limit():
    with time_limit(0):
        time.sleep(0.01)


def test_the_callers_own_alarm_goes_on():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with time_limit(5):
            time.sleep(0.05)
        time.sleep(0.6)
        assert rung == [1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_deadline_ends_what_asks_no_clock_a_little_after_it():
    start = time.perf_counter()
    with pytest.raises(Late), enforced(Deadline(0.2)):
        time.sleep(30)
    assert time.perf_counter() - start < 10
    with pytest.raises(Late), enforced(Deadline(0.0)):
        raise AssertionError("it began after the deadline")
    for never in (NEVER, Deadline(0.0, timed=False)):
        with enforced(never):
            time.sleep(0.01)
