"""Whether the sensors and the clocks can be trusted, judged by a monotonic clock alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from adapt.robot.specification import RobotSpecification

FloatArray = npt.NDArray[np.float64]

# Stamps that run ahead of or behind the monotonic clock by this much between two messages have jumped.
JUMP_NS = 500_000_000
# Where the robot file says nothing: what is measured may change this much faster than commands may.
PLAUSIBLE = 3.0
# Commands have moved if one did by this share of its range: well above any play between motor and joint.
MOVED = 0.05


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


class _Stillness(NamedTuple):
    """What was commanded when a channel began to say the same, and since when commands are far from that."""

    commanded: FloatArray | None
    moved_ns: int | None = None


class Watchdog:
    """Follows measurements and clocks. All `now_ns` are of one monotonic clock; it never blocks."""

    def __init__(self, robot: RobotSpecification) -> None:
        self._robot = robot
        self._newest: dict[str, _Measurement] = {}
        self._clocks: dict[str, int] = {}
        self._jumped: tuple[str, int] | None = None
        self._suspects: dict[str, _Measurement] = {}
        self._leapt: tuple[str, int] | None = None
        self._still: dict[str, _Stillness] = {}
        self._commanded: FloatArray | None = None
        limits = robot.action.limits
        self._moved = MOVED * np.array([np.ptp(each.position) for each in limits.values()])
        self._plausible_rates = {name: self._plausible_rate(name) for name in robot.channels}
        # As long as a stamp from before a jump may still stand in the planner's history.
        self._distrust_ns = round(1e9 * robot.history_ticks * robot.period_s)

    def measurement(self, channel: str, values: FloatArray, stamp_ns: int | None, now_ns: int) -> str | None:
        """Take in what a sensor says, values in the order of the channel; tell why it is refused, or None.

        `wrong_length` and `not_finite` speak for themselves; `not_newer` is a duplicate, an overtaken
        message, or a driver that repeats itself, which one that gives no stamps (None) cannot be accused
        of; `implausible` is a leap that no robot makes, unless the next message confirms it, which is
        a `problem`. A refused measurement does not make the sensor fresh.
        """
        if values.shape != (len(self._robot.channels[channel].names),):
            return "wrong_length"
        if not np.isfinite(values).all():
            return "not_finite"
        before, jumped = self._newest.get(channel), False
        if stamp_ns is not None:
            jumped = self.clock(channel, stamp_ns, now_ns)
            repeats = before is not None and before.stamp_ns is not None and stamp_ns <= before.stamp_ns
            if repeats and not jumped:
                return "not_newer"
        new = _Measurement(values, stamp_ns, now_ns)
        if before is not None and not jumped and not self._follows(channel, before, new):
            suspect = self._suspects.get(channel)
            self._suspects[channel] = new
            if suspect is None or not self._follows(channel, suspect, new):
                return "implausible"
            self._leapt = channel, now_ns
        self._suspects.pop(channel, None)
        if before is None or not np.array_equal(before.values, values):
            self._still[channel] = _Stillness(self._commanded)
        self._newest[channel] = new
        return None

    def commanded(self, command: FloatArray | None, now_ns: int) -> None:
        """Take in what was sent to the robot, shape (A,); None where it is not driven any more."""
        for name, still in self._still.items():
            if command is None or still.commanded is None:
                self._still[name] = _Stillness(command)
            elif still.moved_ns is None and (np.abs(command - still.commanded) > self._moved).any():
                self._still[name] = still._replace(moved_ns=now_ns)
        self._commanded = command

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
            moved_ns = self._still[name].moved_ns
            longest_s = channel.frozen_after_s
            if moved_ns is not None and longest_s is not None and now_ns - moved_ns > 1e9 * longest_s:
                return Problem(
                    "sensor_frozen",
                    f"'{name}' on {channel.topic} has said the same for more than {longest_s:g} s while"
                    " commands moved: check the robot's driver",
                )
        if self._leapt is not None and now_ns - self._leapt[1] < self._distrust_ns:
            return Problem(
                "sensor_leap",
                f"'{self._leapt[0]}' has leapt faster than the robot can move: check the sensor, then wait"
                f" {self._distrust_ns / 1e9:.1f} s",
            )
        if self._jumped is not None and now_ns - self._jumped[1] < self._distrust_ns:
            wait = f"wait {self._distrust_ns / 1e9:.1f} s"
            return Problem("clock_jump", f"the clock of '{self._jumped[0]}' has jumped: {wait}")
        return None

    def _plausible_rate(self, channel: str) -> FloatArray:
        """How fast each entry may change, in the channel's unit per s."""
        given = self._robot.channels[channel]
        rates = np.full(len(given.names), np.inf if given.plausible_rate is None else given.plausible_rate)
        if given.plausible_rate is None and channel == self._robot.action.targets:
            for entry, limits in self._robot.action.limits.items():
                rates[given.names.index(entry)] = PLAUSIBLE * limits.velocity
        return rates

    def _follows(self, channel: str, before: _Measurement, after: _Measurement) -> bool:
        """Whether a robot can have come from one measurement to the next."""
        given = self._robot.channels[channel]
        apart_ns = after.arrived_ns - before.arrived_ns
        if before.stamp_ns is not None and after.stamp_ns is not None:
            # Messages that were held up come together.
            apart_ns = max(apart_ns, after.stamp_ns - before.stamp_ns)
        else:
            apart_ns += round(1e9 * given.max_age_s)
        far = self._plausible_rates[channel] * (apart_ns / 1e9) + 10.0 * given.noise + 2.0 * given.resolution
        return bool((np.abs(after.values - before.values) <= far).all())
