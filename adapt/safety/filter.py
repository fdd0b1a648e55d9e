"""The nearest safe command to a proposal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapt.robot.specification import RobotSpecification

FloatArray = npt.NDArray[np.float64]

LIMITS = ("position", "velocity", "acceleration")

# Limits are kept with this relative reserve, so that rounding cannot carry a command across.
RESERVE = 1e-9
# A change smaller than this share of an entry's range is no intervention.
NOTABLE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """A safe command, and what it took to make it.

    Attributes:
        command: shape (A,), finite and within all limits.
        reason: why it is not the proposal (a limit of `LIMITS`, `not_finite` or `wrong_length`), or None.
        entry: index of the action value that was changed most, or None.
        slack: distance to the nearest bound of this tick, as a share of half the room that the tick
            leaves: 1 in the middle, 0 at a bound, the least over the entries.
    """

    command: FloatArray
    reason: str | None
    entry: int | None
    slack: float

    @property
    def changed(self) -> bool:
        """Whether the command is not what was proposed."""
        return self.reason is not None


class SafetyFilter:
    """Projects proposals, one a tick, onto what the robot file's limits allow after the last two commands.

    With period T, last commands q' and q and step d = q - q', a command p is safe if, entry by entry,

        velocity      |p - q| <= V T
        acceleration  |p - q - d| <= a,  a = A T^2
        position      lower <= p <= upper, now and for as long as it takes to stop at full braking.

    Braking shortens the step by a every tick. From p with the step s = p - q > 0 the command travels on
    by the sum over k of max(s - k a, 0), which is the maximum over n >= 0 of n s - a n (n + 1) / 2.
    So the last line is linear: p + n (p - q) - a n (n + 1) / 2 <= upper for every n, and likewise below.

    Every condition bounds one entry alone, so the set is a box and its nearest point to a proposal, in
    any weighted Euclidean norm, is the proposal clipped: exact, never late, never infeasible. Full
    braking (s = d - a, or 0) always lies in the box if the command before was safe: it travels no
    further than was already granted. By induction no sequence of proposals leads out of the limits.
    Conditions that couple entries (half-spaces of the workspace, say) make this a quadratic program
    with this box as its clamp.
    """

    def __init__(self, robot: RobotSpecification) -> None:
        limits = list(robot.action.limits.values())
        lower, upper = np.array([each.position for each in limits]).T
        self._lower = lower + RESERVE * (upper - lower)
        self._upper = upper - RESERVE * (upper - lower)
        self._notable = NOTABLE * (upper - lower)
        keep = 1.0 - RESERVE
        self._fastest = keep * robot.period_s * np.array([each.velocity for each in limits])
        self._sharpest = keep * robot.period_s**2 * np.array([each.acceleration for each in limits])
        self._gentlest = robot.period_s**2 * robot.fallback.deceleration
        longest_stop = int(np.max(self._fastest / self._sharpest)) + 1
        self._ticks = np.arange(longest_stop + 1.0)[:, None]
        self._last = np.clip(np.zeros(len(limits)), self._lower, self._upper)
        self._step = np.zeros(len(limits))

    @property
    def last(self) -> FloatArray:
        """The last command, shape (A,)."""
        return np.array(self._last)

    @property
    def first_step(self) -> FloatArray:
        """How far a command may go from rest within one tick, shape (A,)."""
        return np.minimum(self._fastest, self._sharpest)

    @property
    def at_rest(self) -> bool:
        """Whether the last two commands were the same."""
        return not self._step.any()

    def reset(self, command: FloatArray) -> FloatArray:
        """Start anew, at rest at the point of the limits nearest to `command`, shape (A,); gives that point.

        Raises:
            ValueError: `command` is not A finite numbers.
        """
        if command.shape != self._last.shape or not np.isfinite(command).all():
            raise ValueError(f"cannot start from {command}")
        self._last = np.clip(command, self._lower, self._upper)
        self._step = np.zeros(self._last.shape)
        return self.last

    def project(self, proposal: FloatArray) -> Projection:
        """Commit to the safe command nearest to `proposal`, shape (A,).

        What is not A finite numbers is refused and yields a step of `brake`.
        """
        if proposal.shape != self._last.shape:
            return self._refuse("wrong_length")
        if not np.isfinite(proposal).all():
            return self._refuse("not_finite")
        ceilings = self._ceilings(self._last, self._step, self._upper)
        floors = -self._ceilings(-self._last, -self._step, -self._lower)
        high, low = ceilings.min(axis=0), floors.max(axis=0)
        command = np.clip(proposal, low, high)
        with np.errstate(over="ignore"):
            excess = np.abs(proposal - command) / self._notable
        entry = int(excess.argmax()) if excess.max() > 1.0 else None
        reason = None
        if entry is not None:
            above = proposal[entry] > command[entry]
            reason = LIMITS[int(ceilings[:, entry].argmin() if above else floors[:, entry].argmax())]
        half = np.maximum((high - low) / 2.0, np.finfo(np.float64).tiny)
        slack = float(np.clip(np.minimum(command - low, high - command) / half, 0.0, 1.0).min())
        self._step, self._last = command - self._last, command
        return Projection(self.last, reason, entry, slack)

    def brake(self) -> Projection:
        """Commit to the next command on the way to rest, at the fallback's deceleration.

        Where that is too gentle for a position limit ahead, the braking is as hard as it takes.
        """
        shorter = np.maximum(np.abs(self._step) - self._gentlest, 0.0)
        return self.project(self._last + np.sign(self._step) * shorter)

    def _refuse(self, reason: str) -> Projection:
        braked = self.brake()
        return Projection(braked.command, reason, None, braked.slack)

    def _ceilings(self, last: FloatArray, step: FloatArray, upper: FloatArray) -> FloatArray:
        """What each of `LIMITS` allows at most, shape (3, A)."""
        n = self._ticks
        stopping = (upper + n * last + self._sharpest * n * (n + 1.0) / 2.0) / (n + 1.0)
        return np.stack([stopping.min(axis=0), last + self._fastest, last + step + self._sharpest])
