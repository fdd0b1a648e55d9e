"""The nearest safe command to a proposal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapt.robot.specification import RobotSpecification
from adapt.safety.box import LIMITS, Box, Interval
from adapt.safety.program import canonical_elsewhere, layout_of, parameter_values
from adapt.safety.smoothing import Smoothing
from adapt.safety.solver import Outcome, Solver
from adapt.safety.walls import Walls

FloatArray = npt.NDArray[np.float64]

# A change smaller than this share of an entry's range is no intervention.
NOTABLE = 1e-6
# The solver keeps this far off the walls, in the action's unit: it is right to less than that.
MARGIN = 1e-6
MOST_ITERATIONS = 4000
TIME_LIMIT_S = 0.0015


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """A safe command, and what it took to make it.

    Attributes:
        command: shape (A,), finite and within all limits.
        reason: why it is not the proposal (a limit of `LIMITS`, `coupling_` and its name, `not_finite` or
            `wrong_length`), or None. Smoothing is no reason.
        entry: index of the action value that was changed most, or None.
        slack: distance to the nearest bound of this tick, as a share of half the room that the tick
            leaves: 1 in the middle, 0 at a bound, the least over entries and couplings.
        solver: how the quadratic program went, or None where none was needed. Unless it was `solved`, the
            command is safe but not the nearest.
    """

    command: FloatArray
    reason: str | None
    entry: int | None
    slack: float
    solver: Outcome | None = None

    @property
    def changed(self) -> bool:
        """Whether the command is not what was proposed."""
        return self.reason is not None


class SafetyFilter:
    """Projects proposals, one a tick, onto what the robot file's limits allow after the last two commands.

    Limits of single entries make a box, see `Box`. Its nearest point to a proposal, in any weighted
    Euclidean norm, is the proposal clipped: exact, never late, never infeasible. Where the clipped proposal
    also keeps the couplings (`Walls`), it is the nearest point of both.

    Where it does not, the nearest point is a quadratic program's, solved by OSQP; a proposal beyond a limit
    of position counts there as one at the limit. Whatever comes of that
    is only a wish: it is clipped to the box and, if it breaks a coupling, drawn back toward full braking
    until it is sure to break none. Full braking lies in the box and keeps all couplings, by construction of
    both, and what is safe is convex; so there is a safe command at every tick, and without a solver that
    is in time the wish is the clipped proposal itself. `brake` never asks the solver.

    Where jerk is limited, what is sent is the mean of the last of these commands, see `Smoothing`.
    """

    def __init__(self, robot: RobotSpecification, *, time_limit_s: float = TIME_LIMIT_S) -> None:
        """Make a filter; with couplings that takes a few seconds, for cvxpy runs in another process.

        Args:
            robot: the robot file.
            time_limit_s: for the solver, at every tick.

        Raises:
            UserError: the robot has couplings and cvxpy or OSQP is not installed.
        """
        self._box = Box(robot)
        self._notable = NOTABLE * (self._box.upper - self._box.lower)
        self._gentlest = robot.period_s**2 * robot.fallback.deceleration
        self._walls = Walls(robot, self._box) if robot.action.couplings else None
        self._last = np.clip(np.zeros(self._box.size), self._box.lower, self._box.upper)
        self._step = np.zeros(self._box.size)
        if self._walls is not None:
            self._last = self._walls.centre
            within = self._box.interval(self._last, self._step, None)
            self._solver = Solver(
                canonical_elsewhere(layout_of(self._walls)),
                self._parameters(self._walls, self._last, within),
                time_limit_s,
                MOST_ITERATIONS,
            )
        self._smoothing = Smoothing(robot)
        self._smoothing.reset(self._last)

    @property
    def last(self) -> FloatArray:
        """The last command that was sent, shape (A,)."""
        return self._smoothing.last

    @property
    def first_step(self) -> FloatArray:
        """How far a command may go from rest within one tick, shape (A,)."""
        return np.minimum(self._box.fastest, self._box.sharpest)

    @property
    def at_rest(self) -> bool:
        """Whether the last two commands were the same, and so will be the next where it brakes."""
        return not self._step.any() and self._smoothing.settled

    def nearest_rest(self, command: FloatArray) -> FloatArray:
        """A point at which the robot may rest, near `command`: both of shape (A,).

        It is the nearest, or, where couplings are broken, the last on the way there from the roomiest point.
        """
        clipped = np.clip(command, self._box.lower, self._box.upper)
        return clipped if self._walls is None else self._walls.resting_toward(clipped)

    def reset(self, command: FloatArray) -> FloatArray:
        """Start anew, at rest at `nearest_rest`; gives that point.

        Raises:
            ValueError: `command` is not A finite numbers.
        """
        if command.shape != self._last.shape or not np.isfinite(command).all():
            raise ValueError(f"cannot start from {command}")
        self._last = self.nearest_rest(command)
        self._step = np.zeros(self._last.shape)
        self._smoothing.reset(self._last)
        return self.last

    def project(self, proposal: FloatArray, measured: FloatArray | None = None) -> Projection:
        """Commit to the safe command nearest to `proposal`, shape (A,).

        What is not A finite numbers is refused and yields a step of `brake`.

        Args:
            proposal: the wish.
            measured: where the set-points have led, shape (A,), for limits of effort; None where unknown.
        """
        if proposal.shape != self._last.shape:
            return self._refuse("wrong_length", measured)
        if not np.isfinite(proposal).all():
            return self._refuse("not_finite", measured)
        return self._commit(proposal, measured, solve=True)

    def brake(self, measured: FloatArray | None = None) -> Projection:
        """Commit to the next command on the way to rest, at the fallback's deceleration.

        Where that is too gentle for a limit ahead, the braking is as hard as it takes.
        """
        shorter = np.maximum(np.abs(self._step) - self._gentlest, 0.0)
        return self._commit(self._last + np.sign(self._step) * shorter, measured, solve=False)

    def _refuse(self, reason: str, measured: FloatArray | None) -> Projection:
        braked = self.brake(measured)
        return Projection(braked.command, reason, None, braked.slack)

    def _commit(self, proposal: FloatArray, measured: FloatArray | None, *, solve: bool) -> Projection:
        within = self._box.interval(self._last, self._step, measured)
        low, high = within.low, within.high
        command = clipped = np.minimum(np.maximum(proposal, low), high)
        half = np.maximum((high - low) / 2.0, np.finfo(np.float64).tiny)
        outcome, excess, slack = None, None, np.inf
        walls = self._walls
        if walls is not None:
            excess = walls.excess(clipped, self._last)
            if excess.max() > 0.0:
                if solve:
                    command, outcome = self._solve(walls, proposal, within)
                # It lies within the limits that always leave room, also where that of an effort does not.
                inside = self._box.full_braking(self._last, self._step)
                command, excess = walls.toward(inside, command, self._last)
            room = np.maximum(np.abs(walls.matrix) @ half, np.finfo(np.float64).tiny)
            slack = -(excess / room).max()
        slack = min(slack, (np.minimum(command - low, high - command) / half).min())
        entry, reason = self._explain(proposal, clipped, command, within, excess)
        self._step, self._last = command - self._last, command
        sent = self._smoothing.follow(command)
        return Projection(sent, reason, entry, min(1.0, max(0.0, float(slack))), outcome)

    def _solve(self, walls: Walls, proposal: FloatArray, within: Interval) -> tuple[FloatArray, Outcome]:
        """What the solver makes of a proposal, within the box; without its answer the proposal clipped."""
        target = np.minimum(np.maximum(proposal, self._box.lower), self._box.upper)
        wish, outcome = self._solver.solve(self._parameters(walls, target, within))
        wish = proposal if wish is None else walls.nudged(wish, self._last)
        return np.minimum(np.maximum(wish, within.low), within.high), outcome

    def _parameters(self, walls: Walls, target: FloatArray, within: Interval) -> FloatArray:
        bound = walls.bound - MARGIN
        lines = walls.lines(self._last, self._step)
        ahead = walls.ahead(self._last, bound)
        return parameter_values(target, within.low, within.high, ahead, bound, lines)

    def _explain(
        self,
        proposal: FloatArray,
        clipped: FloatArray,
        command: FloatArray,
        within: Interval,
        excess: FloatArray | None,
    ) -> tuple[int | None, str | None]:
        """Which entry was changed most, if notably, and by what."""
        with np.errstate(over="ignore"):
            change = np.abs(proposal - command) / self._notable
        entry = int(change.argmax())
        if change[entry] <= 1.0:
            return None, None
        coupled = excess is not None and abs(clipped - command)[entry] > self._notable[entry]
        if coupled and self._walls is not None and excess is not None:
            return entry, f"coupling_{self._walls.names[int(excess.max(axis=0).argmax())]}"
        above = proposal[entry] > command[entry]
        bounds = within.ceilings[:, entry].argmin() if above else within.floors[:, entry].argmax()
        return entry, LIMITS[int(bounds)]
