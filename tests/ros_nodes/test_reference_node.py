"""The reference as a real process over DDS, and its set-points."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from geometry_msgs.msg import TwistStamped
from listener import Listener
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory

from adapt.robot.load import load_robot
from adapt.robot.simulation import Commands
from adapt.stream.decode import read_field
from adapt.stream.reference import Reference
from ros_nodes.base import LATCHED, RELIABLE, to_nanoseconds
from ros_nodes.reference_node import SetPoints

pytestmark = pytest.mark.ros
ARM, DOG = load_robot("so101"), load_robot("go2")


def start(*parameters: str) -> subprocess.Popen[str]:
    arguments = [part for parameter in parameters for part in ("-p", parameter)]
    command = [sys.executable, "-m", "ros_nodes.reference_node", "--ros-args", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@contextmanager
def running(*parameters: str) -> Iterator[subprocess.Popen[str]]:
    process = start(*parameters)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors


def test_a_set_point_is_repeated_and_ends_with_zero(domain: int) -> None:
    with Listener(domain) as listener, running("robot:=go2", "command:=0.5 0 -0.1") as process:
        heard: list[Any] = []
        listener.node.create_subscription(TwistStamped, "/cmd_vel", heard.append, RELIABLE)
        listener.until(lambda: len(heard) > 3)
        process.send_signal(signal.SIGINT)
        listener.until(lambda: not read_field(heard[-1], DOG.task.command).any())
    assert read_field(heard[0], DOG.task.command).tolist() == [0.5, 0.0, -0.1]
    stamps = [to_nanoseconds(each.header.stamp) for each in heard]
    assert 0 < np.median(np.diff(stamps)) < 0.2e9


def test_a_path_begins_where_the_arm_stands_once_it_is_armed(domain: int) -> None:
    pose = np.linspace(-0.3, 0.4, 6)
    with Listener(domain) as listener, running("robot:=so101", "seed:=3"):
        paths: list[JointTrajectory] = []
        listener.node.create_subscription(JointTrajectory, "/reference", paths.append, LATCHED)
        states = listener.speaker(JointState, "/joint_states")
        safety = listener.node.create_publisher(String, "/adapt/safety_state", LATCHED)
        safety.publish(String(data="dry_run"))
        message = JointState(name=list(ARM.action.entries), position=pose.tolist())
        listener.node.create_timer(0.02, lambda: states.publish(message))
        listener.until(lambda: safety.get_subscription_count() and states.get_subscription_count())
        assert not paths
        safety.publish(String(data="armed"))
        listener.until(lambda: paths)
    reference = Reference(ARM.task.command)
    reference.feed(paths[0], 0)
    begin_ns = to_nanoseconds(paths[0].header.stamp)
    values = reference.at(begin_ns + np.arange(0, 20 * 10**9, 10**7))
    np.testing.assert_allclose(values[0], pose, atol=1e-6)
    assert np.isfinite(values).all() and np.ptp(values, axis=0).max() > 0.1
    low, high = np.array([each.position for each in ARM.action.limits.values()]).T
    assert (values >= low).all() and (values <= high).all()


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        (["robot:=go2", "command:=0.5 0"], "'0.5 0' is not one number for each of linear.x, linear.y"),
        (["robot:=go2", "command:=fast"], "'fast' is not one number for each of"),
        (["robot:=go2", "command:=nan 0 0"], "'nan 0 0' is not one number for each of"),
        (["robot:=so101", "command:=0.5 0 0"], "robot 'so101' follows paths, not set-points"),
    ],
)
def test_wrong_parameters_end_it_with_one_line(domain: int, parameters: list[str], told: str) -> None:
    process = start(*parameters)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2 and errors.count("\n") == 1 and told in errors, errors


def test_random_set_points_hold_a_while_within_their_ranges() -> None:
    settings = Commands(ranges={"linear.x": (-0.5, 1.0)}, hold_s=(2.0, 5.0), zero_share=0.2)
    set_points = SetPoints(DOG, "", settings, np.random.default_rng(0))
    values = np.array([set_points.at(number * 10**8) for number in range(6000)])
    assert (values[:, 0] >= -0.5).all() and (values[:, 0] <= 1.0).all() and not values[:, 1:].any()
    changes = np.flatnonzero(np.diff(values[:, 0]))
    assert 100 < len(changes) < 300 and np.diff(changes).min() >= 20
    assert 0.1 < (values[:, 0] == 0).mean() < 0.3
