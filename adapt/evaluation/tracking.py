"""How well the command was followed, by episode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray, Tick


def tracking_error(specification: RobotSpecification, ticks: Sequence[Tick]) -> FloatArray:
    """Distance of what is tracked from the command, shape (ticks, C), in the command's unit.

    Ticks with an invalid measurement or without a command are left out.
    """
    anchor = list(specification.command_anchor)
    used = [tick for tick in ticks if tick.valid.all() and np.isfinite(tick.command).all()]
    return np.array([tick.observation[anchor] - tick.command for tick in used]).reshape(-1, len(anchor))


def tracking_rmse(specification: RobotSpecification, episodes: Sequence[Sequence[Tick]]) -> list[float]:
    """Root mean square over the ticks and entries of each episode.

    Raises:
        ValueError: an episode has no tick that counts.
    """
    errors = [tracking_error(specification, ticks) for ticks in episodes]
    if any(len(error) == 0 for error in errors):
        raise ValueError("an episode has no tick with a valid measurement and a command")
    return [float(np.sqrt(np.mean(error**2))) for error in errors]
