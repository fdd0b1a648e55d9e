"""Students that drive, and experts that say what they would have done."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mujoco")

from cart import CART, LATE, Telling, untrained_student, walker

from adapt.distillation.student import Drives, roll_out
from adapt.robot.specification import RobotSpecification
from adapt.sim.conditions import make_conditions
from adapt.sim.experts import make_expert

ROBOTS = [make_conditions({"body/pole/mass": mass}) for mass in (0.05, 0.1, 0.2)]
WAIT, HORIZON = CART.history_ticks, CART.horizon_ticks


def commands(ticks: int) -> np.ndarray:
    return np.full((len(ROBOTS), ticks + 1 + HORIZON, 1), 0.2)


def driven(spec: RobotSpecification, student: object, ticks: int = 40, **options: object) -> Drives:
    return roll_out(spec, ROBOTS, commands(ticks), student, None, np.random.default_rng(0), **options)  # type: ignore[arg-type]


def test_a_student_waits_for_a_history_and_is_commanded_nothing_meanwhile() -> None:
    drives = driven(CART, Telling())
    assert (drives.action[:, :WAIT] == 0.0).all()
    assert (drives.command[:, :WAIT] == 0.0).all() and (drives.command[:, WAIT:] == 0.2).all()
    assert (drives.action[:, WAIT:] != 0.0).any(axis=(1, 2)).all()


@pytest.mark.parametrize(("spec", "late"), [(CART, 0), (LATE, 1)])
def test_where_the_robot_has_a_dead_time_an_action_leaves_a_tick_after_it_was_planned(
    spec: RobotSpecification, late: int
) -> None:
    drives = driven(spec, Telling())
    planned_from = drives.observation[:, WAIT : 40 - late, 0]
    sent = drives.action[:, WAIT + late :, 0]
    assert np.allclose(sent, np.clip(planned_from + late, -10.0, 10.0), atol=1e-6)


def test_the_expert_is_asked_in_the_state_that_the_student_came_to() -> None:
    expert = make_expert(CART, None, 0)
    drives = roll_out(CART, ROBOTS, commands(30), None, expert, np.random.default_rng(0))
    assert drives.label is not None
    assert np.array_equal(drives.action[:, WAIT:], drives.label[:, WAIT:])
    again = roll_out(CART, ROBOTS, commands(30), None, make_expert(CART, None, 0), np.random.default_rng(0))
    assert np.array_equal(drives.observation, again.observation)


def test_the_expert_is_told_the_action_of_the_tick_before_whoever_drives() -> None:
    told: list[np.ndarray] = []

    class Listening:
        def reset(self) -> None: ...

        def act(self, fleet: object, observation: object, ahead: object, sent: np.ndarray) -> np.ndarray:
            told.append(sent.copy())
            return np.zeros_like(sent)

    drives = roll_out(LATE, ROBOTS, commands(20), Telling(), Listening(), np.random.default_rng(0))  # type: ignore[arg-type]
    assert np.array_equal(np.stack(told[1:], axis=1), drives.action[:, :-1])


@pytest.mark.parametrize(("robot", "dead_time"), [(CART, 0), (LATE, 1)])
def test_an_expert_bears_the_dead_time_that_its_student_has(
    robot: RobotSpecification, dead_time: int
) -> None:
    class Counting:
        ticks = 0

        def reset(self) -> None: ...

        def act(self, fleet: object, observation: object, ahead: object, sent: np.ndarray) -> np.ndarray:
            self.ticks += 1
            return np.full_like(sent, 0.01 * self.ticks)

    drives = roll_out(robot, ROBOTS, commands(20), None, Counting(), np.random.default_rng(0))  # type: ignore[arg-type]
    assert drives.label is not None
    sent = drives.action[:, WAIT + dead_time :]
    assert np.array_equal(sent, drives.label[:, WAIT : drives.label.shape[1] - dead_time])


def test_a_disturbance_moves_the_robot_and_no_label() -> None:
    calm, stirred = driven(CART, untrained_student()), driven(CART, untrained_student(), disturbance=2.0)
    assert np.abs(stirred.action - calm.action)[:, WAIT:].mean() > 0.1
    assert np.abs(stirred.action).max() <= 10.0


def test_pace_is_what_was_made_of_a_commanded_velocity_by_those_that_did_not_fall() -> None:
    ticks, at = 40, CART.observation_names.index("joint_velocity/slider")
    wanted = np.random.default_rng(0).uniform(-1.0, 1.0, size=(2, ticks + 1 + HORIZON, 1))
    observation = np.zeros((2, ticks, CART.observation_size))
    observation[:, :, at] = 1.1 * wanted[:, :ticks, 0]
    observation[1] = 100.0
    drives = Drives(observation, np.zeros((2, ticks, 1)), wanted, None, np.array([ticks, 30]))
    assert drives.pace(walker()) == pytest.approx(1.1)
    assert drives.pace(CART) is None  # a position is no pace


def test_only_what_was_driven_before_a_fall_is_rewarded() -> None:
    drives = driven(CART, untrained_student())
    early = np.array([WAIT + 5, 40, 40])
    fallen = Drives(drives.observation.copy(), drives.action, drives.command, None, early)
    reward = float(fallen.rewards(CART).mean())
    fallen.observation[0, WAIT + 10 :] = 100.0
    assert float(fallen.rewards(CART).mean()) == reward and fallen.has_fallen.sum() == 1
    fallen.observation[0, WAIT + 2] = 100.0
    assert float(fallen.rewards(CART).mean()) < reward
