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


class Teacher:
    """Asks an expert what it would do, and insists that what was commanded is done.

    An expert follows its command as well as it can, and its student follows less well; on hard ground both
    are slow, and with unequal legs they turn. What a robot has lacked of its velocities over the last history
    is therefore added to what the expert is told. A student sees the same history, and can learn it.
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
            insistence: what was lacking is added so many times.
        """
        expert.reset()
        self._expert, self._history, self._horizon = expert, spec.history_ticks, spec.horizon_ticks
        self._velocities, self._insistence = velocities(spec), insistence
        scale = np.ones(spec.command_size)
        scale[self._velocities.commanded] = pace
        self._wanted = scale * commands
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
            told[..., entries.commanded] += np.clip(self._insistence * lacked, -self._most, self._most)[
                :, None
            ]
        self._seen.append(truth[:, entries.measured])
        return self._expert.act(fleet, truth, told, sent)
