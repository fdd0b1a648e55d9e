"""The real logs that identification may see: the adapt split of a budget, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from adapt.bags.replay import TickClock
from adapt.distillation.pieces import Float32Array, Reader
from adapt.errors import UserError
from adapt.learning.buffer import SegmentBuffer
from adapt.learning.ledger import BudgetSpent, Ledger
from adapt.learning.plausibility import Plausibility
from adapt.learning.segment import Segment, SegmentTicks
from adapt.learning.settings import LearnerSettings
from adapt.learning.splits import Split
from adapt.model.windows import Windows
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import Tick

LEAST_SHARE = 0.05
"""Of the ticks; a command that was given for less is not one of the logs."""


@dataclass(frozen=True, slots=True, eq=False)
class Logs:
    """What may be learned from.

    Attributes:
        segments: of the adapt split, all plausible.
        pieces: of their motion, shape (N, D, ticks); see `Reader`.
        windows: of the segments.
        commands: that the robot was given.
        refused: ticks that were left out, by reason.
    """

    segments: list[Segment]
    pieces: Float32Array
    windows: Windows
    commands: tuple[tuple[float, ...], ...]
    refused: dict[str, int]


def gather(spec: RobotSpecification, ticks: Iterable[Tick], ledger: Ledger, clock: TickClock) -> Logs:
    """Spend ticks on the splits of a ledger, and give all of its adapt split.

    Args:
        spec: the robot.
        ticks: in order; those that the ledger holds already change nothing, and none need be given.
        ledger: made with `clock`.
        clock: follows the ticks.

    Raises:
        UserError: a sensor says what no whole robot does, or nothing is left to learn from.
    """
    settings = LearnerSettings()
    buffer = SegmentBuffer(spec, ledger, clock, settings.future_tolerance_s)
    for tick in ticks:
        clock.advance(tick)
        try:
            buffer.offer(tick)
        except BudgetSpent:
            buffer.refused["budget spent"] += 1
    plausibility = Plausibility(settings.plausibility, spec, ledger, None)
    segments = plausibility.usable(ledger.segments(Split.ADAPT))
    if plausibility.refused:
        raise UserError(f"robot {spec.name}: {next(iter(plausibility.refused.values()))}: is it broken?")
    if not segments:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in buffer.refused.items()) or "no ticks"
        raise UserError(f"robot {spec.name}: nothing to learn from in these logs: {reasons}")
    kept = [ledger.ticks_of(each) for each in segments]
    pieces = Reader(spec).pieces((each.observation, each.applied) for each in kept)
    return Logs(segments, pieces, buffer.windows(segments), _commands(kept), dict(buffer.refused))


def _commands(ticks: list[SegmentTicks]) -> tuple[tuple[float, ...], ...]:
    """What was commanded, the most frequent first."""
    given: Counter[tuple[float, ...]] = Counter()
    for each in ticks:
        if each.command is not None:
            known = each.command[np.isfinite(each.command).all(axis=1)]
            given.update(map(tuple, np.round(known, 6).tolist()))
    least = LEAST_SHARE * sum(given.values())
    return tuple(each for each, count in given.most_common() if count >= least and any(each))
