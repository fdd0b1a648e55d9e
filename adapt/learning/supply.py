"""What may be learned from, and when it is enough for another training."""

from __future__ import annotations

from adapt.learning.drift import DriftWatch
from adapt.learning.judging import Judging
from adapt.learning.ledger import Ledger
from adapt.learning.plausibility import Plausibility
from adapt.learning.records import Training
from adapt.learning.segment import Segment
from adapt.learning.settings import LearnerSettings
from adapt.learning.splits import Split


class Supply:
    """The plausible segments of the adapt split."""

    def __init__(
        self,
        settings: LearnerSettings,
        rate_hz: float,
        ledger: Ledger,
        plausibility: Plausibility,
        drift: DriftWatch,
    ):
        """`rate_hz` is that of the ticks; the others are those of the learner."""
        self._ledger = ledger
        self._plausibility = plausibility
        self._drift = drift
        self._fresh_ticks = settings.fresh_adapt_s * rate_hz
        self._changed_ticks = settings.changed_adapt_s * rate_hz

    def segments(self) -> list[Segment]:
        """All; once the robot has changed, only those since, as soon as they are enough."""
        usable = self._usable()
        since = [each for each in usable if each.stored > self._drift.changed]
        return since if sum(each.ticks for each in since) >= self._changed_ticks else usable

    def enough(self) -> bool:
        """Whether there is so much new since the last training that another one is worth it."""
        if self._ledger.spent(Split.GATE):
            return False
        trainings = self._ledger.records.trainings
        last = trainings[-1] if trainings else None
        return self._fresh(last) >= self._enough_ticks(last)

    def outgrown(self, judging: Judging) -> bool:
        """Whether a candidate that is not winning could have a successor that knows better.

        One that is losing makes room for fresh data, another for twice as many.
        """
        made = judging.training
        fresh, changed = self._fresh(made), self._drift.changed > made.entry
        doubled = fresh >= sum(each.ticks for each in self._usable()) - fresh
        better = doubled or changed or judging.losing
        return fresh >= self._enough_ticks(made) and better and not judging.winning

    def _enough_ticks(self, last: Training | None) -> float:
        """Fresh ticks for a training: few where the robot has changed since the last one."""
        changed = self._drift.changed > (0 if last is None else last.entry)
        return min(self._changed_ticks, self._fresh_ticks) if changed else self._fresh_ticks

    def _fresh(self, last: Training | None) -> int:
        """Usable ticks that came after those of the last training."""
        newest = -1 if last is None else max(last.segments)
        return sum(each.ticks for each in self._usable() if each.number > newest)

    def _usable(self) -> list[Segment]:
        return self._plausibility.usable(self._ledger.segments(Split.ADAPT))
