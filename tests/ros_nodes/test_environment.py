"""ROS 2 from the package index in a shell where another one is sourced ends at once, with the cure."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata

import pytest

from adapt.errors import UserError
from ros_nodes import environment
from ros_nodes.environment import SOURCED, refuse_mixed_installations


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
