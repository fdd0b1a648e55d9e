"""A bag as live topics at real speed, and the nodes that learn from it. Nothing is driven."""

from dataclasses import replace
from pathlib import Path

from launch import LaunchDescription

from ros_nodes.launch_description import describe


def generate_launch_description() -> LaunchDescription:
    """See the file's text; `ros2 launch adapt replay.launch.py --show-args` lists the arguments."""
    return describe(
        lambda common, given: replace(common, bag=Path(given["bag"])),
        {"bag": ("", "path of the bag")},
    )
