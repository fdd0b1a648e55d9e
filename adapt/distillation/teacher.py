"""A teacher: the expert, told what the student should achieve rather than what the student is told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adapt.robot.specification import RobotSpecification
from adapt.sim.experts import Expert
from adapt.sim.fleet import Fleet
from adapt.sim.mechanics import simulation_of
from adapt.stream.tick import FloatArray

MOST_INSISTENCE = 0.25
"""Of the width of a command's range in the robot file: no expert is told more on top of the command."""


@dataclass(frozen=True, slots=True, eq=False)
class Velocities:
    """The V velocities that a robot is commanded.

    Attributes:
        commanded: V entries of the command.
        measured: those of the observation that track them.
    """

    commanded: list[int]
    measured: list[int]


def velocities(spec: RobotSpecification) -> Velocities:
    """Entries of the command whose units are per second, and that are tracked."""
    pairs = zip(spec.command_anchor, spec.task.command.name_units, strict=True)
    found = [at for at, (anchor, unit) in enumerate(pairs) if anchor >= 0 and unit.endswith("/s")]
    return Velocities(found, [spec.command_anchor[at] for at in found])


def at_pace(spec: RobotSpecification, commands: FloatArray, pace: float) -> FloatArray:
    """Commands (..., C) with their velocities so many times as high."""
    scale = np.ones(spec.command_size)
    scale[velocities(spec).commanded] = pace
    return scale * commands


class Teacher:
    """Asks an expert what it would do, and insists that the robot goes where it was commanded to.

    An expert follows its command as well as it can, and its student follows less well: with unequal legs
    they turn. What a robot has lacked of its velocities over the last history is therefore added to what the
    expert is told. A student sees the same history, and can learn it.

    Its pace is left to the expert. Feet that slip slip more when told to hurry, and a robot that is fast by
    what it measures would be held back.
    """

    def __init__(
        self,
        spec: RobotSpecification,
        expert: Expert,
        commands: FloatArray,
        pace: float = 1.0,
        insistence: float = 0.0,
    ) -> None:
        """Begin an episode of E robots.

        Args:
            spec: the robot.
            expert: who is asked.
            commands: shape (E, L + 1 + T, C), of the robots.
            pace: the robots should go so many times as fast as is commanded.
            insistence: what was lacking, at right angles to what was commanded, is added so many times.
        """
        expert.reset()
        self._expert, self._history, self._horizon = expert, spec.history_ticks, spec.horizon_ticks
        self._velocities, self._insistence = velocities(spec), insistence
        self._wanted = at_pace(spec, commands, pace)
        command, ranges = spec.task.command, simulation_of(spec).commands.ranges
        widths = [np.ptp(ranges.get(command.names[at], (0.0, 0.0))) for at in self._velocities.commanded]
        self._most = MOST_INSISTENCE * np.array(widths, dtype=np.float64)
        self._seen: list[FloatArray] = []

    def act(self, fleet: Fleet, truth: FloatArray, sent: FloatArray) -> FloatArray:
        """See `Expert.act`; to be asked in each tick of the episode, from its beginning."""
        now, entries = len(self._seen), self._velocities
        told = self._wanted[:, now : now + 1 + self._horizon].copy()
        if now >= self._history:
            past = slice(now - self._history, now)
            wanted = self._wanted[:, past][..., entries.commanded].mean(axis=1)
            lacked = wanted - np.mean(self._seen[past], axis=0)
            more = self._insistence * self._aside(lacked, wanted)
            told[..., entries.commanded] += np.clip(more, -self._most, self._most)[:, None]
        self._seen.append(truth[:, entries.measured])
        return self._expert.act(fleet, truth, told, sent)

    def _aside(self, lacked: FloatArray, wanted: FloatArray) -> FloatArray:
        """What of `lacked` is at right angles to `wanted`, both of shape (E, V), in units of the ranges."""
        units = np.where(self._most > 0.0, self._most, 1.0)
        lack, way = lacked / units, wanted / units
        length = np.sum(way**2, axis=1, keepdims=True)
        along = np.sum(lack * way, axis=1, keepdims=True) / np.where(length > 0.0, length, 1.0)
        return np.asarray((lack - along * way) * units)
