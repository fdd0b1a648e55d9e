"""What the robot file says a motion is worth."""

from __future__ import annotations

import torch
from torch import Tensor

from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification


class TaskReward:
    """Reward of following the command and keeping the goals, exact from the robot file.

    The cost of an error e, in units of its scale, is sqrt(1 + e^2) - 1 for each entry (pseudo-Huber):
    quadratic for small errors and linear for large ones, so that one lost joint does not drown the others.

    Attributes:
        entries: shape (E,), the observation entries whose errors are told.
        scales: shape (E,), of the errors.
        effort: cost of a squared change from one action to the next.
    """

    def __init__(self, specification: RobotSpecification, device: torch.device):
        """Prepare for one robot. E entries are tracked or have a goal.

        Raises:
            UserError: nothing is said to follow the command or to keep a goal.
        """
        task = specification.task
        tracked = specification.command_anchor if -1 not in specification.command_anchor else ()
        if not tracked and not task.goals:
            raise UserError(
                f"robot '{specification.name}': key 'task.command.tracks' is missing: name the channel that "
                "should follow the command, or goals"
            )
        names = specification.observation_names
        self._tracks = bool(tracked)
        self.entries = torch.tensor([*tracked, *(names.index(entry) for entry in task.goals)], device=device)
        self._goals = torch.tensor([goal.value for goal in task.goals.values()], device=device)
        scales = [task.tracking_scale] * len(tracked) + [goal.scale for goal in task.goals.values()]
        self.scales = torch.tensor(scales, device=device)
        self.effort = task.effort_weight / task.tracking_scale**2

    def error(self, observation: Tensor, command: Tensor) -> Tensor:
        """What is wanted minus what is, scaled. Shapes (..., T, O) and (T, C) to (..., T, E)."""
        goals = self._goals.expand(*command.shape[:-1], -1)
        wanted = torch.cat([command, goals], dim=-1) if self._tracks else goals
        return (wanted - observation[..., self.entries]) / self.scales

    def cost(self, observation: Tensor, command: Tensor) -> Tensor:
        """What each entry's error costs. Shapes as for `error`."""
        return (1.0 + self.error(observation, command).square()).sqrt() - 1.0

    def __call__(self, observation: Tensor, action: Tensor, before: Tensor, command: Tensor) -> Tensor:
        """Reward of each step.

        Args:
            observation: shape (N, T, O), after each action.
            action: shape (N, T, A).
            before: shape (A,), the action before the first.
            command: shape (T, C) or (N, T, C), for each observation.

        Returns:
            shape (N, T).
        """
        cost = self.cost(observation, command).sum(-1)
        previous = torch.cat([before.expand(len(action), 1, -1), action[:, :-1]], dim=1)
        return -cost - self.effort * (action - previous).square().sum(-1)
