"""Nodes that are killed or frozen in mid-motion, as real processes over DDS."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from ros_nodes.fault_stage import Stage
from ros_nodes.up import MOST_RESTARTS, RESTARTS_WITHIN_S

pytestmark = pytest.mark.ros
TIMES = int(os.environ.get("ADAPT_FAULTS", "1"))
"""How often each node is killed; a release is tried with 50."""
MOVING = 0.003
"""A step of a command, rad, above which the arm is in mid-motion."""


def real_time_is_allowed() -> bool:
    code = "import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


PROMPT = real_time_is_allowed()
"""Without it, when a command leaves depends on what else runs here."""


def in_mid_motion(stage: Stage, generator: random.Random) -> int:
    """Wait for a random instant while the arm moves, and its planner is heard; gives it, in ns."""
    period_ns, proposals = 1e9 * stage.witness.robot.period_s, stage.witness.proposals
    # One that was just started drives before we have discovered it.
    stage.until(
        lambda: stage.moves(MOVING) and proposals and time.time_ns() - proposals[-1].received_ns < period_ns,
        "motion",
    )
    time.sleep(generator.uniform(0.0, stage.witness.robot.period_s))
    return time.time_ns()


def events(stage: Stage, kind: str, since_ns: int) -> list[dict[str, Any]]:
    return [each for each in stage.witness.events if each["kind"] == kind and each["stamp_ns"] >= since_ns]


def let_restarts_be_forgotten(stage: Stage, begun_s: float) -> None:
    """Wait, since a node that dies more often than this is not started again."""
    if TIMES > 1:
        stage.wait(max(0.0, begun_s + RESTARTS_WITHIN_S / (MOST_RESTARTS - 1) - time.monotonic()))


def delays(stage: Stage, since_ns: int) -> tuple[float, float]:
    """From when the first proposal that did not come was due, in periods: until the safety node sent a
    command without it, and until it sent the first command of the fallback.
    """
    witness, period_ns = stage.witness, 1e9 * stage.witness.robot.period_s
    stage.until(lambda: events(stage, "safety_fallback", since_ns), "the fallback")
    fallback_ns = events(stage, "safety_fallback", since_ns)[0]["stamp_ns"]
    stage.until(lambda: witness.commands[-1].sent_ns >= fallback_ns, "a command of the fallback")
    with witness.news:
        last_ns = max(each.received_ns for each in witness.proposals if each.sent_ns < fallback_ns)
        # The answer to the last proposal may be sent up to a fifth of a period after it.
        own = next(each for each in witness.commands if each.received_ns > last_ns + 0.25 * period_ns)
        first = next(each for each in witness.commands if each.sent_ns >= fallback_ns)
    due_ns = last_ns + period_ns
    return (own.received_ns - due_ns) / period_ns, (first.received_ns - due_ns) / period_ns


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_planner_that_ends_or_freezes_leaves_the_robot_to_the_fallback_at_once(
    stage: Stage, number: signal.Signals, record_property: Any
) -> None:
    generator = random.Random(int(number))
    measured = []
    for _ in range(TIMES):
        begun_s = time.monotonic()
        since_ns = in_mid_motion(stage, generator)
        process = stage.process("planner")
        os.kill(process.pid, number)
        measured.append(delays(stage, since_ns))
        (fallback,) = events(stage, "safety_fallback", since_ns)
        assert fallback["detail"] == {"from": "running", "reason": "proposal_late"}
        if number == signal.SIGSTOP:
            os.kill(process.pid, signal.SIGCONT)
        else:
            let_restarts_be_forgotten(stage, begun_s)
        stage.until_running()
    own, fallback = np.array(measured).T
    for name, values in (("own", own), ("fallback", fallback)):
        record_property(name, f"median {np.median(values):.2f}, most {values.max():.2f} periods")
    if PROMPT:
        assert fallback.max() <= 2.0, measured
    if number == signal.SIGKILL:
        ended = [death for death in stage.deaths if death.node == "planner"]
        assert len(ended) >= TIMES and all(death.then == "it was started again" for death in ended)
    assert not stage.witness.limits.broken


def killed_beside_the_robot(stage: Stage, node: str, generator: random.Random) -> float:
    """Kill a node without which the robot is driven on; gives the longest gap in its commands, in periods."""
    since_ns = in_mid_motion(stage, generator)
    dead = len(stage.deaths)
    stage.process(node).kill()
    stage.until(lambda: stage.deaths[dead:], "its death")
    stage.wait(0.5)
    with stage.witness.news:
        received = np.array([each.received_ns for each in stage.witness.commands])
    assert not events(stage, "safety_fallback", since_ns)
    (death,) = stage.deaths[dead:]
    assert death.node == node and death.then == "it was started again"
    stage.wait(2.0)
    return float(np.diff(received[received > since_ns]).max() * 1e-9 * stage.witness.robot.rate_hz)


def killed_safety(stage: Stage, generator: random.Random) -> None:
    """Kill the node that alone sends commands: the servos hold, and nothing jumps when it is back."""
    since_ns = in_mid_motion(stage, generator)
    stage.process("safety").kill()
    stage.wait(1.0)
    with stage.witness.news:
        after = [each for each in stage.witness.commands if each.received_ns > since_ns + 1e8]
    assert not after, "nobody else may send commands"
    # It comes back unarmed: only the operator's call sets the robot in motion again.
    stage.until(lambda: "dry_run" in [state for _, state in stage.witness.states[-3:]], "a new safety node")
    assert not [each for each in stage.witness.commands if each.received_ns > since_ns + 1e8]
    stage.until_running()


def test_without_learner_or_recorder_the_robot_is_driven_on_and_without_safety_it_holds(
    stage: Stage, record_property: Any
) -> None:
    generator = random.Random(0)
    gaps = []
    for _ in range(TIMES):
        begun_s = time.monotonic()
        gaps += [killed_beside_the_robot(stage, node, generator) for node in ("learner", "recorder")]
        killed_safety(stage, generator)
        let_restarts_be_forgotten(stage, begun_s)
    record_property("gap", f"median {np.median(gaps):.2f}, most {max(gaps):.2f} periods")
    if PROMPT:
        assert max(gaps) <= 2.0, gaps
    assert not stage.witness.limits.broken
