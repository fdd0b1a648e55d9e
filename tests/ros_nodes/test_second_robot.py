"""The whole stack with a robot that shares topics, carries no stamps on some, and has no dead time."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

from cart_pole_stack import cart_pole
from listener import Listener
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory

from adapt.model.checkpoint import load_card
from adapt.stream.tick import Tick
from adapt.stream.tick_message import decode_tick
from ros_nodes.base import LATCHED, RELIABLE, to_nanoseconds
from ros_nodes.up import Stack

pytestmark = pytest.mark.ros
PERIOD_NS = 20_000_000


def test_messages_become_ticks_and_proposals_leave_as_soon_as_they_are_planned(
    domain: int, tmp_path: Path
) -> None:
    given = cart_pole(tmp_path, {"samples": 4, "iterations": 1})
    assert given.checkpoint is not None
    version = load_card(given.checkpoint).version
    with Stack(given) as stack, Listener(domain) as listener:
        stack.start()
        ticks: list[Any] = []
        proposals: list[JointTrajectory] = []
        listener.node.create_subscription(Float64MultiArray, "/adapt/tick", ticks.append, RELIABLE)
        listener.node.create_subscription(JointTrajectory, "/adapt/proposal", proposals.append, RELIABLE)
        forces: list[Any] = listener.hear(Float64MultiArray, "/force")
        states: list[Any] = listener.hear(JointState, "/joint_states")
        states_of_safety: list[Any] = []
        listener.node.create_subscription(
            String, "/adapt/safety_state", lambda each: states_of_safety.append(each.data), LATCHED
        )
        listener.until(lambda: ticks and proposals)
        stack.arm()

        def complete() -> list[Tick]:
            known = [tick for tick in map(decode_tick, ticks) if tick.version]
            return [tick for tick in known if tick.complete]

        listener.until(lambda: len(complete()) >= 30)

        # A planner that dies: nothing is pushed any more.
        planner = stack.processes["planner"]
        os.kill(planner.pid, signal.SIGKILL)
        listener.until(lambda: states_of_safety[-1] == "fallback")
        listener.until(lambda: forces[-1].data[0] == 0.0)
        assert not [death for death in stack.deaths() if death.node != "planner"]

    assert list(states[-1].name) == ["slider", "hinge"]
    assert len(states[-1].position) == len(states[-1].velocity) == 2
    assert all(len(force.data) == 1 and abs(force.data[0]) <= 10.0 for force in forces)

    made = {to_nanoseconds(each.header.stamp): each.points[0].positions[0] for each in proposals}
    known = [tick for tick in map(decode_tick, ticks) if tick.version]
    assert {tick.version for tick in known} == {version}
    for tick in known:
        within = [made[stamp] for stamp in sorted(made) if 0 <= stamp - tick.stamp_ns < PERIOD_NS]
        # The listener is late at the beginning.
        assert not within or tick.proposed[0] == within[-1]
    assert {tick.command[0] for tick in complete()} == {0.25}
    moved = np.array([tick.observation for tick in complete()])
    assert np.isfinite(moved).all() and np.ptp(moved, axis=0).min() > 0
