"""What a plan is worth."""

from __future__ import annotations

import torch
from torch import Tensor

from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification


class TrackingReward:
    """Reward of following the command, exact from the robot file: nothing of it is learned.

    The cost of an error e is sqrt(1 + (e / scale)^2) - 1 for each tracked entry (pseudo-Huber):
    quadratic for small errors and linear for large ones, so that one lost joint does not drown the others.
    """

    def __init__(self, specification: RobotSpecification, device: torch.device):
        """Prepare for one robot.

        Raises:
            UserError: nothing is said to track the command.
        """
        if -1 in specification.command_anchor:
            raise UserError(
                f"robot '{specification.name}': key 'task.command.tracks' is missing: name the channel that "
                "should follow the command"
            )
        self._tracked = torch.tensor(specification.command_anchor, device=device)
        self._scale = specification.task.tracking_scale
        self._effort = specification.task.effort_weight

    def error(self, observation: Tensor, command: Tensor) -> Tensor:
        """What is wanted minus what is expected. Shapes (..., T, O) and (T, C) to (..., T, C)."""
        return command - observation[..., self._tracked]

    def __call__(self, observation: Tensor, action: Tensor, before: Tensor, command: Tensor) -> Tensor:
        """Reward of each step.

        Args:
            observation: shape (N, T, O), after each action.
            action: shape (N, T, A).
            before: shape (A,), the action before the first.
            command: shape (T, C), for each observation.

        Returns:
            shape (N, T).
        """
        error = self.error(observation, command) / self._scale
        cost = ((1.0 + error.square()).sqrt() - 1.0).sum(-1)
        previous = torch.cat([before.expand(len(action), 1, -1), action[:, :-1]], dim=1)
        change = (action - previous) / self._scale
        return -cost - self._effort * change.square().sum(-1)
