import pytest
import torch

from adapt.errors import UserError
from adapt.model.reward import TaskReward
from adapt.robot.load import load_robot

ARM = load_robot("so101")
SCALE, EFFORT = ARM.task.tracking_scale, ARM.task.effort_weight
REWARD = TaskReward(ARM, torch.device("cpu"))
COMMAND = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))


def test_following_at_rest_costs_nothing_and_everything_else_costs() -> None:
    still = torch.ones(6)
    perfect = REWARD(COMMAND[None], still.expand(1, 5, 6), still, COMMAND)
    assert perfect.shape == (1, 5) and perfect.abs().max() < 1e-6
    off = COMMAND[None].clone()
    off[0, 2, 4] += SCALE
    cost = -REWARD(off, still.expand(1, 5, 6), still, COMMAND)[0]
    assert cost[2] == pytest.approx(2**0.5 - 1, rel=1e-4)
    assert cost[[0, 1, 3, 4]].abs().max() < 1e-6


def test_a_large_error_costs_in_proportion() -> None:
    still = torch.zeros(6)

    def cost(error: float) -> float:
        return -float(REWARD(COMMAND[None] + error, still.expand(1, 5, 6), still, COMMAND).sum())

    assert cost(200 * SCALE) / cost(100 * SCALE) == pytest.approx(2.0, abs=0.02)
    assert cost(0.02 * SCALE) / cost(0.01 * SCALE) == pytest.approx(4.0, abs=0.3)


def test_effort_counts_from_the_action_before() -> None:
    before = torch.zeros(6)
    step = torch.full((1, 5, 6), SCALE)
    cost = -REWARD(COMMAND[None], step, before, COMMAND)[0]
    assert cost.tolist() == pytest.approx([6 * EFFORT, 0, 0, 0, 0], abs=1e-6)


def test_a_command_that_nothing_tracks_is_refused() -> None:
    command = ARM.task.command.model_copy(update={"tracks": None})
    robot = ARM.model_copy(update={"task": ARM.task.model_copy(update={"command": command})})
    with pytest.raises(UserError, match=r"robot 'so101': key 'task\.command\.tracks' is missing"):
        TaskReward(robot, torch.device("cpu"))
