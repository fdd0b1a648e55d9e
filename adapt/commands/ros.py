"""The way from the command line to the nodes, which need ROS 2."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from adapt.errors import UserError


def live(module: str) -> Any:
    """The module `ros_nodes.<module>`, imported only now, since nothing else here needs ROS 2.

    Raises:
        UserError: there is no ROS 2 in this Python.
    """
    try:
        return import_module(f"ros_nodes.{module}")
    except ModuleNotFoundError as error:
        raise UserError(
            f"this command needs ROS 2, but this Python has no '{error.name}': source an installed ROS 2,"
            " or install the extra 'ros-wheels'"
        ) from error
