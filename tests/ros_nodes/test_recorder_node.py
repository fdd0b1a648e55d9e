"""The recorder and the player as real processes over DDS."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy")

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from adapt.bags.incident import list_incidents  # noqa: E402
from adapt.bags.reader import bag_info, read_bag  # noqa: E402
from adapt.bags.topic import standard_types  # noqa: E402
from adapt.bags.writer import BagWriter  # noqa: E402
from ros_nodes.base import LATCHED, RELIABLE  # noqa: E402

pytestmark = pytest.mark.ros
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def node(domain: int) -> Iterator[Node]:
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    made = rclpy.create_node("tester", context=context)
    made.test_executor = SingleThreadedExecutor(context=context)
    made.test_executor.add_node(made)
    yield made
    made.test_executor.shutdown()
    made.destroy_node()
    rclpy.shutdown(context=context)


def start(module: str, *parameters: str) -> subprocess.Popen[str]:
    arguments = [part for parameter in parameters for part in ("-p", parameter)]
    return subprocess.Popen(
        [sys.executable, "-m", f"ros_nodes.{module}", "--ros-args", *arguments],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


def spin_until(node: Node, condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        node.test_executor.spin_once(timeout_sec=0.05)


def events_of(node: Node) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    node.create_subscription(String, "/adapt/event", lambda m: events.append(json.loads(m.data)), RELIABLE)
    return events


def test_an_incident_holds_all_that_was_sent(node: Node, tmp_path: Path) -> None:
    process = start(
        "recorder_node",
        "robot:=so101",
        f"store:={tmp_path}",
        "before_s:=20",
        "after_s:=0.5",
        "longest_s:=30.0",
    )
    try:
        events = events_of(node)
        states = node.create_publisher(JointState, "/joint_states", RELIABLE)
        versions = node.create_publisher(String, "/adapt/model_version", LATCHED)
        told = node.create_publisher(String, "/adapt/event", RELIABLE)
        client = node.create_client(Trigger, "/recorder/trigger")
        assert client.wait_for_service(timeout_sec=10)
        spin_until(
            node, lambda: states.get_subscription_count() and node.count_publishers("/adapt/event") > 1
        )
        versions.publish(String(data="pretrained"))

        def send(first: int, last: int) -> None:
            for number in range(first, last):
                message = JointState(name=["gripper"], position=[float(number)])
                message.header.stamp = node.get_clock().now().to_msg()
                states.publish(message)
                node.test_executor.spin_once(timeout_sec=0.002)

        send(0, 300)
        answer = client.call_async(Trigger.Request())
        spin_until(node, answer.done)
        assert answer.result().success
        sent = 300
        while not any(event["kind"] == "incident" for event in events):
            send(sent, sent + 50)
            sent += 50
            assert sent < 100_000

        incident = list_incidents(tmp_path)[0]
        path = next(event["detail"]["path"] for event in events if event["kind"] == "incident")
        assert Path(path) == incident.folder and incident.card.trigger == "operator"
        numbers = [message.position[0] for *_, message in read_bag(incident.bag, ["/joint_states"])]
        # The first may be sent before the recorder has found the sender.
        assert numbers[0] < 100 and numbers[-1] > 300
        assert numbers == list(range(int(numbers[0]), int(numbers[-1]) + 1))
        assert incident.card.versions == ("pretrained",)

        fault = {"stamp_ns": 0, "node": "safety", "kind": "fault", "severity": "error", "detail": {}}
        told.publish(String(data=json.dumps(fault)))
        spin_until(node, lambda: len(list_incidents(tmp_path)) == 2)
        assert list_incidents(tmp_path)[1].card.trigger == "fault"
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors


def test_what_is_open_at_the_end_is_written(node: Node, tmp_path: Path) -> None:
    process = start(
        "recorder_node", "robot:=so101", f"store:={tmp_path}", "continuous:=true", "after_s:=30.0"
    )
    client = node.create_client(Trigger, "/recorder/trigger")
    assert client.wait_for_service(timeout_sec=10)
    spin_until(node, lambda: node.count_publishers("/adapt/event") > 0)
    told = node.create_publisher(String, "/adapt/event", RELIABLE)
    spin_until(node, lambda: told.get_subscription_count() > 0)
    told.publish(String(data="no event"))
    assert told.wait_for_all_acked(rclpy.duration.Duration(seconds=5))
    answer = client.call_async(Trigger.Request())
    spin_until(node, answer.done)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert len(list_incidents(tmp_path)) == 1
    recording = next((tmp_path / "recordings").iterdir())
    assert bag_info(recording).topic("/adapt/event").messages >= 1


@pytest.mark.parametrize(
    ("module", "parameters", "reason"),
    [
        ("recorder_node", ["robot:=so101", "bfore_s:=3.0"], "bfore_s"),
        ("recorder_node", ["robot:=so101", "ring_s:=5.0"], "'longest_s'"),
        ("recorder_node", ["robot:=so101", "before_s:=-1.0"], "before_s"),
        ("recorder_node", [], "'robot' is missing"),
        ("player_node", [], "'bag' of node 'player' is missing"),
        ("player_node", ["bag:=/not/there"], "/not/there: no such bag"),
    ],
)
def test_wrong_parameters_end_with_one_line(module: str, parameters: list[str], reason: str) -> None:
    process = start(module, *parameters)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2 and reason in errors, errors


def test_a_bag_is_played_with_stamps_of_now(node: Node, tmp_path: Path) -> None:
    types = standard_types().types
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/joint_states", "sensor_msgs/msg/JointState")
        for number in range(100):
            sent_ns = 10**18 + number * 10_000_000
            seconds, nanoseconds = divmod(sent_ns - 2_000_000, 10**9)
            stamp = types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
            header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="arm")
            message = types["sensor_msgs/msg/JointState"](
                header, ["gripper"], np.array([number / 3]), np.empty(0), np.empty(0)
            )
            writer.write_message("/joint_states", sent_ns, message)
    received: list[JointState] = []
    events = events_of(node)
    node.create_subscription(JointState, "/joint_states", received.append, RELIABLE)
    before_ns = node.get_clock().now().nanoseconds
    process = start("player_node", f"bag:={tmp_path / 'bag'}")
    spin_until(node, lambda: any(event["kind"] == "playback_finished" for event in events))
    spin_until(node, lambda: len(received) >= 100)
    after_ns = node.get_clock().now().nanoseconds
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert [message.position[0] for message in received] == [number / 3 for number in range(100)]
    assert received[0].header.frame_id == "arm"
    stamps = [message.header.stamp.sec * 10**9 + message.header.stamp.nanosec for message in received]
    assert [later - earlier for earlier, later in itertools.pairwise(stamps)] == [10_000_000] * 99
    assert before_ns - 2_000_000 < stamps[0] and stamps[-1] < after_ns
