"""Scaling between the robot file's units and numbers of order one, stored with the weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from adapt.model.windows import Windows

SMALLEST_DEVIATION = 1e-6


class Scaling(nn.Module):
    """Means and standard deviations by entry.

    An action or command that is a set-point of an observation (its anchor) is described relative to what
    that observation is *now*: a servo's answer depends on how far it is told to go, not on where it
    stands. Observations are described as they are and as their change since now.
    """

    observation_mean: Tensor
    observation_deviation: Tensor
    change_deviation: Tensor
    action_mean: Tensor
    action_deviation: Tensor
    command_mean: Tensor
    command_deviation: Tensor
    reward_mean: Tensor
    reward_deviation: Tensor
    value_mean: Tensor
    value_deviation: Tensor
    action_anchor: Tensor
    command_anchor: Tensor
    vector: Tensor

    def __init__(
        self,
        observation_size: int,
        vector: Sequence[int],
        action_anchor: Sequence[int],
        command_anchor: Sequence[int],
    ):
        """`vector` are the observation entries that are no cells of a map; an anchor of -1 is none."""
        super().__init__()
        sizes = {
            "observation": observation_size,
            "action": len(action_anchor),
            "command": len(command_anchor),
            "reward": 1,
            "value": 1,
        }
        for name, size in sizes.items():
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_deviation", torch.ones(size))
        self.register_buffer("change_deviation", torch.ones(len(vector)))
        self.register_buffer("vector", torch.tensor(vector), persistent=False)
        self.register_buffer("action_anchor", torch.tensor(action_anchor), persistent=False)
        self.register_buffer("command_anchor", torch.tensor(command_anchor), persistent=False)

    def fit(self, windows: Windows, history: int) -> None:
        """Set the means and deviations of observation, action and command from data.

        Args:
            windows: at least two windows.
            history: H of the windows.
        """
        now = windows.observation[:, history]
        observation = windows.observation.flatten(0, 1)
        self.observation_mean.copy_(observation.mean(0))
        self.observation_deviation.copy_(observation.std(0).clamp_min(SMALLEST_DEVIATION))
        change = (windows.observation - now[:, None])[..., self.vector].flatten(0, 1)
        self.change_deviation.copy_(change.square().mean(0).sqrt().clamp_min(SMALLEST_DEVIATION))
        for name, values, anchor in (
            ("action", windows.action, self.action_anchor),
            ("command", windows.command, self.command_anchor),
        ):
            relative = _relative(values, now, anchor).flatten(0, 1)
            mean = torch.where(anchor >= 0, torch.zeros_like(relative[0]), relative.mean(0))
            deviation = (relative - mean).square().mean(0).sqrt().clamp_min(SMALLEST_DEVIATION)
            getattr(self, f"{name}_mean").copy_(mean)
            getattr(self, f"{name}_deviation").copy_(deviation)

    def fit_scores(self, reward: Tensor, value: Tensor) -> None:
        """Set the means and deviations of rewards and values, of any shapes, from data."""
        for name, values in (("reward", reward), ("value", value)):
            getattr(self, f"{name}_mean").copy_(values.mean()[None])
            getattr(self, f"{name}_deviation").copy_(values.std()[None].clamp_min(SMALLEST_DEVIATION))

    def observation(self, values: Tensor) -> Tensor:
        """Scale observations as they are. Shape (..., O)."""
        return (values - self.observation_mean) / self.observation_deviation

    def change(self, values: Tensor, now: Tensor) -> Tensor:
        """Scale the change of the vector observations since now. Shapes (B, L, O), (B, O) to (B, L, V)."""
        return (values - now[:, None])[..., self.vector] / self.change_deviation

    def unscale_change(self, change: Tensor, now: Tensor) -> Tensor:
        """Undo `change`; height maps stay as they are now. Shapes (B, L, V) and (B, O) to (B, L, O)."""
        observation = now[:, None].repeat(1, change.shape[1], 1)
        return observation.index_add(-1, self.vector, change * self.change_deviation)

    def action(self, values: Tensor, now: Tensor) -> Tensor:
        """Scale actions, anchored ones relative to now. Shapes (B, L, A) and (B, O) to (B, L, A)."""
        return (_relative(values, now, self.action_anchor) - self.action_mean) / self.action_deviation

    def unscale_action(self, values: Tensor, now: Tensor) -> Tensor:
        """Undo `action`. Shapes (B, L, A) and (B, O) to (B, L, A)."""
        return values * self.action_deviation + self.action_mean + _anchored(now, self.action_anchor)[:, None]

    def command(self, values: Tensor, now: Tensor) -> Tensor:
        """Scale commands, anchored ones relative to now. Shapes (B, L, C) and (B, O) to (B, L, C)."""
        return (_relative(values, now, self.command_anchor) - self.command_mean) / self.command_deviation


def _anchored(now: Tensor, anchor: Tensor) -> Tensor:
    """What each entry is relative to: its observation now, or 0. Shapes (B, O) and (A,) to (B, A)."""
    return torch.where(anchor >= 0, now[:, anchor.clamp_min(0)], torch.zeros((), dtype=now.dtype))


def _relative(values: Tensor, now: Tensor, anchor: Tensor) -> Tensor:
    return values - _anchored(now, anchor)[:, None]
