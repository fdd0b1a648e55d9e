"""Messages and bags for the tests of this room."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from adapt.bags.topic import standard_types
from adapt.bags.writer import BagWriter

START_NS = 1_700_000_000_000_000_000
JOINT_STATE = "sensor_msgs/msg/JointState"
JOINTS = ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")


def joint_state(stamp_ns: int, position: list[float], names: tuple[str, ...] = JOINTS) -> object:
    types = standard_types().types
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    stamp = types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
    return types[JOINT_STATE](
        header=types["std_msgs/msg/Header"](stamp=stamp, frame_id=""),
        name=list(names),
        position=np.array(position, dtype=np.float64),
        velocity=np.empty(0),
        effort=np.empty(0),
    )


def text(data: str) -> object:
    return standard_types().types["std_msgs/msg/String"](data=data)


def write_joint_bag(
    folder: Path, count: int = 200, period_ns: int = 20_000_000, topics: tuple[str, ...] = ("/joint_states",)
) -> Path:
    """A bag whose k-th message on each topic has k as its first position and a few chunks in all."""
    with BagWriter(folder, chunk_bytes=4096) as writer:
        for topic in topics:
            writer.add_topic(topic, JOINT_STATE)
        for index in range(count):
            stamp_ns = START_NS + index * period_ns
            for topic in topics:
                writer.write_message(topic, stamp_ns, joint_state(stamp_ns, [float(index)] + [0.5] * 5))
    return folder
