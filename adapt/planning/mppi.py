"""Model-predictive path integral control: weigh random plans by what they are worth.

Williams et al., "Information-theoretic model predictive control" (T-RO 2018), with noise on knots
and a temperature that is set for a wanted effective sample size, so that weights are neither uniform
nor all on one sample, whatever the scale of the returns.
"""

from __future__ import annotations

import torch
from torch import Tensor


def knot_noise(samples: int, knots: int, ticks: int, scale: Tensor, generator: torch.Generator) -> Tensor:
    """Smooth random plans: normal at the knots, linear between them.

    Args:
        samples: N.
        knots: number of instants at which noise is drawn, from the first tick to the last.
        ticks: T.
        scale: shape (A,), standard deviation at the knots.
        generator: source of randomness.

    Returns:
        shape (N, T, A).
    """
    drawn = torch.randn(samples, scale.shape[0], knots, generator=generator, device=generator.device)
    smooth = torch.nn.functional.interpolate(drawn, size=ticks, mode="linear", align_corners=True)
    return smooth.transpose(1, 2) * scale


def weights(returns: Tensor, effective: float) -> Tensor:
    """Exponential weights of which `effective` samples carry the mass.

    The temperature is found by bisection on the effective sample size 1 / sum(w^2). A return that is
    not finite has weight 0.

    Args:
        returns: shape (N,).
        effective: wanted effective sample size.

    Returns:
        shape (N,), summing to 1; all 0 where no return is finite.
    """
    finite = torch.isfinite(returns)
    behind = torch.where(finite, _largest(returns, finite).double() - returns.double(), torch.inf)
    worse = finite & (behind > 0.0)
    # From all weight on the best to all weights equal, even where one return is far below the others.
    low = 1e-2 * torch.where(worse, behind, torch.inf).min()
    high = 1e2 * _largest(behind, worse)
    low, high = (torch.where(worse.any(), each, 1.0) for each in (low, high))
    for _ in range(20):
        middle = (low * high).sqrt()
        bold = 1.0 / torch.softmax(-behind / middle, dim=0).square().sum() < effective
        low, high = torch.where(bold, middle, low), torch.where(bold, high, middle)
    return torch.where(finite, torch.softmax(-behind / high, dim=0), 0.0).to(returns.dtype)


def _largest(values: Tensor, some: Tensor) -> Tensor:
    """The largest of some values; shape ()."""
    return torch.where(some, values, -torch.inf).max()
