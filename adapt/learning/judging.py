"""One candidate before the gate."""

from __future__ import annotations

from typing import Any

from adapt.learning.buffer import SegmentBuffer
from adapt.learning.gate import Decision, Gate, GateSettings
from adapt.learning.ledger import Ledger
from adapt.learning.records import Training
from adapt.learning.segment import Segment
from adapt.learning.splits import Split
from adapt.learning.update import forecast_error
from adapt.model.windows import Windows
from adapt.model.world_model import WorldModel


class Forgetting:
    """Bounds how much worse than the pretrained model a candidate may forecast the simulation."""

    def __init__(self, probe: Windows, pretrained: WorldModel, limit: float):
        self._probe = probe
        self._limit = limit
        self._pretrained_error = forecast_error(pretrained, probe)

    def check(self, candidate: WorldModel) -> tuple[bool, dict[str, Any]]:
        """Whether the candidate keeps the bound, and the two errors."""
        error = forecast_error(candidate, self._probe)
        evidence = {"rehearsal_error": error, "pretrained_rehearsal_error": self._pretrained_error}
        return error <= self._limit * self._pretrained_error, evidence


class Judging:
    """Compares a candidate with the incumbent on gate segments that began after it was made.

    What the ledger already holds of these comparisons counts: a restart changes nothing.
    """

    def __init__(
        self,
        settings: GateSettings,
        ledger: Ledger,
        buffer: SegmentBuffer,
        training: Training,
        candidate: WorldModel,
        incumbent: WorldModel,
        forgetting: Forgetting | None,
    ):
        self.training = training
        self.candidate = candidate
        self._incumbent = incumbent
        self._ledger = ledger
        self._buffer = buffer
        self._keeps_simulation, self._rehearsal_evidence = (
            (True, {}) if forgetting is None else forgetting.check(candidate)
        )
        # A candidate that fell before it was judged on a segment has spent none of the error rate.
        judged = {judgement.version for judgement in ledger.records.judgements}
        self._gate = Gate(settings, len(judged - {training.version}) + 1)
        self._judged: set[int] = set()
        for judgement in ledger.records.judgements:
            if judgement.version == training.version:
                self._gate.observe(judgement.candidate_error, judgement.incumbent_error)
                self._judged.add(judgement.segment)

    @property
    def waiting(self) -> bool:
        """Whether nothing can be done or decided until more ticks come."""
        return not self._unjudged() and self.decide().kind == "undecided"

    def judge_next(self) -> Segment | None:
        """Compare on the oldest segment not used yet, and give it; None where there is none.

        Raises:
            sqlite3.Error: it could not be written down; then it does not count.
        """
        unjudged = self._unjudged()
        if not unjudged or not self._keeps_simulation:
            return None
        windows = self._buffer.windows(unjudged[:1])
        errors = forecast_error(self.candidate, windows), forecast_error(self._incumbent, windows)
        version, parent = self.training.version, self.training.parent
        self._ledger.record_judgement(version, parent, unjudged[0], *errors)
        self._judged.add(unjudged[0].number)
        self._gate.observe(*errors)
        return unjudged[0]

    def decide(self) -> Decision:
        """Decide on what was seen so far."""
        if not self._keeps_simulation:
            return Decision("reject", "forgets the simulation", self.evidence())
        decision = self._gate.decide()
        if decision.kind == "undecided" and self._ledger.spent(Split.GATE) and not self._unjudged():
            return Decision("reject", "the gate's budget is spent", self.evidence())
        return Decision(decision.kind, decision.reason, self.evidence())

    def evidence(self) -> dict[str, Any]:
        """All numbers that the decision rests on."""
        return {**self._gate.evidence(), **self._rehearsal_evidence}

    def _unjudged(self) -> list[Segment]:
        return [
            segment
            for segment in self._ledger.segments(Split.GATE)
            if segment.assigned > self.training.entry and segment.number not in self._judged
        ]
