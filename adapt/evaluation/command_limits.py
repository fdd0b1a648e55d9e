"""Whether the commands that reach a robot keep the limits of its file: judged by whoever listens."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np

from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray

ROUNDING = 1e-9
"""Relative: differences of two commands are rounded."""
SILENCE_PERIODS = 4.0
"""After a longer silence the sender may have begun anew, from where the robot stood."""
REMEMBERED = 10


class CommandLimits:
    """Follows all commands, one a period, and counts what the robot file does not allow.

    Attributes:
        commands: how many there were.
        broken: by kind: `not_finite`, `position`, `velocity`, `acceleration`, or `start` where the first
            command after a silence neither continues those before it nor begins within one period's reach
            of where the robot was measured.
    """

    def __init__(self, robot: RobotSpecification) -> None:
        """Begin with a robot that has not been told anything."""
        self.commands = 0
        self.broken: Counter[str] = Counter()
        limits = list(robot.action.limits.values())
        period_s = robot.period_s
        self._lower, self._upper = np.array([each.position for each in limits]).T
        self._fastest = period_s * np.array([each.velocity for each in limits])
        self._sharpest = period_s**2 * np.array([each.acceleration for each in limits])
        self._silence_ns = SILENCE_PERIODS * period_s * 1e9
        self._measured: deque[FloatArray] = deque(maxlen=REMEMBERED)
        self._last: FloatArray | None = None
        self._step: FloatArray | None = None
        self._last_ns = 0
        self._blind = False

    def measured(self, position: FloatArray) -> None:
        """Take in where the robot says that it is, shape (A,), in the action's unit and order."""
        if np.isfinite(position).all():
            self._measured.append(position)

    def missed(self) -> None:
        """Commands may not have been heard: the next one is judged by no other."""
        self._last, self._blind = None, True

    def command(self, values: FloatArray, stamp_ns: int) -> None:
        """Take in a command, shape (A,), that was sent at `stamp_ns`."""
        self.commands += 1
        if values.shape != self._lower.shape or not np.isfinite(values).all():
            self.broken["not_finite"] += 1
            return
        if not ((self._lower <= values) & (values <= self._upper)).all():
            self.broken["position"] += 1
        step = None if self._last is None else values - self._last
        wrong = [] if step is None else self._wrong(step)
        silent = self._last is None or stamp_ns - self._last_ns > self._silence_ns
        if silent:
            continues = step is not None and not wrong
            wrong = [] if continues or self._blind or self._starts(values) else ["start"]
            # Meanwhile the robot has come to rest: how fast it sets off is known only by the next command.
            step = None
        self._blind = False
        self.broken.update(wrong)
        self._last, self._step, self._last_ns = values, step, stamp_ns

    def _wrong(self, step: FloatArray) -> list[str]:
        fast = np.abs(step) > self._fastest * (1.0 + ROUNDING)
        before = step if self._step is None else self._step
        sharp = np.abs(step - before) > self._sharpest * (1.0 + ROUNDING)
        return [name for name, found in (("velocity", fast), ("acceleration", sharp)) if found.any()]

    def _starts(self, values: FloatArray) -> bool:
        """Whether a command is within one period's reach of one of the last measured positions."""
        reach = np.minimum(self._fastest, self._sharpest) * (1.0 + ROUNDING)
        inside = (np.clip(each, self._lower, self._upper) for each in self._measured)
        return any(bool((np.abs(values - each) <= reach).all()) for each in inside)
