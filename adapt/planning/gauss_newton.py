"""Gauss-Newton steps for a plan whose expected motion can be read from the latents.

How the motion goes with the plan is known without derivatives of the network: from the linear part of the
dynamics, and, where that errs, from the samples of path integral control (a secant update of least change,
Broyden, Mathematics of Computation 1965, over many directions at once).
"""

from __future__ import annotations

import torch
from torch import Tensor


def convolution_matrix(impulse_response: Tensor) -> Tensor:
    """What a change of each action makes of each later entry, for a response that begins at once.

    Args:
        impulse_response: shape (E, A, T), of entry e to action a, so many ticks later.

    Returns:
        shape (T, E, T, A), zero where the action comes later than the entry.
    """
    ticks = torch.arange(impulse_response.shape[2], device=impulse_response.device)
    later = ticks[:, None] - ticks
    response = impulse_response[..., later.clamp_min(0)] * (later >= 0)
    return response.permute(2, 0, 3, 1)


def secant(response: Tensor, change: Tensor, effect: Tensor, ridge: float) -> Tensor:
    """A response that also explains what samples did: of all such the nearest, but for the ridge.

    Args:
        response: shape (M, P), of M entries of the motion to P of the plan.
        change: shape (N, P), of N plans.
        effect: shape (N, M), what these changes made of the motion.
        ridge: distrust of the samples, relative to their mean squared change.

    Returns:
        shape (M, P). Samples whose effect is not finite take no part.
    """
    finite = torch.isfinite(effect).all(1, keepdim=True)
    nothing = torch.zeros((), device=effect.device)
    change = torch.where(finite, change, nothing)
    unexplained = torch.where(finite, effect - change @ response.T, nothing)
    gram = change @ change.T
    # Damped, a matrix is never singular: nothing has to wait for a check of that.
    combination: Tensor = torch.linalg.solve_ex(_damped(gram, ridge), unexplained)[0]
    return response + combination.T @ change


def gauss_newton(
    response: Tensor, error: Tensor, plan: Tensor, before: Tensor, fixed: int, effort: float, damping: float
) -> Tensor:
    """The change of a plan after which little error is left, large errors counting less; see `TaskReward`.

    Args:
        response: shape (T * E, T * A), of the motion to the plan.
        error: shape (T, E), what the motion still lacks, scaled.
        plan: shape (T, A).
        before: shape (A,), the action before the first.
        fixed: the first so many actions cannot change.
        effort: cost of a squared change from one action to the next.
        damping: against large steps, relative to the mean curvature.

    Returns:
        shape (T, A).
    """
    ticks, actions = plan.shape
    free = slice(fixed * actions, None)
    moved = plan - torch.cat([before[None], plan[:-1]])
    # Of the effort: changes add up along the plan, so that each action stands in two of them.
    pull = moved - torch.cat([moved[1:], torch.zeros_like(moved[:1])])
    step = torch.eye(ticks, device=plan.device)
    step = step - step.roll(1, 0).tril(-1)
    jerk = torch.kron(step.T @ step, torch.eye(actions, device=plan.device))
    weighted = response[:, free] * (1.0 + error.square()).rsqrt().reshape(-1, 1)
    curvature = weighted.T @ response[:, free] + 2.0 * effort * jerk[free, free]
    slope = weighted.T @ error.reshape(-1) - 2.0 * effort * pull.reshape(-1)[free]
    found, _ = torch.linalg.solve_ex(_damped(curvature, damping), slope)
    return torch.cat([found.new_zeros(fixed * actions), found]).view(ticks, actions)


def _damped(matrix: Tensor, damping: float) -> Tensor:
    size = torch.eye(len(matrix), device=matrix.device)
    return matrix + damping * matrix.diagonal().mean().clamp_min(1e-12) * size
