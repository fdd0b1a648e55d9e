"""Whether the sensors and the clocks can be trusted, judged by a monotonic clock alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapt.robot.specification import RobotSpecification

FloatArray = npt.NDArray[np.float64]

# Stamps that run ahead of or behind the monotonic clock by this much between two messages have jumped.
JUMP_NS = 500_000_000


@dataclass(frozen=True, slots=True)
class Problem:
    """Why nothing may move.

    Attributes:
        kind: for counting, such as `sensor_late`.
        message: for people; names the channel and topic, and the cure.
    """

    kind: str
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class _Measurement:
    values: FloatArray
    stamp_ns: int | None
    arrived_ns: int


class Watchdog:
    """Follows measurements and clocks. All `now_ns` are of one monotonic clock; it never blocks."""

    def __init__(self, robot: RobotSpecification) -> None:
        self._robot = robot
        self._newest: dict[str, _Measurement] = {}
        self._clocks: dict[str, int] = {}
        self._jumped: tuple[str, int] | None = None
        # As long as a stamp from before a jump may still stand in the planner's history.
        self._distrust_ns = round(1e9 * robot.history_ticks * robot.period_s)

    def measurement(self, channel: str, values: FloatArray, stamp_ns: int | None, now_ns: int) -> str | None:
        """Take in what a sensor says, values in the order of the channel; tell why it is refused, or None.

        `wrong_length` and `not_finite` speak for themselves; `not_newer` is a duplicate, an overtaken
        message, or a driver that repeats itself, which one that gives no stamps (None) cannot be accused
        of. A refused measurement does not make the sensor fresh.
        """
        if values.shape != (len(self._robot.channels[channel].names),):
            return "wrong_length"
        if not np.isfinite(values).all():
            return "not_finite"
        before = self._newest.get(channel)
        if stamp_ns is not None:
            jumped = self.clock(channel, stamp_ns, now_ns)
            repeats = before is not None and before.stamp_ns is not None and stamp_ns <= before.stamp_ns
            if repeats and not jumped:
                return "not_newer"
        self._newest[channel] = _Measurement(values, stamp_ns, now_ns)
        return None

    def measured(self, channel: str) -> FloatArray | None:
        """The newest good values of `channel`, in its order; None before the first."""
        newest = self._newest.get(channel)
        return None if newest is None else newest.values

    def clock(self, source: str, stamp_ns: int, now_ns: int) -> bool:
        """Compare the stamps of `source` with the monotonic clock; tell whether they have just jumped."""
        offset = stamp_ns - now_ns
        jumped = abs(offset - self._clocks.get(source, offset)) > JUMP_NS
        self._clocks[source] = offset
        if jumped:
            self._jumped = source, now_ns
        return jumped

    def problem(self, now_ns: int) -> Problem | None:
        """The first reason why the measurements cannot be trusted now, or None."""
        for name, channel in self._robot.channels.items():
            newest = self._newest.get(name)
            if newest is None:
                return Problem(
                    "sensor_missing",
                    f"no good measurement of '{name}' has come on {channel.topic}: start the robot's driver",
                )
            age_s = (now_ns - newest.arrived_ns) / 1e9
            if age_s > channel.max_age_s:
                return Problem(
                    "sensor_late",
                    f"the last good measurement of '{name}' on {channel.topic} is {age_s:.2f} s old,"
                    f" max_age_s is {channel.max_age_s:g}: check the robot's driver",
                )
        if self._jumped is not None and now_ns - self._jumped[1] < self._distrust_ns:
            wait = f"wait {self._distrust_ns / 1e9:.1f} s"
            return Problem("clock_jump", f"the clock of '{self._jumped[0]}' has jumped: {wait}")
        return None
