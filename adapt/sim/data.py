"""Simulated experience, as every simulator gives it and every shard of a data set holds it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch

from adapt.model.reward import TaskReward
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """E episodes of L ticks each, in the units and order of the robot file (see `Tick`).

    Attributes:
        observation: shape (E, L, O), at s_k = t_k - sampling_delay_s.
        action: shape (E, L, A), average command in force in [t_k, t_k + period).
        command: shape (E, L, C), the reference at s_k.
        expert_action: shape (E, L, A), what the expert would have sent at t_k, seeing the true state.
        reward: shape (E, L), of the tick's action: what the robot file's task says of the observation
            one tick later.
    """

    observation: Float32Array
    action: Float32Array
    command: Float32Array
    expert_action: Float32Array
    reward: Float32Array

    def __len__(self) -> int:
        return len(self.observation)

    def select(self, episodes: npt.NDArray[np.bool_]) -> Dataset:
        """Some of the episodes, by a mask of shape (E,)."""
        return Dataset(**{each.name: getattr(self, each.name)[episodes] for each in fields(self)})

    @property
    def not_finite(self) -> str | None:
        """The name of an array with numbers that are not finite."""
        return next(
            (each.name for each in fields(self) if not np.isfinite(getattr(self, each.name)).all()), None
        )


def rewards(
    spec: RobotSpecification, observation: FloatArray, action: FloatArray, command: FloatArray
) -> FloatArray:
    """The reward of each action but the last, whose end is not known.

    Args:
        spec: the robot; its task says what is rewarded.
        observation: shape (E, L + 1, O).
        action: shape (E, L + 1, A).
        command: shape (E, L + 1, C).

    Returns:
        shape (E, L).

    Raises:
        UserError: nothing is said to track the command.
    """
    formula = TaskReward(spec, torch.device("cpu"))
    seen, done, wanted = (
        torch.from_numpy(np.ascontiguousarray(each)) for each in (observation, action, command)
    )
    reward = formula(seen[:, 1:], done[:, :-1], done[:, :1], wanted[:, 1:])
    return np.asarray(reward.numpy())
