"""Whether it is seen that others have the processors."""

from __future__ import annotations

import sys
import time

import pytest

from ros_nodes import other_work
from ros_nodes.busy_processes import busy_processes
from ros_nodes.other_work import BEFORE_S, OtherWork

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells who had them")


def looks_for(seconds: float, work: OtherWork) -> str:
    ends = time.monotonic() + seconds
    while not (found := work.explains(time.time_ns())) and time.monotonic() < ends:
        time.sleep(0.05)
    return found


def test_what_others_take_explains_and_what_is_long_past_does_not() -> None:
    with busy_processes(1), OtherWork(list) as work:
        found = looks_for(30.0, work)
        assert found.startswith("other processes had")
        long_ago_ns = time.time_ns() - round(60e9 + BEFORE_S * 1e9)
        assert work.explains(long_ago_ns) == ""


def test_what_we_take_ourselves_explains_nothing() -> None:
    # As much as others could take here, were it not ours.
    with busy_processes(1) as pids, OtherWork(lambda: pids) as work, OtherWork(list) as blind:
        assert looks_for(30.0, blind)
        ours, theirs = work.taken(time.time_ns()), blind.taken(time.time_ns())
        assert ours[0] < theirs[0]


def test_time_that_nobody_accounts_for_was_the_hypervisors(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = other_work._machine
    halted_s = 0.0

    def stands_still() -> tuple[float, float, float]:
        wall, busy, idle = machine()
        return wall + halted_s, busy, idle

    monkeypatch.setattr(other_work, "_machine", stands_still)
    with OtherWork(list) as work:
        time.sleep(BEFORE_S)
        before = work.taken(time.time_ns())[1]
        halted_s = 0.2
        deadline = time.monotonic() + 30.0
        while work.taken(time.time_ns())[1] < before + 0.1:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert "the hypervisor" in work.explains(time.time_ns())
