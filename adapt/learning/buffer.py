"""From the stream of ticks to stored segments, and from these to windows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from adapt.learning.ledger import Clock, Ledger
from adapt.learning.segment import Segment, consecutive
from adapt.learning.splits import Split
from adapt.model.windows import Windows, cut_windows
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import Tick


class SegmentBuffer:
    """Fills one segment after the other, and refuses ticks that must not be learned from.

    Attributes:
        refused: how many ticks were refused or left out, by reason.
        candidate_waits: whether the next segments are wanted by the gate.
    """

    def __init__(
        self, specification: RobotSpecification, ledger: Ledger, clock: Clock, future_tolerance_s: float
    ):
        self._specification = specification
        self._schema_hash = specification.schema_hash
        self._ledger = ledger
        self._clock = clock
        self._future_tolerance_ns = round(future_tolerance_s * 1e9)
        self._open: list[Tick] = []
        stored = ledger.records.segments
        self._newest_ns = stored[-1].last_stamp_ns if stored else -(2**62)
        self.refused: Counter[str] = Counter()
        self.candidate_waits = False

    def offer(self, tick: Tick) -> None:
        """Take one tick; the one that completes a segment stores it.

        Raises:
            BudgetSpent: no split has room; the tick is not taken.
            sqlite3.Error: a full segment could not be written; its ticks are dropped.
        """
        if (reason := self._reason_against(tick)) is not None:
            self.refused[reason] += 1
            return
        self._newest_ns = tick.stamp_ns
        if self._open and not self._continues(self._open[-1], tick):
            self._close()
        if not self._open:
            split = self._ledger.assign_next_segment(self.candidate_waits)
            if self._within_guard(split, tick):
                self.refused["guard"] += 1
                return
        self._open.append(tick)
        if len(self._open) == self._ledger.records.plan.segment_ticks:
            self._close()

    def windows(self, segments: Sequence[Segment]) -> Windows:
        """All windows within these segments, reaching across neighbours of the same split.

        Windows have no commands (shape (B, H + 1 + T, 0)): dynamics do not depend on them.

        Raises:
            PermissionError: a segment is sealed.
        """
        parts = [self._cut(run) for run in self._runs(segments)]
        return Windows.join(parts) if parts else self._cut([])

    def _cut(self, run: list[Segment]) -> Windows:
        specification = self._specification
        ticks = [self._ledger.ticks_of(segment) for segment in run]
        observation = [each.observation for each in ticks] or [np.empty((0, specification.observation_size))]
        applied = [each.applied for each in ticks] or [np.empty((0, specification.action_size))]
        length = sum(map(len, observation))
        return cut_windows(
            np.concatenate(observation),
            np.concatenate(applied),
            np.empty((length, 0)),
            specification.history_ticks,
            specification.horizon_ticks,
        )

    def _runs(self, segments: Sequence[Segment]) -> list[list[Segment]]:
        runs: list[list[Segment]] = []
        for segment in segments:
            if runs and segment.follows(runs[-1][-1], self._ledger.records.period_ns):
                runs[-1].append(segment)
            else:
                runs.append([segment])
        return runs

    def _reason_against(self, tick: Tick) -> str | None:
        specification = self._specification
        sizes = specification.observation_size, specification.observation_size, specification.action_size
        if (tick.observation.shape, tick.valid.shape, tick.applied.shape) != tuple((size,) for size in sizes):
            return "wrong size"
        if tick.schema_hash != self._schema_hash:
            return "another robot"
        if tick.stamp_ns > self._clock() + self._future_tolerance_ns:
            return "from the future"
        if tick.stamp_ns == self._newest_ns:
            return "twice"
        if tick.stamp_ns < self._newest_ns:
            return "out of order"
        if not tick.valid.all() or np.isnan(tick.applied).any():
            return "incomplete"
        if not tick.complete:
            return "not finite"
        return None

    def _continues(self, last: Tick, tick: Tick) -> bool:
        period_ns = self._ledger.records.period_ns
        return consecutive(last.index, last.stamp_ns, tick.index, tick.stamp_ns, period_ns)

    def _within_guard(self, split: Split, tick: Tick) -> bool:
        records = self._ledger.records
        if not records.segments or records.segments[-1].split is split:
            return False
        return tick.stamp_ns - records.segments[-1].last_stamp_ns <= records.plan.guard_ns

    def _close(self) -> None:
        ticks, self._open = self._open, []
        if len(ticks) < self._ledger.records.window_ticks:
            self.refused["run too short"] += len(ticks)
            return
        self._ledger.store(ticks)
