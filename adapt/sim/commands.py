"""Commands that are set-points: drawn anew from time to time, or one for a whole episode."""

from __future__ import annotations

import numpy as np

from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification
from adapt.sim.mechanics import simulation_of
from adapt.stream.tick import FloatArray


def draw_commands(
    spec: RobotSpecification, count: int, ticks: int, generator: np.random.Generator
) -> FloatArray:
    """Commands of `count` robots from the ranges in the robot file, shape (count, ticks, C).

    Raises:
        UserError: `simulation.commands.ranges` names what is no entry of the command.
    """
    settings = simulation_of(spec).commands
    names = spec.task.command.names
    for name in settings.ranges:
        if name not in names:
            raise UserError(
                f"robot {spec.name}: simulation.commands.ranges: '{name}' is no entry of the command;"
                f" there are: {', '.join(names)}"
            )
    low, high = np.array([settings.ranges.get(name, (0.0, 0.0)) for name in names]).T
    holds = np.array(settings.hold_s) * spec.rate_hz
    most = int(ticks / holds[0]) + 2
    values = generator.uniform(low, high, size=(count, most, len(names)))
    values *= generator.uniform(size=(count, most, 1)) >= settings.zero_share
    ends = generator.uniform(holds[0], holds[1], size=(count, most)).cumsum(axis=1)
    # Robots change their minds at different times from the start.
    ends -= generator.uniform(0, holds[0], size=(count, 1))
    stretch = np.stack([np.searchsorted(each, np.arange(ticks), side="right") for each in ends])
    return np.asarray(values[np.arange(count)[:, None], stretch])


class SetPoint:
    """One command for a whole episode, after a time in which it is zero."""

    def __init__(self, command: FloatArray, zero_s: float) -> None:
        """Command `command` (C,) from `zero_s` on."""
        self._command = command
        self._zero_s = zero_s

    def __call__(self, times: FloatArray) -> FloatArray:
        """Commands (N, C) at `times` (N,), s since the start."""
        # Half a nanosecond: times are sums of periods, and the last tick of zero must not depend on rounding.
        return np.asarray((times > self._zero_s - 5e-10)[:, None] * self._command)
