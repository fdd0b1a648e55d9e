import numpy as np
import pytest
import torch
from servo_arm import ROBOT, random_windows

from adapt.evaluation.open_loop import CommandPlusOffset, HoldLast, open_loop_error


class Shifted:
    """Foretells what comes, wrong by a known amount at each step and entry."""

    def __init__(self, error: torch.Tensor):
        self._error = error

    def forecast(self, windows):
        return windows.observation[:, ROBOT.history_ticks + 1 :] + self._error


def test_the_error_is_told_by_entry_by_step_and_by_window():
    steps = torch.arange(1.0, ROBOT.horizon_ticks + 1)[:, None]
    joints = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0, 2.0])
    error = open_loop_error(Shifted(steps * joints), random_windows(5))
    spread = np.sqrt(np.mean(steps.numpy() ** 2))
    np.testing.assert_allclose(error.by_entry, spread * joints.numpy(), rtol=1e-5)
    np.testing.assert_allclose(error.by_step, steps[:, 0] * np.sqrt(5 / 6), rtol=1e-5)
    np.testing.assert_allclose(error.by_window, np.full(5, error.total), rtol=1e-5)
    assert error.total == pytest.approx(spread * np.sqrt(5 / 6), rel=1e-5)


def test_the_size_of_a_batch_does_not_matter():
    windows = random_windows(11)
    one, other = (open_loop_error(HoldLast(ROBOT), windows, batch=size) for size in (3, 512))
    assert one.total == pytest.approx(other.total, rel=1e-9)
    np.testing.assert_allclose(one.by_window, other.by_window)


def test_only_the_entries_asked_for_count():
    error = open_loop_error(
        Shifted(torch.tensor([0.0, 0.0, 3.0, 0.0, 0.0, 0.0])), random_windows(4), slice(2, 3)
    )
    assert error.total == pytest.approx(3.0, rel=1e-5)
    assert error.by_entry.shape == (1,)


def test_command_plus_offset_is_right_for_a_servo_that_follows_at_once_with_an_offset():
    windows = random_windows(6)
    windows.observation[:, 1:] = windows.action + torch.linspace(-0.2, 0.3, 6)
    assert open_loop_error(CommandPlusOffset(ROBOT), windows).total < 1e-6
    assert open_loop_error(HoldLast(ROBOT), windows).total > 0.1


def test_hold_last_is_right_for_what_stands_still():
    windows = random_windows(3)
    windows.observation[:] = windows.observation[:, :1]
    assert open_loop_error(HoldLast(ROBOT), windows).total == 0.0


def test_no_windows_and_forecasts_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="at least one window"):
        open_loop_error(HoldLast(ROBOT), random_windows(0))
    with pytest.raises(ValueError, match="not finite"):
        open_loop_error(Shifted(torch.tensor(float("nan"))), random_windows(2))
