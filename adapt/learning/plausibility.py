"""Are these the ticks of a whole robot? What a broken sensor says must not be learned.

A model that has learned a broken sensor forecasts its readings well, so the gate alone would let it in.
Two things are known without any model. Where an action is the set-point of an observation (`targets`),
that observation follows it: with a lag, and not by more than it was told; and it follows no other set-point
better. And nothing moves with a multiple of the acceleration that the robot file allows.

On 40 motions of a real SO-101, over 10 s, 30 s, or six segments of 2 s from all over a motion, the gain lay
between 0.24 and 1.07, low where chirps were too fast for the servos, and the correlation above 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import Field

from adapt.learning.ledger import Ledger
from adapt.learning.segment import Segment
from adapt.model.windows import Windows
from adapt.robot.specification import RobotSpecification
from adapt.settings import Settings
from adapt.stream.tick import FloatArray

GROUP = 6
"""Segments that are checked together; a shorter rest joins them if it has not half as many."""
LONGEST_LAG = 10
FEWEST_SEGMENTS = 3
REHEARSED = 60
"""Of the windows from simulation about so many are looked at."""
Run = tuple[FloatArray, FloatArray]
"""Observation (L, O) and applied (L, A) of consecutive ticks."""


class PlausibilitySettings(Settings):
    """What a whole robot cannot do."""

    largest_gain: float = Field(default=1.2, gt=0)
    """An observation that moves by more than this times its set-point has another scale."""
    smallest_gain: float = Field(default=0.4, ge=0)
    """So has one that moves by less, in step with its set-point (correlation above 0.9)."""
    smallest_correlation: float = Field(default=0.4, ge=0, lt=1)
    """An observation below this does not follow its set-point: frozen, or not its own."""
    rival: float = Field(default=0.2, gt=0)
    """One whose correlation with another set-point is larger by this follows that one."""
    excitation: float = Field(default=0.015, ge=0)
    """A set-point that moved by less than this part of its range (standard deviation) tells nothing."""
    acceleration: float = Field(default=2.0, gt=0)
    """A tick off the line between its neighbours by what takes this times the allowed acceleration is a
    spike."""
    spikes: float = Field(default=0.02, ge=0)
    """Largest part of ticks that may be spikes."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How an observation answers a set-point, at the lag of the highest correlation."""

    gain: float
    correlation: float


def answer(runs: Sequence[tuple[FloatArray, FloatArray]]) -> Answer:
    """The regression of observations on set-points, each run (L,), (L,) about its own mean."""
    best = Answer(0.0, 0.0)
    for lag in range(min(LONGEST_LAG + 1, min(len(seen) for seen, _ in runs) // 2)):
        product = told_square = seen_square = 0.0
        for seen, told in runs:
            later, earlier = seen[lag:] - seen[lag:].mean(), told[: len(told) - lag]
            earlier = earlier - earlier.mean()
            product += float(later @ earlier)
            told_square += float(earlier @ earlier)
            seen_square += float(later @ later)
        if product > 0.0 and (found := product / (told_square * seen_square) ** 0.5) > best.correlation:
            best = Answer(product / told_square, found)
    return best


class Plausibility:
    """Finds groups of segments that no whole robot can have given.

    Attributes:
        refused: why a group was left out, by the number of its first segment.
    """

    def __init__(
        self,
        settings: PlausibilitySettings,
        specification: RobotSpecification,
        ledger: Ledger,
        rehearsal: Windows | None,
    ):
        """Joints that do not follow their set-points in simulation, `rehearsal`, are not expected to do so
        in reality; without a rehearsal nothing is known, and only spikes are looked for."""
        self._settings = settings
        self._specification = specification
        self._ledger = ledger
        limits = list(specification.action.limits.values())
        self._ranges = np.array([limit.position[1] - limit.position[0] for limit in limits])
        self._bend = np.array([limit.acceleration for limit in limits]) * specification.period_s**2 / 2
        self._followed: list[tuple[int, int]] = []
        anchored = [(a, o) for a, o in enumerate(specification.action_anchor) if o >= 0]
        self._anchored = anchored
        if rehearsal is not None:
            some = rehearsal.select(slice(0, None, max(1, len(rehearsal) // REHEARSED)))
            seen, applied = some.observation[:, :-1].double().numpy(), some.action.double().numpy()
            runs = list(zip(seen, applied, strict=True))
            self._followed = [pair for pair in anchored if not self._stray(runs, *pair)]
        self._checked: dict[tuple[int, ...], str] = {}
        self._asked: tuple[int, ...] = ()
        self._kept: list[Segment] = []
        self.refused: dict[int, str] = {}

    def usable(self, segments: Sequence[Segment]) -> list[Segment]:
        """The segments without the groups that are implausible; `refused` tells of these."""
        asked = tuple(segment.number for segment in segments)
        if asked == self._asked:  # As after every tick but the last one of a segment.
            return list(self._kept)
        kept: list[Segment] = []
        self.refused.clear()
        for group in groups(segments):
            if reason := self.reason_against(group):
                self.refused[group[0].number] = reason
            else:
                kept += group
        self._asked, self._kept = asked, kept
        return list(kept)

    def reason_against(self, segments: Sequence[Segment]) -> str:
        """Why these segments, looked at together, are not of a whole robot; empty where they may be."""
        key = tuple(segment.number for segment in segments)
        if key not in self._checked:
            ticks = [self._ledger.ticks_of(segment) for segment in segments]
            self._checked[key] = self.problem([(each.observation, each.applied) for each in ticks])
        return self._checked[key]

    def problem(self, runs: Sequence[Run]) -> str:
        """What is wrong with ticks; empty where nothing is, or where there are too few to tell."""
        if len(runs) < FEWEST_SEGMENTS:
            return ""
        for action, entry in self._anchored:
            bends = [np.abs(_bends(seen[:, entry])) for seen, _ in runs]
            spikes = np.mean(np.concatenate(bends) > self._settings.acceleration * self._bend[action])
            if spikes > self._settings.spikes:
                return f"{self._name(entry)} jumps as no robot can, in {spikes:.1%} of ticks"
        for action, entry in self._followed:
            if problem := self._stray(runs, action, entry):
                return f"{self._name(entry)} {problem}"
        return ""

    def _stray(self, runs: Sequence[Run], action: int, entry: int) -> str:
        """How an observation fails to follow its set-point; empty where it does, or nothing is told it."""
        settings = self._settings
        if not self._excited(runs, action):
            return ""
        own = self._answer(runs, action, entry)
        if own.correlation < settings.smallest_correlation:
            return f"does not follow its set-point (correlation {own.correlation:.2f})"
        rival = own.correlation + settings.rival
        others = [other for other, _ in self._anchored if other != action and self._excited(runs, other)]
        for other in others if rival < 1.0 else []:
            if self._answer(runs, other, entry).correlation > rival:
                return f"follows the set-point of {self._specification.action.entries[other]}, not its own"
        in_step = own.correlation > 0.9
        if own.gain > settings.largest_gain or (own.gain < settings.smallest_gain and in_step):
            return f"moves {own.gain:.2f} times as far as it is told to"
        return ""

    def _answer(self, runs: Sequence[Run], action: int, entry: int) -> Answer:
        return answer([(seen[:, entry], applied[:, action]) for seen, applied in runs])

    def _excited(self, runs: Sequence[Run], action: int) -> bool:
        spread = np.sqrt(np.mean([np.var(applied[:, action]) for _, applied in runs]))
        return bool(spread >= max(self._settings.excitation * self._ranges[action], 1e-9))

    def _name(self, entry: int) -> str:
        return self._specification.observation_names[entry]


def groups(segments: Sequence[Segment]) -> list[Sequence[Segment]]:
    """Segments in the parts that are checked together."""
    starts = list(range(0, max(1, len(segments) - FEWEST_SEGMENTS + 1), GROUP))
    return [segments[start:end] for start, end in zip(starts, [*starts[1:], len(segments)], strict=True)]


def _bends(values: FloatArray) -> npt.NDArray[np.float64]:
    """How far each value lies from the middle of its neighbours. Shape (L,) to (L - 2,)."""
    return np.asarray(values[1:-1] - (values[:-2] + values[2:]) / 2, dtype=np.float64)
