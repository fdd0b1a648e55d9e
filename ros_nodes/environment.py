"""Whether ROS 2 may start here at all. Imports no ROS, so that it can speak before ROS crashes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from adapt.errors import UserError

SOURCED = ("AMENT_PREFIX_PATH", "ROS_DISTRO")


def refuse_mixed_installations(environment: Mapping[str, str]) -> None:
    """Refuse ROS 2 from the package index in a shell where another ROS 2 is sourced.

    The libraries of the two are mixed by their search paths and crash in C++, with no word on why.
    The wheels themselves set neither variable.

    Raises:
        UserError: both are there; the message names the variable and the cure.
    """
    try:
        wheels = version("ros-rclpy")
    except PackageNotFoundError:
        return
    for variable in SOURCED:
        if variable in environment:
            raise UserError(
                f"environment: {variable}={environment[variable]} is set, but this Python has a ROS 2 of its"
                f" own (ros-rclpy {wheels}): use a shell in which no setup.bash was sourced"
            )
