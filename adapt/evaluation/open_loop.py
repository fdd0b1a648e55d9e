"""Open-loop error: what was foretold for the whole horizon against what came, and what is easily beaten."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from adapt.model.windows import Windows
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray


class Forecaster(Protocol):
    """Anything that foretells observations, such as a WorldModel."""

    def forecast(self, windows: Windows) -> Tensor:
        """Observations of the horizon, shape (B, T, O), from the past and the actions of B windows."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class OpenLoopError:
    """Root mean squares of forecast - seen, in the unit of the observation.

    Attributes:
        total: over windows, horizon and entries.
        by_entry: shape (O,) or as many as were chosen.
        by_step: shape (T,), from one tick ahead to the whole horizon.
        by_window: shape (B,), in the order of the windows.
    """

    total: float
    by_entry: FloatArray
    by_step: FloatArray
    by_window: FloatArray


@torch.no_grad()
def open_loop_error(
    model: Forecaster, windows: Windows, entries: slice | None = None, batch: int = 512
) -> OpenLoopError:
    """Measure forecasts on windows, `batch` of them at once.

    Args:
        model: makes the forecasts.
        windows: B windows, at least one.
        entries: the observation entries that count, all of one unit; all where not given.
        batch: bounds the memory; it changes the result by rounding only.

    Raises:
        ValueError: there is no window, or a forecast is not finite.
    """
    parts = []
    for start in range(0, len(windows), batch):
        some = windows.select(slice(start, start + batch))
        forecast = model.forecast(some)
        seen = some.observation[:, -forecast.shape[1] :]
        parts.append((forecast - seen)[..., entries or slice(None)].double().square())
    return summarised(parts)


def summarised(parts: Sequence[Tensor]) -> OpenLoopError:
    """The error, from its squares in batches of windows, each of shape (B, T, O).

    Raises:
        ValueError: there is no window, or a square is not finite.
    """
    if not parts:
        raise ValueError("an error needs at least one window")
    squares = torch.cat(list(parts)).double()
    total = math.sqrt(float(squares.mean()))
    if not math.isfinite(total):
        raise ValueError("a forecast is not finite")

    def root(*dimensions: int) -> FloatArray:
        return squares.mean(dimensions).sqrt().numpy()

    return OpenLoopError(total, root(0, 1), root(0, 2), root(1, 2))


def pooled(parts: Sequence[OpenLoopError]) -> OpenLoopError:
    """The errors over the windows of all parts together, in order."""
    counts = np.array([len(part.by_window) for part in parts])

    def root(values: Sequence[FloatArray]) -> FloatArray:
        return np.sqrt(np.average(np.square(np.stack(values)), axis=0, weights=counts))

    return OpenLoopError(
        float(root([np.array(part.total) for part in parts])),
        root([part.by_entry for part in parts]),
        root([part.by_step for part in parts]),
        np.concatenate([part.by_window for part in parts]),
    )


class HoldLast:
    """Foretells that everything stays as it is."""

    def __init__(self, specification: RobotSpecification):
        self._history, self._horizon = specification.history_ticks, specification.horizon_ticks

    def forecast(self, windows: Windows) -> Tensor:
        """See `Forecaster`."""
        now = windows.observation[:, self._history]
        return now[:, None].expand(-1, self._horizon, -1)


class CommandPlusOffset:
    """Foretells that each entry keeps its distance from the action that targets it; others stay."""

    def __init__(self, specification: RobotSpecification):
        self._hold = HoldLast(specification)
        self._history = specification.history_ticks
        self._targeted = [(a, o) for a, o in enumerate(specification.action_anchor) if o >= 0]

    def forecast(self, windows: Windows) -> Tensor:
        """See `Forecaster`."""
        result = self._hold.forecast(windows).clone()
        before = windows.action[:, self._history - 1]
        for action, entry in self._targeted:
            moved = windows.action[:, self._history :, action] - before[:, None, action]
            result[..., entry] += moved
        return result
