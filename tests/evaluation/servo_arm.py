"""Ticks of a simple arm with the robot file of the SO-101, and a model small enough to train in a test."""

from collections.abc import Iterator

import numpy as np
import torch

from adapt.model.settings import ModelSettings
from adapt.model.windows import Windows, cut_windows
from adapt.model.world_model import WorldModel
from adapt.robot.load import load_robot
from adapt.stream.tick import Tick

ROBOT = load_robot("so101")
START_NS = 1_700_000_000_000_000_000
SMALL = ModelSettings(latent=16, encoder_hidden=16, layers=1, heads=2, feed_forward=16, linear_rank=16)


def motion(length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and targets, each (length, 6): servos that go a third of the way each tick, and sag."""
    generator = np.random.default_rng(seed)
    time = np.arange(length)[:, None] * 0.04
    rate, phase = generator.uniform(0.5, 4.0, 6), generator.uniform(0, 6, 6)
    target = 0.5 * np.sin(rate * time + phase)
    position = np.zeros((length, 6))
    position[0] = target[0]
    for tick in range(1, length):
        position[tick] = position[tick - 1] + 0.3 * (target[tick - 1] - 0.03 - position[tick - 1])
    return position, target


def ticks_of(length: int, seed: int, first: int = 0) -> Iterator[Tick]:
    for index, (position, target) in enumerate(zip(*motion(length, seed), strict=True), start=first):
        valid = np.ones(6, dtype=bool)
        yield Tick(
            index,
            START_NS + index * 40_000_000,
            position,
            valid,
            target,
            target,
            target,
            "",
            ROBOT.schema_hash,
        )


def windows_of(length: int, seed: int) -> Windows:
    position, target = motion(length, seed)
    return cut_windows(position, target, target, ROBOT.history_ticks, ROBOT.horizon_ticks)


def random_windows(count: int) -> Windows:
    generator = torch.Generator().manual_seed(count)
    length = ROBOT.history_ticks + 1 + ROBOT.horizon_ticks
    return Windows(
        torch.randn(count, length, 6, generator=generator),
        torch.randn(count, length - 1, 6, generator=generator),
        torch.zeros(count, length, 0),
    )


def small_model() -> WorldModel:
    torch.manual_seed(0)
    model = WorldModel(ROBOT, SMALL)
    model.scaling.fit(windows_of(300, 5), ROBOT.history_ticks)
    return model.eval()
