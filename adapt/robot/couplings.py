"""Half-spaces of the action: limits that couple several entries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from adapt.settings import Settings

if TYPE_CHECKING:
    from adapt.robot.interface import JointLimits

FloatArray = npt.NDArray[np.float64]


class Coupling(Settings):
    """A weighted sum of entries of the action that may not exceed a bound: a wall of the workspace."""

    weights: dict[str, float] = Field(min_length=1)
    """By entry of the action; entries that are not named weigh nothing."""
    at_most: float
    """In the action's unit times that of the weights."""
    barrier: float = Field(default=1.0, gt=0, le=1)
    """The share of the distance to the bound that one tick may take: with h the distance,
    h(next) >= (1 - barrier) h(now), a discrete-time control barrier function. 1 asks for h >= 0 alone."""

    @field_validator("weights")
    @classmethod
    def _weighs_something(cls, weights: dict[str, float]) -> dict[str, float]:
        if not any(weights.values()):
            raise ValueError("all weights are 0")
        return weights


def coupling_matrix(
    couplings: Mapping[str, Coupling], entries: tuple[str, ...]
) -> tuple[FloatArray, FloatArray]:
    """The couplings as G q <= h, each row of length 1: shapes (R, A) and (R,), both in the action's unit."""
    G = np.array([[each.weights.get(entry, 0.0) for entry in entries] for each in couplings.values()])
    G = G.reshape(len(couplings), len(entries))
    length = np.linalg.norm(G, axis=1)
    return G / length[:, None], np.array([each.at_most for each in couplings.values()]) / length


def roomiest_point(
    couplings: Mapping[str, Coupling], limits: Mapping[str, JointLimits]
) -> tuple[FloatArray, float]:
    """The centre and the radius of the largest ball within the couplings and the limits of position.

    Boyd and Vandenberghe, Convex Optimization, section 8.5.1. A negative radius means that they exclude
    each other.
    """
    from scipy.optimize import linprog

    G, h = coupling_matrix(couplings, tuple(limits))
    lower, upper = np.array([each.position for each in limits.values()]).T
    one = np.eye(len(limits))
    rows = np.concatenate([G, one, -one])
    # Each row is of length 1: its ball's radius counts in full.
    rows = np.column_stack([rows, np.ones(len(rows))])
    bounds = np.concatenate([h, upper, -lower])
    cost = np.append(np.zeros(len(limits)), -1.0)
    found = linprog(cost, A_ub=rows, b_ub=bounds, bounds=(None, None), method="highs")
    return found.x[:-1], float(found.x[-1])
