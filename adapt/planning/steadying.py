"""What should stand still does: the command is shifted by what lately drifted."""

from __future__ import annotations

import torch
from torch import Tensor

from adapt.robot.specification import RobotSpecification


class Steadying:
    """Integral action on those entries of a set-point that are commanded to be zero.

    A learned return is flat near its best: whether a walker turns by a few degrees a second hardly counts in
    it, and yet the robot faces sideways after ten. So what the model does not tell is measured: as
    in offset-free predictive control (Pannocchia and Rawlings, AIChE Journal 2003), the error that stays is
    integrated, and the policy is asked for as much less. An entry that is commanded to move is left
    alone, since while it gets there its error is no offset.
    """

    def __init__(
        self, specification: RobotSpecification, deviation: Tensor, time_constant_s: float, bound: float
    ):
        """Prepare for one robot.

        Args:
            specification: which observation entries tell how the command is followed.
            deviation: shape (C,), of the commands that the policy was trained on.
            time_constant_s: of the integration.
            bound: the largest shift, relative to `deviation`.
        """
        anchor = torch.tensor(specification.command_anchor, device=deviation.device)
        self._anchor = anchor.clamp_min(0)
        self._measured = anchor >= 0
        self._bound = bound * deviation
        self._gain = specification.period_s / time_constant_s
        self._shift = torch.zeros_like(deviation)

    def reset(self) -> None:
        """Forget what drifted."""
        self._shift = torch.zeros_like(self._shift)

    def __call__(self, observation: Tensor, command: Tensor) -> Tensor:
        """Take one more tick, and shift the command. A measurement that is not finite is left out.

        Args:
            observation: shape (O,), now.
            command: shape (T, C), of the ticks after now.

        Returns:
            shape (T, C), what to ask the policy for.
        """
        drift = observation[self._anchor].nan_to_num(0.0, 0.0, 0.0)
        shift = torch.minimum(torch.maximum(self._shift - self._gain * drift, -self._bound), self._bound)
        still = self._measured & (command == 0.0).all(0)
        self._shift = torch.where(still, shift, torch.zeros_like(shift))
        return command + self._shift
