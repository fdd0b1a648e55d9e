"""Smooth random joint paths for the arm to follow."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from adapt.robot.interface import Positive
from adapt.robot.specification import RobotSpecification
from adapt.settings import Settings
from adapt.stream.tick import FloatArray

# Peaks of the minimum-jerk move of length 1 in time 1 (Flash and Hogan, 1985).
_PEAK_VELOCITY = 15 / 8
_PEAK_ACCELERATION = 10 / math.sqrt(3)


class ReferenceSettings(Settings):
    """How lively a reference path is."""

    velocity: Positive = 1.5
    """Fastest joint speed, rad/s; never above the robot's limit."""
    acceleration: Positive = 10.0
    """Largest joint acceleration, rad/s^2; never above the robot's limit."""
    distance: Positive = 1.0
    """Longest single move of a joint, rad."""
    rest: float = Field(default=0.15, ge=0, le=1)
    """Share of moves that are pauses instead."""
    margin: float = Field(default=0.1, ge=0)
    """Distance kept from the position limits, rad."""


class ReferencePath:
    """A chain of minimum-jerk moves and pauses, every joint with its own; twice differentiable.

    The path starts at `start` (rad, within the position limits) at time 0 at rest, covers `duration_s`,
    and holds its last position afterwards. Speed, acceleration and position limits hold exactly, since
    a minimum-jerk move does not overshoot.
    """

    def __init__(
        self,
        spec: RobotSpecification,
        start: FloatArray,
        duration_s: float,
        generator: np.random.Generator,
        settings: ReferenceSettings | None = None,
    ) -> None:
        """Draw a path.

        Raises:
            ValueError: `start` is outside the position limits.
        """
        settings = settings or ReferenceSettings()
        self._knots: list[FloatArray] = []
        self._values: list[FloatArray] = []
        for joint, limits in enumerate(spec.action.limits.values()):
            if not limits.position[0] <= start[joint] <= limits.position[1]:
                raise ValueError(
                    f"start: {start[joint]:g} rad is outside {limits.position} for joint {joint}"
                )
            low, high = limits.position[0] + settings.margin, limits.position[1] - settings.margin
            velocity = min(settings.velocity, limits.velocity)
            acceleration = min(settings.acceleration, limits.acceleration)
            # Some joints of some paths are calm: the pace of one joint is drawn once.
            pace = generator.uniform(0.2, 1.0)
            reach = settings.distance * generator.uniform(0.1, 1.0)
            knots, values = [0.0], [float(start[joint])]
            while knots[-1] < duration_s:
                target = min(max(values[-1] + generator.uniform(-reach, reach), low), high)
                if generator.uniform() < settings.rest:
                    target = values[-1]
                distance = abs(target - values[-1])
                shortest = max(
                    distance * _PEAK_VELOCITY / velocity,
                    math.sqrt(distance * _PEAK_ACCELERATION / acceleration),
                )
                knots.append(knots[-1] + max(shortest / pace, generator.uniform(0.1, 0.5)))
                values.append(target)
            self._knots.append(np.array(knots))
            self._values.append(np.array(values))

    def position(self, times: FloatArray) -> FloatArray:
        """Shape (T, A), rad, at `times` (T,) in s."""
        return self._evaluate(times, 0)

    def velocity(self, times: FloatArray) -> FloatArray:
        """Shape (T, A), rad/s."""
        return self._evaluate(times, 1)

    def acceleration(self, times: FloatArray) -> FloatArray:
        """Shape (T, A), rad/s^2."""
        return self._evaluate(times, 2)

    def _evaluate(self, times: FloatArray, derivative: int) -> FloatArray:
        columns = []
        for knots, values in zip(self._knots, self._values, strict=True):
            inside = np.clip(times, 0.0, knots[-1])
            move = np.clip(np.searchsorted(knots, inside, side="right") - 1, 0, len(knots) - 2)
            length = knots[move + 1] - knots[move]
            s = (inside - knots[move]) / length
            if derivative == 0:
                shape = s**3 * (10 - 15 * s + 6 * s**2)
            elif derivative == 1:
                shape = 30 * s**2 * (1 - s) ** 2 / length
            else:
                shape = 60 * s * (1 - s) * (1 - 2 * s) / length**2
            columns.append(
                shape * (values[move + 1] - values[move]) + (values[move] if derivative == 0 else 0.0)
            )
        return np.stack(columns, axis=-1)
