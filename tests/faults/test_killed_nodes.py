"""Nodes that are killed or frozen in mid-motion, as real processes over DDS."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from driven_stack import PERIOD_NS, DrivenStack

pytestmark = pytest.mark.ros
TIMES = int(os.environ.get("ADAPT_FAULTS", "1"))
"""How often each node is killed; a release is tried with 50."""


def real_time_is_allowed() -> bool:
    code = "import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


PROMPT = real_time_is_allowed()
"""Without it, when a command leaves depends on what else runs here."""


def delays(driven: DrivenStack, since_ns: int) -> tuple[float, float]:
    """From when the first proposal that did not come was due, in periods: until the safety node sent a
    command without it, and until it sent the first command of the fallback.
    """
    witness = driven.witness
    driven.until(lambda: driven.events_since("safety_fallback", since_ns), "fallback")
    fallback_ns = driven.events_since("safety_fallback", since_ns)[0]["stamp_ns"]
    driven.until(lambda: witness.commands[-1].sent_ns >= fallback_ns, "a command of the fallback")
    last_ns = witness.proposals[-1].received_ns
    # The answer to the last proposal may be sent up to a fifth of a period after it.
    own = next(each for each in witness.commands if each.received_ns > last_ns + PERIOD_NS // 4)
    first = next(each for each in witness.commands if each.sent_ns >= fallback_ns)
    due_ns = last_ns + PERIOD_NS
    return (own.received_ns - due_ns) / PERIOD_NS, (first.received_ns - due_ns) / PERIOD_NS


@pytest.mark.parametrize("number", [signal.SIGKILL])
def test_a_planner_that_ends_leaves_the_robot_to_the_fallback_at_once(
    driven: DrivenStack, number: signal.Signals
) -> None:
    generator = random.Random(0)
    record: list[tuple[float, float]] = []
    for _ in range(TIMES):
        driven.until_it_moves()
        time.sleep(generator.uniform(0, 0.04))
        since_ns = time.time_ns()
        driven.send("planner", number)
        own, fallback = delays(driven, since_ns)
        record.append((own, fallback))
        driven.until_it_moves()
        assert driven.deaths[-1].node == "planner" and driven.deaths[-1].then == "it was started again"
    if PROMPT:
        assert max(fallback for _, fallback in record) <= 2.0, record
    assert not driven.witness.limits.broken
