"""Couplings of the action as conditions on the next command, in closed form."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from adapt.robot.couplings import coupling_matrix, roomiest_point
from adapt.robot.specification import RobotSpecification
from adapt.safety.box import RESERVE, Box

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.intp]

MOST_PIECES = 3
"""Of the lines that make up a stopping distance, so many meet within the steps that one tick allows."""


class Walls:
    """R couplings G q <= h with barrier rates g, kept now and for as long as it takes to stop.

    With last command q and step x = p - q, a command p is safe if, for every row,

        ahead     G p <= G q + g (h - G q)                  which is h(p) >= (1 - g) h(q)
        stopping  G p + sum over i of |G_i| U(sign(G_i) x_i) <= h

    where U(x) = max(0, max over j >= 1 of (1/g + j - 1) x - a (j/g + j (j - 1) / 2)) and a is what full
    braking takes off a step. Both conditions are convex in p, and full braking keeps them: it makes of a
    step x the step x' = max(x - a, 0), and x' + U(x') <= U(x), so that what was granted for the stop covers
    `stopping` anew; the line j = 1 is (x - a)/g = x'/g, which covers `ahead`. Entries that move away from
    the wall only help. For g = 1 the distance U is that of the box: the sum over k of max(x - k a, 0).

    Different entries come to rest at different times; U grants each its whole way, as if only those that
    approach the wall moved. That is safe, and by so much more than needed.
    """

    def __init__(self, robot: RobotSpecification, box: Box) -> None:
        couplings = robot.action.couplings
        self.names = tuple(couplings)
        self.matrix, bound = coupling_matrix(couplings, robot.action.entries)
        self.centre, radius = roomiest_point(couplings, robot.action.limits)
        self.bound = bound - RESERVE * np.minimum(1.0, radius)
        self._rate = np.array([each.barrier for each in couplings.values()])
        self._weight = np.abs(self.matrix)
        self._sign = np.sign(self.matrix)
        self._sharpest = box.sharpest
        # Only an entry that cannot stop within a tick needs its stopping distance.
        row, entry = np.nonzero((self._weight > 0.0) & (box.fastest > box.sharpest))
        self.pairs: tuple[IndexArray, IndexArray] = row, entry
        most = np.floor((box.fastest / box.sharpest)[entry] - 1.0 / self._rate[row]) + 1.0
        self._most_lines = np.maximum(most, 1.0)
        self.pieces = int(np.minimum(self._most_lines.max(initial=0.0), MOST_PIECES))
        self._far = (box.upper - box.lower).max()

    def ahead(self, last: FloatArray, bound: FloatArray) -> FloatArray:
        """The most that G p may be after `last`, shape (A,), for walls at `bound`: shape (R,)."""
        now = self.matrix @ last
        return np.asarray(now + self._rate * (bound - now))

    def excess(self, command: FloatArray, last: FloatArray) -> FloatArray:
        """By how much `command` breaks each condition, in the action's unit, shape (2, R); at most 0 if it
        keeps it.
        """
        approach = self._sign * (command - last)
        rate = self._rate[:, None]
        j = np.maximum(np.floor(approach / self._sharpest - 1.0 / rate) + 1.0, 1.0)
        slope, constant = self._line(j, rate, self._sharpest)
        distance = (self._weight * np.maximum(slope * approach - constant, 0.0)).sum(axis=1)
        there = self.matrix @ command
        return np.stack([there - self.ahead(last, self.bound), there + distance - self.bound])

    def lines(self, last: FloatArray, step: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The pieces of U for the `pairs` that one tick can reach: U_m(p) = max(0, slope p - constant).

        Returns:
            slope and constant, shape (pieces, M) for the M pairs, to be applied to the entry itself.
        """
        row, entry = self.pairs
        sign, rate, a = self._sign[row, entry], self._rate[row], self._sharpest[entry]
        # The steepest line that the next step can reach, and those before it.
        steepest = np.clip(np.floor(sign * step[entry] / a - 1.0 / rate) + 2.0, 1.0, self._most_lines)
        j = steepest - np.arange(self.pieces)[:, None]
        slope, constant = self._line(np.maximum(j, 1.0), rate, a)
        # A line that is there twice would only slow the solver down.
        constant[j < 1.0] += self._far * slope[j < 1.0]
        return slope * sign, constant + slope * sign * last[entry]

    def toward(
        self, inside: FloatArray, wanted: FloatArray, last: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """The last point on the way from `inside`, which is safe, to `wanted`, that is sure to be safe too.

        By convexity a condition at a share s of the way is at most (1 - s) times what it is at the
        beginning plus s times what it is at the end.

        Returns:
            the point, shape (A,), and its `excess`.
        """
        end = self.excess(wanted, last)
        if end.max() <= 0.0:
            return wanted, end
        begin = np.minimum(self.excess(inside, last), 0.0)
        share = (begin / np.minimum(begin - end, -np.finfo(np.float64).tiny))[end > 0.0].min()
        point = inside + share * (wanted - inside)
        return point, self.excess(point, last)

    def nudged(self, command: FloatArray, last: FloatArray) -> FloatArray:
        """`command` moved off the walls that it breaks, straight and one after the other: shape (A,).

        For what a solver leaves over; it need not be safe.
        """
        for row in np.flatnonzero((excess := self.excess(command, last).max(axis=0)) > 0.0):
            command = command - 2.0 * excess[row] * self.matrix[row]
        return command

    def resting_toward(self, wanted: FloatArray) -> FloatArray:
        """The last point on the way from the roomiest point to `wanted` at which the couplings hold."""
        room = np.maximum(self.bound - self.matrix @ self.centre, 0.0)
        approach = self.matrix @ (wanted - self.centre)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(approach > room, room / approach, 1.0).min()
        return np.asarray(self.centre + share * (wanted - self.centre))

    @staticmethod
    def _line(j: FloatArray, rate: FloatArray, a: FloatArray) -> tuple[FloatArray, FloatArray]:
        return 1.0 / rate + j - 1.0, a * (j / rate + j * (j - 1.0) / 2.0)
