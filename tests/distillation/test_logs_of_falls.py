"""What is looked at of the logs of a robot that falls."""

from __future__ import annotations

import numpy as np

from adapt.distillation.pieces import Reader
from adapt.robot.load import load_robot

GO2 = load_robot("go2")
READER = Reader(GO2)


def pieces(tilt_degrees: np.ndarray) -> list[list[float]]:
    """The first joint of each piece that is found, which counts the ticks; the robot moves all the time."""
    count, tilt = len(tilt_degrees), np.radians(tilt_degrees)
    observation = np.zeros((count, GO2.observation_size))
    observation[:, GO2.channel_slice("joint_position")] = np.arange(count)[:, None]
    observation[:, GO2.channel_slice("projected_gravity")] = np.stack(
        [np.sin(tilt), np.zeros(count), -np.cos(tilt)], axis=1
    )
    found = READER.pieces([(observation, np.arange(count)[:, None] * np.ones(GO2.action_size))])
    joint = READER.names.index("joint_position/FR_hip_joint")
    return [[each[joint, 0], each[joint, -1]] for each in found]


def test_a_robot_that_has_fallen_is_not_looked_at_but_how_it_falls_is() -> None:
    ticks = READER.ticks
    upright, fallen = np.full(ticks + 5, 45.0), np.array([61.0, 90.0, 120.0, 180.0, 70.0, 61.0])
    assert pieces(np.concatenate([upright, fallen, upright])) == [
        [0, ticks - 1],
        [ticks + 11, 2 * ticks + 10],
    ]
    assert pieces(np.full(4 * ticks, 75.0)) == []
    assert len(pieces(np.full(4 * ticks, -59.0))) == 4
