"""What is looked at of the logs of a robot that falls."""

from __future__ import annotations

import numpy as np

from adapt.distillation.logs import on_its_feet
from adapt.learning.segment import SegmentTicks
from adapt.robot.load import load_robot

GO2 = load_robot("go2")


def test_a_robot_that_lies_is_not_looked_at() -> None:
    tilt = np.radians([0, 5, 30, 59, 61, 120, 180, 70, 20, 0, 80])
    observation = np.arange(len(tilt), dtype=np.float64)[:, None] * np.ones(GO2.observation_size)
    gravity = np.stack([np.sin(tilt), np.zeros_like(tilt), -np.cos(tilt)], axis=1)
    observation[:, GO2.channel_slice("projected_gravity")] = gravity
    applied = np.arange(len(tilt), dtype=np.float64)[:, None] * np.ones(GO2.action_size)
    stamps = np.arange(len(tilt)) * 20_000_000
    stretches = list(on_its_feet(GO2, SegmentTicks(stamps, observation, applied)))
    assert [seen[:, 0].tolist() for seen, _ in stretches] == [[0, 1, 2, 3], [8, 9]]
    assert [done[:, 0].tolist() for _, done in stretches] == [[0, 1, 2, 3], [8, 9]]
