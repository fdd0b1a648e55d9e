"""ROS 2 from the package index in a shell where another one is sourced ends at once, with the cure."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from adapt.errors import UserError
from ros_nodes import environment
from ros_nodes.environment import (
    PROFILES,
    SOURCED,
    THIS_MACHINE,
    avoid_shared_memory,
    is_on_this_machine,
    open_discovery,
    refuse_mixed_installations,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "version", lambda _: "9.1.2")


@pytest.mark.usefixtures("wheels")
@pytest.mark.parametrize("variable", SOURCED)
def test_wheels_in_a_sourced_shell_are_refused(variable: str) -> None:
    with pytest.raises(UserError, match=f"{variable}=/opt/ros.*use a shell in which"):
        refuse_mixed_installations({variable: "/opt/ros/jazzy"})


@pytest.mark.usefixtures("wheels")
def test_wheels_alone_are_fine() -> None:
    refuse_mixed_installations({"PATH": "/usr/bin"})


def test_a_sourced_ros_alone_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(environment, "version", missing)
    refuse_mixed_installations({"ROS_DISTRO": "jazzy"})


def test_a_node_says_it_in_one_line_before_ros_is_imported() -> None:
    try:
        metadata.version("ros-rclpy")
    except metadata.PackageNotFoundError:
        pytest.skip("ROS 2 is not from the package index here")
    ended = subprocess.run(
        [sys.executable, "-m", "ros_nodes.safety_node"],
        env={**os.environ, "ROS_DISTRO": "jazzy"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1 and "ROS_DISTRO=jazzy" in ended.stderr


def test_a_local_range_is_kept_without_shared_memory() -> None:
    environment = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    avoid_shared_memory(environment)
    assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SYSTEM_DEFAULT"
    assert environment["FASTDDS_DEFAULT_PROFILES_FILE"] == THIS_MACHINE and is_on_this_machine(environment)
    once = dict(environment)
    avoid_shared_memory(environment)
    assert environment == once
    open_to_all: dict[str, str] = {}
    avoid_shared_memory(open_to_all)
    assert open_to_all == {"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"} and not is_on_this_machine(open_to_all)
    chosen = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "FASTRTPS_DEFAULT_PROFILES_FILE": "mine.xml"}
    avoid_shared_memory(chosen)
    assert chosen["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"


@pytest.mark.ros
@pytest.mark.parametrize("discovery", ["LOCALHOST", "SUBNET"])
def test_a_node_has_no_thread_for_shared_memory(discovery: str) -> None:
    pytest.importorskip("rclpy")
    code = (
        "import glob, ros_nodes, rclpy; rclpy.init(); node = rclpy.create_node('x');"
        "print([name for name in map(lambda each: open(each).read(), glob.glob('/proc/self/task/*/comm'))"
        " if name.startswith('dds.')])"
    )
    given = {key: value for key, value in os.environ.items() if key not in PROFILES}
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={**given, "ROS_AUTOMATIC_DISCOVERY_RANGE": discovery},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "dds.udp" in shown and "dds.shm" not in shown


@pytest.mark.parametrize(
    ("environment", "warned"),
    [
        ({}, True),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, True),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, False),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "ROS_STATIC_PEERS": "10.0.0.7"}, True),
        ({"ROS_LOCALHOST_ONLY": "1"}, False),
        ({"ROS_LOCALHOST_ONLY": "1", "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, True),
        ({"ROS_SECURITY_ENABLE": "true"}, True),
        ({"ROS_SECURITY_ENABLE": "true", "ROS_SECURITY_STRATEGY": "Enforce"}, False),
    ],
)
def test_discovery_beyond_this_machine_is_warned_of_where_nothing_is_secured(environment, warned):
    assert (open_discovery(environment) is not None) == warned
