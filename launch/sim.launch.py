"""The nodes and a stand-in robot. It moves after: adapt safety arm --why ..."""

from dataclasses import replace

from launch import LaunchDescription

from ros_nodes.launch_description import describe


def generate_launch_description() -> LaunchDescription:
    """See the file's text; `ros2 launch adapt sim.launch.py --show-args` lists the arguments."""
    return describe(
        lambda common, given: replace(
            common,
            sim=True,
            scenario=given["scenario"] or None,
            command=given["command"] or None,
            simulated_time=given["simulated_time"] == "true",
        ),
        {
            "scenario": ("", "hidden hardware, by name or path; empty for the robot file's"),
            "command": ("", "set-point to follow, such as '0.5 0 0'; empty for random ones"),
            "simulated_time": ("false", "true: the stand-in publishes /clock"),
        },
    )
