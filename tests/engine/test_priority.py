import os
import resource
import threading

import pytest

from rtaudio.engine import priority
from rtaudio.engine.priority import PriorityResult, audio_threads, raise_priority, thread_ids


class System:
    """The scheduler's calls, with a right to priorities up to `limit`."""

    def __init__(self, monkeypatch, limit, capable=False):
        self.limit, self.set, self.policies = limit, {}, {}
        monkeypatch.setattr(priority, "_has_cap_sys_nice", lambda: capable)
        monkeypatch.setattr(resource, "getrlimit", lambda _: self.limit)
        monkeypatch.setattr(resource, "setrlimit", self.setrlimit)
        monkeypatch.setattr(os, "sched_getscheduler", lambda tid: self.policies.get(tid, os.SCHED_OTHER))
        monkeypatch.setattr(os, "sched_setscheduler", self.setscheduler)

    def setrlimit(self, _, limit):
        self.limit = limit

    def setscheduler(self, tid, policy, param):
        if tid == 404:
            raise ProcessLookupError
        if tid == 403:
            raise PermissionError(1, "Operation not permitted")
        self.set[tid] = policy, param.sched_priority


FIFO = os.SCHED_FIFO | priority.RESET_ON_FORK


@pytest.mark.parametrize(
    ("limit", "capable", "given"),
    [((95, 95), False, 3), ((0, 2), False, 2), ((0, 0), True, 3), ((1, 95), False, 3)],
)
def test_threads_are_raised_as_far_as_the_user_may(monkeypatch, limit, capable, given):
    system = System(monkeypatch, limit, capable)
    result = raise_priority([8, 7, 404])
    assert system.set == {7: (FIFO, given), 8: (FIFO, given)}
    assert result == PriorityResult((7, 8))
    assert result.granted


def test_threads_already_in_real_time_keep_their_priority(monkeypatch):
    system = System(monkeypatch, (95, 95))
    system.policies = {7: os.SCHED_FIFO | priority.RESET_ON_FORK, 8: os.SCHED_RR}
    assert raise_priority([7, 8]).raised == (7, 8)
    assert system.set == {}


def test_without_the_right_the_reason_says_how_to_get_it(monkeypatch):
    System(monkeypatch, (0, 0))
    result = raise_priority([7])
    assert not result.granted
    assert result.raised == ()
    assert "limits.d/audio.conf" in result.reason


def test_a_refusal_is_told_not_raised(monkeypatch):
    System(monkeypatch, (95, 95))
    result = raise_priority([7, 403])
    assert result.raised == (7,)
    assert "Operation not permitted" in result.reason


def test_systems_without_the_call_are_left_alone(monkeypatch):
    monkeypatch.delattr(os, "sched_setscheduler")
    assert "by itself" in raise_priority([7]).reason


def test_new_threads_are_found():
    before, release = thread_ids(), threading.Event()
    already = audio_threads(before)  # those of a Pulse stream opened by an earlier test
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        assert audio_threads(before) - already == {thread.native_id}
    finally:
        release.set()
        thread.join()
