"""MPPI as SimDist publishes it: what the planner is measured against.

After the published code of arXiv 2603.15759: samples around the mean and around the policy's plan; the best
of them, weighed by exp(temperature * return), give the next mean and deviation. Momentum is zero there, and
the mean begins at zero actions, since what is left of the plan before is overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from adapt.settings import Settings

Score = Callable[[Tensor], Tensor]
"""Plans (N, T, A) to their returns (N,)."""
Limit = Callable[[Tensor], Tensor]
"""Plans (..., T, A) to the nearest ones that may be carried out."""


class PublishedSettings(Settings):
    """As published. Deviations are in the unit of the network's action."""

    samples: int = 450
    policy_samples: int = 22
    iterations: int = 8
    elites: int = 64
    temperature: float = 0.25
    deviation: float = 2.0
    smallest_deviation: float = 0.05
    policy_deviation: float = 0.05


@dataclass(frozen=True, slots=True)
class Noise:
    """All randomness of one plan, standard normal.

    Attributes:
        samples: shape (iterations, samples, T, A).
        policy: shape (policy_samples, T, A).
    """

    samples: Tensor
    policy: Tensor


def draw_noise(settings: PublishedSettings, ticks: int, actions: int, generator: torch.Generator) -> Noise:
    """Draw the noise of one plan."""
    return Noise(
        torch.randn(settings.iterations, settings.samples, ticks, actions, generator=generator),
        torch.randn(settings.policy_samples, ticks, actions, generator=generator),
    )


@dataclass(frozen=True, slots=True)
class Start:
    """Where a search begins.

    Attributes:
        policy: shape (T, A), the policy's own plan.
        mean: shape (T, A), the first mean.
        unit: shape (A,), the unit of the network's action in that of the plans.
    """

    policy: Tensor
    mean: Tensor
    unit: Tensor


def search(
    settings: PublishedSettings, start: Start, noise: Noise, limit: Limit, score: Score, repeat: bool
) -> Iterator[Tensor]:
    """The plan (T, A) after each iteration.

    Args:
        settings: how.
        start: where.
        noise: see `Noise`.
        limit: of what may be carried out.
        score: returns of plans.
        repeat: whether the samples around the policy, the same in each iteration, are scored in each as
            they are by the published code.
    """
    around = limit(start.policy + settings.policy_deviation * start.unit * noise.policy)
    mean, deviation = start.mean, (settings.deviation * start.unit).expand_as(start.mean)
    known = None if repeat else score(around)
    for drawn in noise.samples:
        samples = limit(mean + deviation * drawn)
        plans = torch.cat([samples, around])
        returns = score(plans) if known is None else torch.cat([score(samples), known])
        best, index = returns.topk(settings.elites)
        elites = plans[index]
        weight = torch.exp(settings.temperature * (best - best[0]))
        weight = (weight / weight.sum())[:, None, None]
        mean = (weight * elites).sum(0)
        spread = (weight * (elites - mean).square()).sum(0).sqrt()
        deviation = torch.maximum(spread, settings.smallest_deviation * start.unit)
        yield mean
