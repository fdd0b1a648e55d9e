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
    """The plausible segments of the adapt split.

    Attributes:
        turned: the ledger's entry since which a candidate that had forecast better forecast worse.
    """

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
        self.turned = 0
        self._fresh_ticks = settings.fresh_adapt_s * rate_hz
        self._changed_ticks = settings.changed_adapt_s * rate_hz

    def segments(self) -> list[Segment]:
        """All; once the robot has changed, only those since, as soon as they are enough."""
        usable, changed = self._usable(), self._changed()
        since = [each for each in usable if each.stored > changed]
        return since if sum(each.ticks for each in since) >= self._changed_ticks else usable

    def enough(self) -> bool:
        """Whether there is so much new since the last training that another one is worth it."""
        if self._ledger.spent(Split.GATE):
            return False
        trainings = self._ledger.records.trainings
        last = trainings[-1] if trainings else None
        return self._fresh(last) >= self._enough_ticks(last)

    def outgrown(self, judging: Judging) -> bool:
        """Whether a candidate that is not winning could have a successor that knows better."""
        return not judging.winning and self._fresh(judging.training) >= self._enough_ticks(judging.training)

    def _changed(self) -> int:
        """The entry of the ledger at which the robot has last become another one; 0 for never."""
        return max(self.turned, self._drift.changed)

    def _enough_ticks(self, last: Training | None) -> float:
        """Fresh ticks for a training: as many as the last one had, since more of the same helps ever less.

        Few will do where the robot has changed since then.
        """
        if last is None:
            return self._fresh_ticks
        known = set(last.segments)
        had = [each for each in self._usable() if each.number in known]
        if self._changed() > max((each.stored for each in had), default=0):
            return min(self._changed_ticks, self._fresh_ticks)
        return max(self._fresh_ticks, sum(each.ticks for each in had))

    def _fresh(self, last: Training | None) -> int:
        """Usable ticks that came after those of the last training."""
        newest = -1 if last is None else max(last.segments, default=-1)
        return sum(each.ticks for each in self._usable() if each.number > newest)

    def _usable(self) -> list[Segment]:
        return self._plausibility.usable(self._ledger.segments(Split.ADAPT))
