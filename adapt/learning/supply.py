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

FAR_MORE = 3
"""Times as much new data as a candidate has learned from: then it is given up, though it may be winning."""


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

    @property
    def changed(self) -> int:
        """The entry of the ledger at which the robot has last become another one; 0 for never."""
        return max(self.turned, self._drift.changed)

    def segments(self) -> list[Segment]:
        """All; once the robot has changed, only those since, as soon as they are enough."""
        since = self._since_change()
        return since if _ticks(since) >= self._changed_ticks else self._usable()

    def enough(self) -> bool:
        """Whether there is so much new since the last training that another one is worth it."""
        if self._ledger.spent(Split.GATE):
            return False
        trainings = self._ledger.records.trainings
        return self._enough_since(trainings[-1] if trainings else None)

    def outgrown(self, judging: Judging) -> bool:
        """Whether a candidate should give way to a successor: where it is not winning, once that would know
        twice as much; where it only forecasts a little better, once that would know far more.
        """
        had, fresh = self._had_and_fresh(judging.training)
        far_more = _ticks(fresh) >= max(self._fresh_ticks, FAR_MORE * _ticks(had))
        slow = judging.trial is None and far_more
        return slow or (not judging.winning and self._enough_since(judging.training))

    def _enough_since(self, last: Training | None) -> bool:
        """Whether as much is new as the last training had, since more of the same helps ever less.

        Where the robot has changed since then, what came since is all that counts, and little of it will do.
        """
        if last is None:
            return _ticks(self._usable()) >= self._fresh_ticks
        had, fresh = self._had_and_fresh(last)
        if self.changed > max((each.stored for each in had), default=0):
            return _ticks(self._since_change()) >= min(self._changed_ticks, self._fresh_ticks)
        return _ticks(fresh) >= max(self._fresh_ticks, _ticks(had))

    def _had_and_fresh(self, last: Training) -> tuple[list[Segment], list[Segment]]:
        """What a training has learned from, and what came after it."""
        known, newest, usable = set(last.segments), max(last.segments, default=-1), self._usable()
        return [each for each in usable if each.number in known], [
            each for each in usable if each.number > newest
        ]

    def _since_change(self) -> list[Segment]:
        changed = self.changed
        return [each for each in self._usable() if each.stored > changed]

    def _usable(self) -> list[Segment]:
        return self._plausibility.usable(self._ledger.segments(Split.ADAPT))


def _ticks(segments: list[Segment]) -> int:
    return sum(each.ticks for each in segments)
