"""Windows of a data set, read where they lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapt.errors import UserError
from adapt.model.windows import Windows
from adapt.robot.specification import RobotSpecification
from adapt.sim.data import Float32Array
from adapt.sim.manifest import Manifest
from adapt.sim.shards import map_arrays, observation_parts

SEEN_HORIZONS = 3.0
"""A return is known where so many horizons of its episode lie ahead; what lies beyond weighs e^-3 of all."""


@dataclass(frozen=True, slots=True)
class Examples:
    """B windows with what is to be learned of them; tick i of the horizon is tick H + i of the window.

    Attributes:
        windows: what happened.
        expert: shape (B, T, A), what the expert would have done.
        reward: shape (B, T), of each tick of the horizon, for the action it began.
        returns: shape (B, T), discounted sum of the rewards that followed each of these ticks' actions,
            from the next tick on; 0 where the episode ends too soon to know.
        known: shape (B, T), where `returns` is known.
    """

    windows: Windows
    expert: Tensor
    reward: Tensor
    returns: Tensor
    known: Tensor


class Episodes:
    """A data set on disk: memory-mapped, so that its size is bounded by the disk alone."""

    def __init__(self, folder: Path, manifest: Manifest, specification: RobotSpecification) -> None:
        """Open a whole data set.

        Raises:
            UserError: a shard is missing or damaged.
        """
        self.specification = specification
        self.ticks = manifest.ticks
        self._shards = [map_arrays(folder / name) for name in manifest.shard_sizes]
        self._places = [
            (shard, row)
            for shard, size in zip(self._shards, manifest.shard_sizes.values(), strict=True)
            for row in range(size)
        ]

    def __len__(self) -> int:
        return len(self._places)

    def read(self, name: str, episodes: Sequence[int], starts: Sequence[int], length: int) -> Tensor:
        """Slices of `length` ticks of one array of `Dataset`. Shape (B, length, ...), float32.

        Args:
            name: of the array.
            episodes: which episode each slice is of, length B.
            starts: its first tick, length B.
            length: of every slice, in ticks.
        """
        columns: dict[str, Any] = {name: (...,)}
        width: tuple[int, ...] = ()
        if name == "observation":
            parts = observation_parts(self.specification)
            columns = {f"observation/{key}": (..., part) for key, part in parts.items()}
            width = (self.specification.observation_size,)
        elif name != "reward":
            width = self._shards[0][name].shape[2:]
        slices = np.empty((len(episodes), length, *width), np.float32)
        for key, part in columns.items():
            for out, episode, start in zip(slices, episodes, starts, strict=True):
                shard, row = self._places[episode]
                out[part] = shard[key][row, start : start + length]
        return torch.from_numpy(slices)

    def rewards(self) -> Float32Array:
        """Shape (E, L)."""
        return np.concatenate([shard["reward"] for shard in self._shards])


class Sampler:
    """Random windows of some episodes, with the expert's plan, rewards and returns for each."""

    def __init__(self, data: Episodes, episodes: range, value_horizon_s: float) -> None:
        """Look at the episodes of `data` whose number is in `episodes`; see `returns_of` for the horizon."""
        specification = data.specification
        self._data = data
        self._episodes = episodes
        self._history = specification.history_ticks
        self._horizon = specification.horizon_ticks
        self._length = self._history + 1 + self._horizon
        if data.ticks < self._length:
            raise UserError(
                f"the episodes are of {data.ticks} ticks, but a window of robot '{specification.name}' is of "
                f"{self._length}: generate longer ones"
            )
        rewards = data.rewards()[episodes.start : episodes.stop]
        self._rewards = torch.from_numpy(rewards)
        self._returns, self._known = returns_of(self._rewards, specification.period_s / value_horizon_s)

    def draw(self, count: int, generator: torch.Generator) -> Examples:
        """Draw `count` windows."""
        row = torch.randint(len(self._episodes), (count, 1), generator=generator)
        start = torch.randint(self._data.ticks - self._length + 1, (count, 1), generator=generator)
        episodes = [self._episodes[each] for each in row[:, 0].tolist()]
        starts = start[:, 0].tolist()
        nows = [each + self._history for each in starts]
        read = self._data.read
        windows = Windows(
            read("observation", episodes, starts, self._length),
            read("action", episodes, starts, self._length - 1),
            read("command", episodes, starts, self._length),
        )
        ahead = start + self._history + torch.arange(self._horizon)
        return Examples(
            windows,
            read("expert_action", episodes, nows, self._horizon),
            self._rewards[row, ahead],
            self._returns[row, ahead + 1],
            self._known[row, ahead + 1],
        )


def returns_of(rewards: Tensor, decay: float) -> tuple[Tensor, Tensor]:
    """Discounted sums of the rewards from each tick to the end, and where they are as good as whole.

    A reward n ticks ahead counts exp(-n * decay); see SEEN_HORIZONS.

    Args:
        rewards: shape (E, L).
        decay: period over horizon.

    Returns:
        returns, shape (E, L), 0 where unknown, and which are known, shape (E, L), bool.
    """
    returns = rewards.clone()
    for tick in range(rewards.shape[1] - 2, -1, -1):
        returns[:, tick] += math.exp(-decay) * returns[:, tick + 1]
    left = rewards.shape[1] - torch.arange(rewards.shape[1])
    known = (left * decay > SEEN_HORIZONS).expand_as(rewards)
    return torch.where(known, returns, 0.0), known
