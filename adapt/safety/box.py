"""What each entry of the next command may be on its own: an interval, in closed form."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from adapt.robot.specification import RobotSpecification

FloatArray = npt.NDArray[np.float64]

LIMITS = ("position", "velocity", "acceleration", "effort")

# Limits are kept with this relative reserve, so that rounding cannot carry a command across.
RESERVE = 1e-9


class Interval(NamedTuple):
    """Bounds of the next command, and where they come from.

    Attributes:
        low: shape (A,).
        high: shape (A,).
        floors: what each of `LIMITS` allows at least, shape (4, A); the last may lie outside the others.
        ceilings: what each allows at most.
    """

    low: FloatArray
    high: FloatArray
    floors: FloatArray
    ceilings: FloatArray


class Box:
    """The limits of position, velocity, acceleration and effort.

    With period T, last commands q' and q and step d = q - q', a command p is safe if, entry by entry,

        velocity      |p - q| <= V T
        acceleration  |p - q - d| <= a,  a = A T^2
        position      lower <= p <= upper, now and for as long as it takes to stop at full braking.

    Braking shortens the step by a every tick. From p with the step s = p - q > 0 the command travels on
    by the sum over k of max(s - k a, 0), which is the maximum over n >= 0 of n s - a n (n + 1) / 2.
    So the last line is linear: p + n (p - q) - a n (n + 1) / 2 <= upper for every n, and likewise below.

    Full braking (s = d - a, or 0) always lies in this box if the command before was safe: it travels no
    further than was already granted. By induction no sequence of proposals leads out of the limits.

    An effort's limit bounds the way from what is measured, c, to the command: c - e <= p <= c + e, again
    now and until it has stopped. It moves with c, which nobody here decides on; so it holds as far as the
    three limits above leave room, and where they leave none the command goes its way as fast as they allow.
    """

    def __init__(self, robot: RobotSpecification) -> None:
        limits = list(robot.action.limits.values())
        lower, upper = np.array([each.position for each in limits]).T
        self.lower = lower + RESERVE * (upper - lower)
        self.upper = upper - RESERVE * (upper - lower)
        keep = 1.0 - RESERVE
        self.fastest = keep * robot.period_s * np.array([each.velocity for each in limits])
        self.sharpest = keep * robot.period_s**2 * np.array([each.acceleration for each in limits])
        efforts = [each.effort for each in limits]
        self._stretch = keep * np.array([np.inf if each is None else each.stretch for each in efforts])
        self._has_efforts = bool(np.isfinite(self._stretch).any())
        longest_stop = int(np.max(self.fastest / self.sharpest)) + 1
        self._ticks = np.arange(longest_stop + 1.0)[:, None]

    @property
    def size(self) -> int:
        """A."""
        return len(self.lower)

    def full_braking(self, last: FloatArray, step: FloatArray) -> FloatArray:
        """The command that brakes as hard as may be, shape (A,)."""
        return np.asarray(last + np.sign(step) * np.maximum(np.abs(step) - self.sharpest, 0.0))

    def interval(self, last: FloatArray, step: FloatArray, measured: FloatArray | None) -> Interval:
        """Bounds of the command after `last`, which came about by `step`; all of shape (A,).

        Args:
            last: the last command.
            step: the way to it from the one before.
            measured: where the entries' set-points have led so far, or None where nobody measures it.
        """
        ceilings = self._ceilings(last, step, self.upper)
        floors = -self._ceilings(-last, -step, -self.lower)
        high, low = ceilings.min(axis=0), floors.max(axis=0)
        ceiling, floor = np.full_like(high, np.inf), np.full_like(low, -np.inf)
        if self._has_efforts and measured is not None:
            ceiling = self._stopping(last, measured + self._stretch)
            floor = -self._stopping(-last, self._stretch - measured)
            # Where both cannot be kept (the measurement has leapt), the middle between them.
            crossed = floor > ceiling
            ceiling[crossed] = floor[crossed] = (floor[crossed] + ceiling[crossed]) / 2.0
            high, low = np.clip(ceiling, low, high), np.clip(floor, low, high)
        return Interval(low, high, np.vstack([floors, floor]), np.vstack([ceilings, ceiling]))

    def _ceilings(self, last: FloatArray, step: FloatArray, upper: FloatArray) -> FloatArray:
        return np.stack([self._stopping(last, upper), last + self.fastest, last + step + self.sharpest])

    def _stopping(self, last: FloatArray, upper: FloatArray) -> FloatArray:
        """The most from which a stop is possible below `upper`."""
        n = self._ticks
        most = (upper + n * last + self.sharpest * n * (n + 1.0) / 2.0) / (n + 1.0)
        return np.asarray(most.min(axis=0))
