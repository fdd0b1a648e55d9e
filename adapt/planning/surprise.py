"""Is the robot still the one that the model knows? A sequential test on predicted against seen."""

from __future__ import annotations

from collections import deque

import numpy as np
from pydantic import Field

from adapt.settings import Settings
from adapt.stream.tick import FloatArray

SMALLEST_ERROR = 1e-3


class SurpriseSettings(Settings):
    """When predictions count as wrong."""

    baseline_ticks: int = Field(default=125, gt=1)
    """Ticks over which the usual error is learned, after every start and every new version."""
    still: float = Field(default=0.03, ge=0)
    """A tick in which neither prediction nor robot moved by this much tells nothing and is left out, in
    units of an ordinary change: errors at rest are small, and no measure of those in motion."""
    allowance: float = Field(default=1.25, gt=0)
    """An error must exceed the usual one by this many of its standard deviations to count at all."""
    threshold: float = Field(default=30.0, gt=0)
    """Accumulated excess at which the test speaks, in standard deviations."""
    largest_step: float = Field(default=5.0, gt=0)
    """One tick counts for no more than this, so that a single outlier is no alarm."""


class Surprise:
    """A cumulative sum over the excess of the prediction error (Page, Biometrika 1954).

    The error of a tick is the root mean square, over the observation, of what came minus what was
    expected some ticks before, in logarithm, since prediction errors are skewed and differ by robot.
    """

    def __init__(self, settings: SurpriseSettings):
        self._settings = settings
        self._baseline: deque[float] = deque(maxlen=settings.baseline_ticks)
        self.statistic = 0.0

    def reset(self) -> None:
        """Learn the usual error anew."""
        self._baseline.clear()
        self.statistic = 0.0

    def observe(self, before: FloatArray, predicted: FloatArray, seen: FloatArray) -> bool:
        """Compare one observation with its prediction, all in units of an ordinary change of each entry.

        Args:
            before: shape (M,), the observation from which the prediction was made.
            predicted: shape (M,).
            seen: shape (M,).

        Returns:
            True at the tick at which the test decides that predictions have become wrong; it then
            begins anew, so that a lasting change is told again after each new decision.
        """
        motion = max(_size(predicted - before), _size(seen - before))
        if motion < self._settings.still:
            return False
        error = float(np.log(_size(seen - predicted) + SMALLEST_ERROR))
        if len(self._baseline) < self._settings.baseline_ticks:
            self._baseline.append(error)
            return False
        usual, spread = float(np.mean(self._baseline)), float(np.std(self._baseline)) + 1e-6
        excess = min((error - usual) / spread - self._settings.allowance, self._settings.largest_step)
        self.statistic = max(0.0, self.statistic + excess)
        if self.statistic < self._settings.threshold:
            return False
        self.statistic = 0.0
        return True


def _size(change: FloatArray) -> float:
    return float(np.sqrt(np.mean(change**2)))
