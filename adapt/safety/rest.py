"""Where the robot rests, and how it gets there when no proposal can be trusted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from adapt.robot.specification import RobotSpecification
from adapt.safety.filter import Projection, SafetyFilter
from adapt.safety.watchdog import Problem, Watchdog

FloatArray = npt.NDArray[np.float64]


class Rest:
    """Rest in terms of the action: a set-point of a position stays; a velocity, force or torque is 0."""

    def __init__(self, robot: RobotSpecification, safety_filter: SafetyFilter, watchdog: Watchdog) -> None:
        self._robot = robot
        self._filter = safety_filter
        self._watchdog = watchdog
        self._channel = robot.action.targets if robot.action.unit in ("rad", "m") else None

    def point(self) -> FloatArray:
        """The action at which the robot, as it was last measured, rests: shape (A,)."""
        measured = self._watchdog.measured(self._channel) if self._channel is not None else None
        if self._channel is None or measured is None:
            return np.zeros(self._robot.action_size)
        names = self._robot.channels[self._channel].names
        return measured[[names.index(entry) for entry in self._robot.action.entries]]

    def obstacle(self) -> Problem | None:
        """Why the robot cannot start from rest: it is too far outside its limits for one tick."""
        limits = self._robot.action.limits
        for entry, value, reach in zip(limits, self.point(), self._filter.first_step, strict=True):
            lower, upper = limits[entry].position
            if not lower - reach <= value <= upper + reach:
                where = f"{entry} is at {value:.3f}, outside its limits {lower:g} to {upper:g}"
                return Problem("outside_limits", f"{where}: move it inside by hand")
        return None

    def step(self, kind: str) -> Projection:
        """Commit to the next command of the fallback `hold`, `damp` or `stop`."""
        if self._channel is None:
            return self._filter.project(np.zeros(self._robot.action_size))
        if kind == "damp":
            # A set-point that follows the joint pulls at it no more: what is left is the servo's damping.
            return self._filter.project(self.point())
        return self._filter.brake()
