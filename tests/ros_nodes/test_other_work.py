"""Whether it is seen that others have the processors."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from ros_nodes.other_work import BEFORE_S, OtherWork

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells who had them")


@pytest.fixture
def busy() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield process.pid
    process.kill()
    process.wait()


def looks_for(seconds: float, work: OtherWork) -> str:
    ends = time.monotonic() + seconds
    while not (found := work.explains(time.time_ns())) and time.monotonic() < ends:
        time.sleep(0.05)
    return found


def test_what_others_take_explains_and_what_is_long_past_does_not(busy: int) -> None:
    with OtherWork(list) as work:
        found = looks_for(30.0, work)
        assert found.startswith("other processes had")
        long_ago_ns = time.time_ns() - round(60e9 + BEFORE_S * 1e9)
        assert work.explains(long_ago_ns) == ""


def test_what_we_take_ourselves_explains_nothing() -> None:
    # As much as others could take here, were it not ours.
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        with OtherWork(lambda: [process.pid]) as work, OtherWork(list) as blind:
            assert looks_for(30.0, blind)
            ours, theirs = work.taken(time.time_ns()), blind.taken(time.time_ns())
            assert ours[0] < theirs[0]
    finally:
        process.kill()
        process.wait()
