"""What a teacher tells its expert."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("mujoco")

from cart import CART, walker

from adapt.distillation.teacher import MOST_INSISTENCE, Teacher

WALKER = walker()
HISTORY, HORIZON = WALKER.history_ticks, WALKER.horizon_ticks
RATE = WALKER.observation_names.index("joint_velocity/slider")
RANGE = 1.0
"""Width of the command's, in the robot file."""


class Listening:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[np.ndarray] = []
        self.begun = 0

    def reset(self) -> None:
        self.begun += 1

    def act(self, fleet: Any, observation: Any, commands: np.ndarray, sent: np.ndarray) -> np.ndarray:
        self.told.append(commands)
        return np.zeros_like(sent)


def told(commanded: float, rates: np.ndarray, **options: float) -> list[np.ndarray]:
    """What the expert of one robot is told, tick by tick, while it moves at these rates."""
    commands = np.full((1, len(rates) + HORIZON + 1, 1), commanded)
    expert = Listening()
    teacher = Teacher(WALKER, expert, commands, **options)
    for rate in rates:
        truth = np.zeros((1, WALKER.observation_size))
        truth[0, RATE] = rate
        teacher.act(None, truth, np.zeros((1, 1)))  # type: ignore[arg-type]
    assert expert.begun == 1 and all(each.shape == (1, HORIZON + 1, 1) for each in expert.told)
    return [each[0, :, 0] for each in expert.told]


def test_a_robot_that_does_as_commanded_leaves_the_expert_with_the_command() -> None:
    for each in told(0.1, np.full(40, 0.1), insistence=2.0):
        assert each == pytest.approx(0.1)


def test_the_expert_is_told_the_pace() -> None:
    for each in told(0.1, np.full(40, 0.12), pace=1.2, insistence=2.0):
        assert each == pytest.approx(0.12)


def test_what_was_lacking_over_the_last_history_is_added() -> None:
    found = told(0.1, np.concatenate([np.full(HISTORY, 0.1), np.full(3 * HISTORY, 0.06)]), insistence=1.5)
    assert found[HISTORY] == pytest.approx(0.1)
    assert 0.1 < found[HISTORY + HISTORY // 2][0] < 0.16
    assert found[-1] == pytest.approx(0.1 + 1.5 * 0.04)
    too_fast = told(0.1, np.full(40, 0.2), insistence=1.5)
    assert too_fast[-1] == pytest.approx(0.1 - 1.5 * 0.1)


def test_never_more_than_a_quarter_of_the_range_is_added() -> None:
    for rate, sign in ((-5.0, 1.0), (5.0, -1.0)):
        found = told(0.1, np.full(40, rate), insistence=2.0)
        assert found[-1] == pytest.approx(0.1 + sign * MOST_INSISTENCE * RANGE)


def test_a_commanded_position_is_told_as_it_is() -> None:
    expert = Listening()
    commands = np.random.default_rng(0).uniform(size=(2, 30 + HORIZON + 1, 1))
    teacher = Teacher(CART, expert, commands, pace=1.2, insistence=2.0)
    for _ in range(30):
        teacher.act(None, np.zeros((2, CART.observation_size)), np.zeros((2, 1)))  # type: ignore[arg-type]
    for tick, each in enumerate(expert.told):
        assert np.array_equal(each, commands[:, tick : tick + HORIZON + 1])
