"""Proposals as they come in: sound or not, in order or not, and how far each has been followed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

UNSOUND = ("empty", "wrong_length", "not_finite")
"""Reasons to refuse a proposal that cast doubt on the one who makes them."""

# A proposal made longer ago than this, in periods, is of the past; one as far ahead is of another clock.
STALE = 3.0


class Proposals:
    """Keeps the newest good proposal: the action for now, then the rest of the plan, one per tick.

    Attributes:
        arrived_ns: when it came, by the monotonic clock; None before the first.
        followed: how many of its points have been taken.
    """

    def __init__(self, action_size: int, period_ns: float, tail_ticks: int) -> None:
        """Begin with none; of the rest of a plan at most `tail_ticks` points will be given."""
        self.arrived_ns: int | None = None
        self.followed = 0
        self._shape = (action_size,)
        self._past_ns = STALE * period_ns
        self._points_to_follow = 1 + tail_ticks
        self._points: Sequence[FloatArray] = ()
        self._stamp_ns: int | None = None

    def offer(self, points: Sequence[FloatArray], stamp_ns: int, clock_ns: int, now_ns: int) -> str | None:
        """Take in a proposal made at `stamp_ns`, when the robot's clock shows `clock_ns`.

        Its later points are kept as far as they are sound.

        Returns:
            None, or why it is refused: one of `UNSOUND`, or `stale`, or `not_newer` than one before.
        """
        reason = self._unsound(points[0]) if points else "empty"
        if reason is not None:
            return reason
        if abs(clock_ns - stamp_ns) > self._past_ns:
            return "stale"
        # A stamp further back than that is of a clock that was set back, not of a message overtaken.
        if self._stamp_ns is not None and 0 <= self._stamp_ns - stamp_ns < self._past_ns:
            return "not_newer"
        sound = next((n for n, point in enumerate(points) if self._unsound(point)), len(points))
        self._points = points[: min(sound, self._points_to_follow)]
        self._stamp_ns, self.arrived_ns, self.followed = stamp_ns, now_ns, 0
        return None

    def follow(self) -> FloatArray | None:
        """The next point, shape (A,); None at the end."""
        if self.followed == len(self._points):
            return None
        self.followed += 1
        return self._points[self.followed - 1]

    def _unsound(self, point: FloatArray) -> str | None:
        if point.shape != self._shape:
            return "wrong_length"
        return None if np.isfinite(point).all() else "not_finite"
