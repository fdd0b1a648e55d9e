from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from servo import ARM

from adapt.planning.steadying import Steadying
from adapt.robot.specification import RobotSpecification

DEVIATION = torch.full((6,), 0.4)
ZERO = torch.zeros(4, 6)
PERIOD_S = ARM.period_s


def steadying(bound: float = 0.5, time_constant_s: float = 1.0, robot: RobotSpecification = ARM) -> Steadying:
    return Steadying(robot, DEVIATION, time_constant_s, bound)


def test_a_constant_drift_comes_to_rest() -> None:
    """The robot does what it is asked for, plus an offset, as a walker on a slope turns."""
    steady, offset = steadying(), torch.tensor([0.1, -0.15, 0.0, 0.05, 0.0, 0.0])
    asked = torch.zeros(6)
    for _ in range(round(6.0 / PERIOD_S)):
        asked = steady(asked + offset, ZERO)[0]
    torch.testing.assert_close(asked, -offset, atol=1e-3, rtol=0.0)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=6, max_size=60), st.floats(0.0, 1.0))
def test_the_shift_is_bounded_and_finite_whatever_is_measured(values: list[float], bound: float) -> None:
    steady = steadying(bound)
    for start in range(0, len(values) - 5, 6):
        asked = steady(torch.tensor(values[start : start + 6]), ZERO)
        assert (asked.abs() <= bound * DEVIATION + 1e-6).all()


def test_an_entry_that_is_told_to_move_is_left_alone_and_begins_anew() -> None:
    steady, drifting = steadying(), torch.full((6,), 0.2)
    command = ZERO.clone()
    for _ in range(20):
        steady(drifting, command)
    command[-1, 2] = 0.3
    asked = steady(drifting, command)
    assert torch.equal(asked[:, 2], command[:, 2]) and (asked[:, 3] < -0.05).all()
    again = steady(drifting, ZERO)
    assert again[0, 2] == pytest.approx(-0.2 * PERIOD_S) and again[0, 3] < asked[0, 3]


def test_reset_forgets() -> None:
    steady = steadying()
    first = steady(torch.ones(6), ZERO)
    steady(torch.ones(6), ZERO)
    steady.reset()
    assert torch.equal(steady(torch.ones(6), ZERO), first)


def test_what_is_not_measured_is_not_steadied() -> None:
    command = ARM.task.command.model_copy(update={"tracks": None})
    blind = ARM.model_copy(update={"task": ARM.task.model_copy(update={"command": command})})
    assert torch.equal(steadying(robot=blind)(torch.ones(6), ZERO), ZERO)
