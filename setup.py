"""What pip and colcon both need; the rest of the metadata and the dependencies stand in pyproject.toml.

It is said here and not there, because the setuptools of an apt ROS 2 (59 with Humble) reads no [project],
and because colcon cannot read back a requires-python from there.
"""

import sys
from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
NODES = ("planner", "safety", "learner", "recorder", "stand_in", "reference", "player")

scripts = ["adapt = adapt.cli:main"]
if {"install", "develop"} & set(sys.argv):
    # colcon puts these into lib/adapt for `ros2 run`; pip would put them on everybody's PATH.
    scripts += [f"{node} = ros_nodes.{node}_node:main" for node in NODES]


def installed(folder: str, pattern: str) -> list[tuple[str, list[str]]]:
    """The files of a folder that `pattern` names, for the same place below share/adapt."""
    files = [path.relative_to(ROOT) for path in sorted((ROOT / folder).rglob(pattern))]
    return [(f"share/adapt/{path.parent.as_posix()}", [path.as_posix()]) for path in files]


setup(
    name="adapt",
    version=ElementTree.parse(ROOT / "package.xml").findtext("version"),
    python_requires=">=3.10",
    include_package_data=False,
    packages=find_packages(include=["adapt", "adapt.*", "ros_nodes", "ros_nodes.*"]),
    package_data={
        "adapt": ["py.typed", "sim/models/*.xml", "model/checkpoints/*", "evaluation/templates/*"],
        "ros_nodes": ["this_machine.xml"],
    },
    entry_points={"console_scripts": scripts},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/adapt"]),
        ("share/adapt", ["package.xml"]),
        *installed("launch", "*.launch.py"),
        *installed("configs", "*.yaml"),
    ],
    zip_safe=False,
)
