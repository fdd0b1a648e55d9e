"""Few trials, honest intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the interval that covers the true one with the confidence asked for.

    Attributes:
        mean: the figure.
        low, high: ends of the interval.
        n: independent trials behind it.
    """

    mean: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Mean of independent trials with Student's t interval.

    It is chosen over the bootstrap, which covers too rarely where trials are fewer than about 20.

    Raises:
        ValueError: there are fewer than two trials, or one is not finite.
    """
    trials = np.asarray(values, dtype=np.float64)
    if len(trials) < 2 or not np.isfinite(trials).all():
        raise ValueError(f"an interval needs two or more finite trials, not {trials.tolist()}")
    mean = float(trials.mean())
    half = float(stats.t.ppf(0.5 + confidence / 2, len(trials) - 1) * stats.sem(trials))
    return Estimate(mean, mean - half, mean + half, len(trials))


def paired_difference(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Mean of first - second, where trial i of both had the same conditions.

    Raises:
        ValueError: the lengths differ; and as `mean_interval`.
    """
    return mean_interval([one - other for one, other in zip(first, second, strict=True)], confidence)


def mean_ratio(
    numerators: Sequence[float], denominators: Sequence[float], confidence: float = 0.95
) -> Estimate:
    """Ratio of two means, where trial i of both had the same conditions.

    The interval is that of the linearised ratio (delta method), by Student's t.

    Raises:
        ValueError: the lengths differ, the denominators' mean is zero; and as `mean_interval`.
    """
    over, under = mean_interval(numerators, confidence).mean, mean_interval(denominators, confidence).mean
    if under == 0.0:
        raise ValueError("the mean of the denominators is zero")
    ratio = over / under
    pairs = zip(numerators, denominators, strict=True)
    return mean_interval([ratio + (one - ratio * other) / under for one, other in pairs], confidence)


def proportion_interval(successes: int, trials: int, confidence: float = 0.95) -> Estimate:
    """Share of successes with Wilson's score interval.

    Raises:
        ValueError: there are no trials, or more successes than trials.
    """
    interval = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Estimate(successes / trials, float(interval.low), float(interval.high), trials)
