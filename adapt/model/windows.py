"""Windows: what happened before an instant and after it, as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Windows:
    """B windows around an instant, all in the units of the robot file.

    H is the history and T the horizon, in ticks; "now" is tick H of the window.

    Attributes:
        observation: shape (B, H + 1 + T, O).
        action: shape (B, H + T, A); action i leads from observation i to observation i + 1.
        command: shape (B, H + 1 + T, C).
    """

    observation: Tensor
    action: Tensor
    command: Tensor

    def __len__(self) -> int:
        return int(self.observation.shape[0])

    def select(self, index: Tensor | slice) -> Windows:
        """The windows at `index`."""
        return Windows(self.observation[index], self.action[index], self.command[index])

    @staticmethod
    def join(parts: list[Windows]) -> Windows:
        """All windows of `parts`, in order."""
        return Windows(
            torch.cat([part.observation for part in parts]),
            torch.cat([part.action for part in parts]),
            torch.cat([part.command for part in parts]),
        )


def cut_windows(
    observation: npt.NDArray[np.floating],
    action: npt.NDArray[np.floating],
    command: npt.NDArray[np.floating],
    history: int,
    horizon: int,
    stride: int = 1,
) -> Windows:
    """Every `stride`-th window of one unbroken run of L ticks.

    Args:
        observation: shape (L, O).
        action: shape (L, A), the action applied from each tick to the next.
        command: shape (L, C).
        history: H.
        horizon: T.
        stride: ticks between the starts of two windows.

    Returns:
        float32 windows; none where the run is shorter than H + 1 + T.
    """
    length = history + 1 + horizon
    starts = np.arange(0, len(observation) - length + 1, stride)
    index = starts[:, None] + np.arange(length)[None]

    def gather(values: npt.NDArray[np.floating], columns: npt.NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values[columns], dtype=np.float32))

    return Windows(gather(observation, index), gather(action, index[:, :-1]), gather(command, index))
