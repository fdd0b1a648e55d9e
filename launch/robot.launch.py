"""The nodes beside a real robot, whose driver runs already. It moves after: adapt safety arm --why ..."""

from dataclasses import replace

from launch import LaunchDescription

from ros_nodes.launch_description import describe


def generate_launch_description() -> LaunchDescription:
    """See the file's text; `ros2 launch adapt robot.launch.py --show-args` lists the arguments."""
    return describe(
        lambda common, given: replace(common, dry_run=given["dry_run"] == "true"),
        {"dry_run": ("false", "true: never send a command")},
    )
