"""What a teacher tells its expert."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("mujoco")

from cart import CART, walker
from hypothesis import given
from hypothesis import strategies as st

from adapt.distillation.teacher import MOST_INSISTENCE, Teacher, at_pace
from adapt.robot.load import load_robot
from adapt.robot.specification import RobotSpecification

WALKER, DOG = walker(), load_robot("go2")
FORWARD, SIDEWAYS, TURN = 0, 1, 2
WIDTHS = np.array([1.5, 0.6, 1.0])
"""Of the dog's commands, in its robot file."""
SEEN = [DOG.observation_names.index(name) for name in ("base_linear_velocity/x", "base_linear_velocity/y")]
SEEN += [DOG.observation_names.index("base_angular_velocity/z")]


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


def told(
    commanded: Any,
    moves: np.ndarray,
    spec: RobotSpecification = DOG,
    seen: list[int] = SEEN,
    **options: float,
) -> np.ndarray:
    """What the expert of one robot is told of now, tick by tick, while it moves at these rates, (L, V)."""
    commands = np.full((1, len(moves) + spec.horizon_ticks + 1, spec.command_size), commanded)
    expert = Listening()
    teacher = Teacher(spec, expert, commands, **options)
    for move in moves:
        truth = np.zeros((1, spec.observation_size))
        truth[0, seen] = move
        teacher.act(None, truth, np.zeros((1, spec.action_size)))  # type: ignore[arg-type]
    assert expert.begun == 1
    assert all(each.shape == (1, spec.horizon_ticks + 1, spec.command_size) for each in expert.told)
    assert all((each == each[:, :1]).all() for each in expert.told)
    return np.array([each[0, 0] for each in expert.told])


def test_a_robot_that_does_as_commanded_leaves_the_expert_with_the_command() -> None:
    found = told([0.5, 0.1, 0.2], np.tile([0.5, 0.1, 0.2], (40, 1)), insistence=2.0)
    np.testing.assert_allclose(found, np.tile([0.5, 0.1, 0.2], (40, 1)), atol=1e-12)


def test_the_expert_is_told_the_pace() -> None:
    found = told([0.5, 0.0, 0.0], np.tile([0.6, 0.0, 0.0], (40, 1)), pace=1.2, insistence=2.0)
    np.testing.assert_allclose(found[-1], [0.6, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(at_pace(DOG, np.array([0.5, 0.0, 0.1]), 1.2), [0.6, 0.0, 0.12])


def test_what_was_lacking_aside_over_the_last_history_is_added_and_the_pace_is_left_alone() -> None:
    still = np.tile([0.5, 0.0, 0.0], (DOG.history_ticks, 1))
    veers = np.tile([0.3, 0.02, 0.08], (3 * DOG.history_ticks, 1))
    found = told([0.5, 0.0, 0.0], np.concatenate([still, veers]), insistence=1.5)
    np.testing.assert_allclose(found[DOG.history_ticks], [0.5, 0.0, 0.0], atol=1e-12)
    half = found[DOG.history_ticks + DOG.history_ticks // 2]
    assert half[FORWARD] == pytest.approx(0.5) and -0.12 < half[TURN] < 0.0
    np.testing.assert_allclose(found[-1], [0.5, -1.5 * 0.02, -1.5 * 0.08], atol=1e-12)


def test_one_who_should_stand_is_told_to_go_back_whichever_way_it_drifts() -> None:
    found = told([0.0, 0.0, 0.0], np.tile([0.04, -0.02, 0.1], (40, 1)), insistence=1.0)
    np.testing.assert_allclose(found[-1], [-0.04, 0.02, -0.1], atol=1e-12)


def test_never_more_than_a_quarter_of_the_range_is_added() -> None:
    for sign in (-1.0, 1.0):
        found = told([0.5, 0.0, 0.0], np.tile([0.5, sign * 5.0, sign * 5.0], (40, 1)), insistence=2.0)
        np.testing.assert_allclose(found[-1] - [0.5, 0.0, 0.0], -sign * MOST_INSISTENCE * WIDTHS * [0, 1, 1])


@given(
    st.tuples(*[st.floats(-1.0, 1.0) for _ in range(3)]),
    st.tuples(*[st.floats(-0.1, 0.1) for _ in range(3)]),
)
def test_what_is_added_is_at_right_angles_to_what_was_commanded(
    commanded: tuple[float, ...], drift: tuple[float, ...]
) -> None:
    moves = np.tile(np.array(commanded) + drift, (DOG.history_ticks + 2, 1))
    added = told(commanded, moves, insistence=0.1)[-1] - commanded
    assert added / WIDTHS @ (np.array(commanded) / WIDTHS) == pytest.approx(0.0, abs=1e-9)
    assert np.linalg.norm(added / WIDTHS) <= 0.1 * np.linalg.norm(np.array(drift) / WIDTHS) + 1e-12


def test_a_robot_with_one_velocity_has_a_pace_and_nothing_beside_it() -> None:
    rate = [WALKER.observation_names.index("joint_velocity/slider")]
    found = told(0.1, np.full((40, 1), 0.05), WALKER, rate, pace=1.2, insistence=2.0)
    np.testing.assert_allclose(found, 0.12)


def test_a_commanded_position_is_told_as_it_is() -> None:
    expert, horizon = Listening(), CART.horizon_ticks
    commands = np.random.default_rng(0).uniform(size=(2, 30 + horizon + 1, 1))
    teacher = Teacher(CART, expert, commands, pace=1.2, insistence=2.0)
    for _ in range(30):
        teacher.act(None, np.zeros((2, CART.observation_size)), np.zeros((2, 1)))  # type: ignore[arg-type]
    for tick, each in enumerate(expert.told):
        assert np.array_equal(each, commands[:, tick : tick + horizon + 1])
