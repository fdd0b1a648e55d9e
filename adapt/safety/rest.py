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

    def measured(self) -> FloatArray | None:
        """Where the set-points have led the robot, shape (A,); None where nobody measures it, or not yet."""
        targets = self._robot.action.targets
        measured = None if targets is None else self._watchdog.measured(targets)
        if targets is None or measured is None:
            return None
        names = self._robot.channels[targets].names
        return measured[[names.index(entry) for entry in self._robot.action.entries]]

    def point(self) -> FloatArray:
        """The action at which the robot, as it was last measured, rests: shape (A,)."""
        measured = self.measured() if self._channel is not None else None
        return np.zeros(self._robot.action_size) if measured is None else measured

    def obstacle(self) -> Problem | None:
        """Why the robot cannot start from rest: it is too far outside its limits for one tick."""
        limits, point = self._robot.action.limits, self.point()
        reach = self._filter.first_step
        for entry, value, far in zip(limits, point, reach, strict=True):
            lower, upper = limits[entry].position
            if not lower - far <= value <= upper + far:
                where = f"{entry} is at {value:.3f}, outside its limits {lower:g} to {upper:g}"
                return Problem("outside_limits", f"{where}: move it inside by hand")
        if (np.abs(point - self._filter.nearest_rest(point)) > reach).any():
            sums = {
                name: sum(weight * point[list(limits).index(entry)] for entry, weight in each.weights.items())
                - each.at_most
                for name, each in self._robot.action.couplings.items()
            }
            worst = max(sums, key=lambda name: sums[name])
            where = f"it is {sums[worst]:.3f} beyond the coupling '{worst}'"
            return Problem("outside_limits", f"{where}: move it inside by hand")
        return None

    def step(self, kind: str) -> Projection:
        """Commit to the next command of the fallback `hold`, `damp` or `stop`."""
        if self._channel is None:
            return self._filter.project(np.zeros(self._robot.action_size), self.measured())
        if kind == "damp":
            # A set-point that follows the joint pulls at it no more: what is left is the servo's damping.
            return self._filter.project(self.point(), self.measured())
        return self._filter.brake(self.measured())
