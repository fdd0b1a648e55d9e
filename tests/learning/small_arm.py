"""A small arm of two ideal servos, its ticks, and a tiny model of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from adapt.learning.update import DynamicsUpdate, UpdateSettings
from adapt.model.settings import ModelSettings
from adapt.model.windows import Windows, cut_windows
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import Tick

PERIOD_NS = 40_000_000
START_NS = 1_000_000_000_000
TINY = ModelSettings(latent=16, encoder_hidden=16, layers=1, heads=2, feed_forward=32, linear_rank=8)


def two_joint_arm(**budget: Any) -> RobotSpecification:
    limits = {"position": (-3.0, 3.0), "velocity": 4.0, "acceleration": 60.0}
    return RobotSpecification.model_validate(
        {
            "name": "two_joint_arm",
            "rate_hz": 25,
            "history_ticks": 6,
            "horizon_ticks": 6,
            "channels": {
                "joint_position": {
                    "topic": "/joint_states",
                    "type": "sensor_msgs/msg/JointState",
                    "field": "position",
                    "names": ("shoulder", "elbow"),
                    "unit": "rad",
                    "noise": 0.0005,
                    "max_age_s": 0.1,
                }
            },
            "action": {
                "topic": "/joint_commands",
                "type": "sensor_msgs/msg/JointState",
                "field": "position",
                "unit": "rad",
                "targets": "joint_position",
                "limits": {"shoulder": limits, "elbow": limits},
            },
            "task": {
                "command": {
                    "topic": "/reference",
                    "type": "trajectory_msgs/msg/JointTrajectory",
                    "field": "positions",
                    "names": ("shoulder", "elbow"),
                    "unit": "rad",
                    "tracks": "joint_position",
                },
                "tracking_scale": 0.02,
            },
            "budget": {
                "total_ticks": 15000,
                "adapt": 0.7,
                "gate": 0.2,
                "audit": 0.1,
                **budget,
            },
            "fallback": {"kind": "hold", "deceleration": 30.0},
        }
    )


SCHEMA_HASH = two_joint_arm().schema_hash


def servo_motion(
    length: int, seed: int, stiffness: float = 120.0, damping: float = 16.0, sag: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and targets, each of shape (length, 2), of servos that follow sums of sines."""
    generator = np.random.default_rng(seed)
    time = np.arange(length)[:, None] * PERIOD_NS * 1e-9
    target = sum(
        generator.uniform(0.1, 0.5, 2)
        * np.sin(2 * np.pi * generator.uniform(0.1, 0.8, 2) * time + generator.uniform(0, 6, 2))
        for _ in range(3)
    )
    substeps = 8
    step = PERIOD_NS * 1e-9 / substeps
    position, velocity = target[0].copy(), np.zeros(2)
    positions = np.zeros((length, 2))
    for tick in range(length):
        positions[tick] = position
        for _ in range(substeps):
            velocity += step * (stiffness * (target[tick] - position - sag) - damping * velocity)
            position += step * velocity
    return positions, target


def ticks_of(
    positions: np.ndarray, targets: np.ndarray, first: int = 0, start_ns: int = START_NS
) -> Iterator[Tick]:
    """An unbroken stream of complete ticks."""
    for offset, (position, target) in enumerate(zip(positions, targets, strict=True)):
        yield Tick(
            index=first + offset,
            stamp_ns=start_ns + offset * PERIOD_NS,
            observation=position,
            valid=np.ones(2, dtype=bool),
            command=target,
            proposed=target,
            applied=target,
            version="",
            schema_hash=SCHEMA_HASH,
        )


def still_ticks(count: int, first: int = 0, start_ns: int = START_NS) -> Iterator[Tick]:
    """Ticks whose observation is their number, so that each can be known again."""
    numbers = np.arange(first, first + count, dtype=float)[:, None].repeat(2, axis=1)
    return ticks_of(numbers, numbers, first, start_ns)


def simulated_windows(count: int = 12, seed: int = 100) -> Windows:
    """Windows over servos of many stiffnesses, none of which sags."""
    generator = np.random.default_rng(seed)
    parts = []
    for each in range(count):
        stiffness, damping = generator.uniform(60, 300), generator.uniform(10, 30)
        positions, targets = servo_motion(150, seed + each, stiffness, damping)
        parts.append(cut_windows(positions, targets, targets, 6, 6))
    return Windows.join(parts)


def tiny_model(robot: RobotSpecification, seed: int = 0) -> WorldModel:
    """An untrained model, with its scaling fitted to the simulation."""
    torch.manual_seed(seed)
    model = WorldModel(robot, TINY)
    model.scaling.fit(simulated_windows(4), history=6)
    return model.eval()


def pretrained_model(robot: RobotSpecification, steps: int = 400) -> WorldModel:
    """A model that forecasts the simulated servos fairly well."""
    settings = UpdateSettings(steps=steps, learning_rate=5e-3, pull=0.0)
    update = DynamicsUpdate(settings, tiny_model(robot), None, torch.Generator().manual_seed(0))
    windows = simulated_windows()
    while not update.done:
        update.step(windows)
    return update.finish()
