"""What may be learned from, and when it is enough for another training."""

from __future__ import annotations

from adapt.learning.drift import DriftWatch
from adapt.learning.gate import BettingTest, advantage
from adapt.learning.judging import Judging
from adapt.learning.ledger import Ledger
from adapt.learning.plausibility import Plausibility
from adapt.learning.records import Training
from adapt.learning.segment import Segment
from adapt.learning.settings import LearnerSettings
from adapt.learning.splits import Split

LOST = 0.1
"""A candidate counts as losing when the wealth of the bets on it has become this: ten to one."""


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
        self._saturation = settings.gate.saturation
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
        """The entry of the ledger at which the robot has last become another one; 0 for never.

        The errors of the version that drives may not tell. A candidate that loses does: what it learned from
        was another robot, or too little of this one. Its successor is to show which: it learns from what came
        since, and where it loses too, that was no change.
        """
        before, changed, doubted = 0, 0, False
        for training in self._ledger.records.trainings:
            if not self._lost(training):
                doubted = False
            elif doubted:
                changed, doubted = before, False
            else:
                before, changed, doubted = changed, self._newest(training), True
        return max(changed, self._drift.changed)

    def _lost(self, training: Training) -> bool:
        test = BettingTest()
        for each in self._ledger.records.judgements:
            if each.version == training.version:
                test.observe(advantage(each.candidate_error, each.incumbent_error, self._saturation))
        return test.e_value < LOST

    def _newest(self, training: Training) -> int:
        """The entry that stored the last segment of a training."""
        stored = {each.number: each.stored for each in self._ledger.records.segments}
        return max((stored[number] for number in training.segments), default=0)

    def _enough_ticks(self, last: Training | None) -> float:
        """Fresh ticks for a training: as many as the last one had, since more of the same helps ever less.

        Few will do where the robot has changed since then, or may have.
        """
        if last is None:
            return self._fresh_ticks
        if self._drift.changed > last.entry or self._lost(last):
            return min(self._changed_ticks, self._fresh_ticks)
        had = set(last.segments)
        return max(self._fresh_ticks, sum(each.ticks for each in self._usable() if each.number in had))

    def _fresh(self, last: Training | None) -> int:
        """Usable ticks that came after those of the last training."""
        newest = -1 if last is None else max(last.segments, default=-1)
        return sum(each.ticks for each in self._usable() if each.number > newest)

    def _usable(self) -> list[Segment]:
        return self._plausibility.usable(self._ledger.segments(Split.ADAPT))
