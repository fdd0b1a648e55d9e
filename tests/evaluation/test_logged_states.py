import pytest
import torch

pytest.importorskip("mujoco")

from adapt.errors import UserError
from adapt.evaluation.closed_loop import Trial
from adapt.evaluation.logged_states import logged_states
from adapt.robot.load import load_robot

ARM = load_robot("so101")


def trial(seconds: float) -> Trial:
    return Trial(ARM, "ideal", "direct", seconds)


def test_states_are_whole_and_of_different_ticks() -> None:
    states = logged_states(trial(3.0), 0, 4)
    assert len(states) == 4
    for state in states:
        assert state.observation.shape == (ARM.history_ticks + 1, 6)
        assert state.action.shape == (ARM.history_ticks, 6)
        assert state.sent.shape == (1, 6) and state.command.shape == (ARM.horizon_ticks, 6)
        assert all(each.isfinite().all() for each in (state.observation, state.action, state.command))
        # The arm follows: what is under way is near to where it is, and so is what comes next.
        assert (state.sent[0] - state.observation[-1]).abs().max() < 0.3
        assert (state.command[0] - state.observation[-1]).abs().max() < 0.3
    assert not torch.equal(states[0].observation, states[1].observation)
    again = logged_states(trial(3.0), 0, 4)
    assert all(
        torch.equal(one.observation, other.observation) for one, other in zip(states, again, strict=True)
    )


def test_an_episode_without_a_state_is_refused_with_the_cure() -> None:
    with pytest.raises(UserError, match="give more --seconds"):
        logged_states(trial(0.1), 0, 4)
