"""The stand-in as a real process over DDS."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

from listener import Listener
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from ros_nodes.base import to_nanoseconds

pytestmark = pytest.mark.ros
JOINTS = ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"]


def start(*parameters: str) -> subprocess.Popen[str]:
    arguments = [part for parameter in parameters for part in ("-p", parameter)]
    command = [sys.executable, "-m", "ros_nodes.stand_in_node", "--ros-args", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@contextmanager
def running(*parameters: str) -> Iterator[None]:
    """Ends with SIGINT, after which the node must leave in order."""
    process = start("robot:=so101", *parameters)
    try:
        yield
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


def stamps(messages: list[JointState]) -> list[int]:
    return [to_nanoseconds(message.header.stamp) for message in messages]


def command(values: list[float], names: list[str] = JOINTS) -> JointState:
    return JointState(name=names, position=values)


def test_behind_the_topics_of_the_hardware(domain: int) -> None:
    with Listener(domain) as listener, running("scenario:=ideal", "pose:=[0.4]"):
        states: list[Any] = listener.hear(JointState, "/joint_states")
        commands = listener.speaker(JointState, "/joint_commands")
        listener.until(lambda: len(states) > 5)
        assert states[-1].name == JOINTS and len(states[-1].velocity) == 6
        np.testing.assert_allclose(states[-1].position, 0.4, atol=0.15)
        now_ns = listener.node.get_clock().now().nanoseconds
        assert 0 <= now_ns - stamps(states)[-1] < 5e9
        # In another order, and with one joint too many.
        commands.publish(command([9.0, 1.0, *[0.4] * 5], ["extra", *reversed(JOINTS)]))
        listener.until(lambda: states[-1].position[5] > 0.8)
        np.testing.assert_allclose(states[-1].position[:5], 0.4, atol=0.15)
        assert all(later > earlier for earlier, later in itertools.pairwise(stamps(states)))


def test_refuses_what_it_cannot_do_and_lives(domain: int) -> None:
    with Listener(domain) as listener, running("scenario:=ideal"):
        states: list[Any] = listener.hear(JointState, "/joint_states")
        commands = listener.speaker(JointState, "/joint_commands")
        faults = listener.speaker(String, "/stand_in/set")

        def change(value: float) -> bool:
            faults.publish(String(data=json.dumps({"field": "payload_mass", "value": value})))
            return any(event["detail"].get("value") == value for event in listener.events)

        # Until its events are heard, which takes its time in DDS.
        listener.until(lambda: change(0.1))
        wrong = [
            "no JSON",
            "[]",
            '{"field": "payload_mas", "value": 1}',
            '{"field": "payload_mass", "value": -1}',
            '{"field": ["payload_mass"], "value": 1}',
            '{"field": "payload_mass", "value": NaN}',
            '{"speed": 2}',
        ]
        for text in wrong:
            faults.publish(String(data=text))
        listener.until(lambda: listener.kinds().count("stand_in_refused") == len(wrong))
        assert {event["severity"] for event in listener.events if event["kind"] == "stand_in_refused"} == {
            "error"
        }
        listener.until(lambda: change(0.2))
        for message in (command([float("nan")] * 6), command([0.1], ["gripper"]), command([0.1])):
            commands.publish(message)
        listener.until(lambda: "command_refused" in listener.kinds())
        count = len(states)
        listener.until(lambda: len(states) > count + 5)
        np.testing.assert_array_less(np.abs(states[-1].position), 0.2)


def test_somebody_puts_it_back(domain: int) -> None:
    with Listener(domain) as listener, running("scenario:=ideal", "pose:=[0.2]"):
        states: list[Any] = listener.hear(JointState, "/joint_states")
        commands = listener.speaker(JointState, "/joint_commands")
        hand = listener.speaker(String, "/stand_in/set")
        listener.until(lambda: len(states) > 5)
        commands.publish(command([0.8] * 6))
        listener.until(lambda: states[-1].position[0] > 0.7)

        def put_back() -> bool:
            hand.publish(String(data='{"put_back": true}'))
            return "stand_in_put_back" in listener.kinds()

        listener.until(put_back)
        listener.until(lambda: abs(states[-1].position[0] - 0.2) < 0.1)


def test_simulated_time_comes_from_it_and_follows_its_speed(domain: int) -> None:
    with Listener(domain) as listener, running("publish_clock:=true", "speed:=20"):
        clocks: list[Any] = listener.hear(Clock, "/clock")
        states: list[Any] = listener.hear(JointState, "/joint_states")
        listener.until(lambda: len(states) > 100)
        times = [to_nanoseconds(clock.clock) for clock in clocks]
        assert set(np.diff(times) % 5_000_000) == {0}
        assert set(np.diff(stamps(states)) % 20_000_000) <= {0}
        # Its time is its own: near its beginning, and not that of the wall.
        assert 10**9 <= times[0] < times[-1] < 10**9 + 3600 * 10**9
        assert stamps(states)[-1] <= times[-1] + 20_000_000

        hand = listener.speaker(String, "/stand_in/set")

        def slow_down() -> bool:
            hand.publish(String(data='{"speed": 0.5}'))
            return "stand_in_changed" in listener.kinds()

        listener.until(slow_down)
        count, began = len(clocks), time.monotonic()
        listener.until(lambda: len(clocks) > count + 100)
        times = [to_nanoseconds(clock.clock) for clock in clocks[count:]]
        assert set(np.diff(times)) == {5_000_000}
        assert time.monotonic() - began > 0.5 * 100 * 0.005 / 0.5

        hand.publish(String(data='{"speed": 0}'))
        listener.until(lambda: "stand_in_refused" in listener.kinds())


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (["robot:=so101", "scenario:=nowhere"], "there are: cold, hard_used"),
        (["robot:=so101", "pose:=[0.1, 0.2]"], "2 numbers for 6 joints"),
        (["robot:=so101", "rate_hz:=-1.0"], "must be above 0"),
        (["robot:=so101", "scenari:=cold"], "'scenari'"),
        ([], "'robot' is missing"),
    ],
)
def test_wrong_parameters_end_with_one_line(domain: int, parameters: list[str], reason: str) -> None:
    process = start(*parameters)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2 and reason in errors, errors
