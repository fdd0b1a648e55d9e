"""One candidate before the gate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adapt.learning.buffer import SegmentBuffer
from adapt.learning.drift import motion_of
from adapt.learning.gate import Decision, Gate, GateSettings, advantage
from adapt.learning.ledger import Ledger
from adapt.learning.plausibility import Plausibility, groups
from adapt.learning.records import Judgement, Training
from adapt.learning.segment import Segment
from adapt.learning.splits import Split
from adapt.learning.trial import LiveRobot, Trial
from adapt.learning.update import forecast_error
from adapt.model.windows import Windows
from adapt.model.world_model import WorldModel

WON, LOST, WHOLE = 1.0, 3.0, 0.5
"""The robot has changed where a candidate has so many whole segments to its credit, and then to its debit; a
whole one is an error that differs by this in the logarithm. An equal one's differs by a tenth, at random.
"""
Examine = Callable[[str, WorldModel], list[dict[str, Any]]]
"""Holds a version against blessed incidents; gives of each at least `incident`, `passed` and `why`."""


class Forgetting:
    """Bounds how much worse than before a candidate may forecast the simulation.

    What is gained on the robot may be lost in simulation, no more: summed over all admissions, the
    simulation cannot lose more than reality has gained. Small losses are noise, and always allowed.
    """

    def __init__(self, probe: Windows, pretrained: WorldModel, always_allowed: float):
        """`always_allowed` is a multiple of the pretrained model's error on the probe."""
        self._probe = probe
        self._always_allowed = always_allowed * forecast_error(pretrained, probe)

    def compare(self, candidate: WorldModel, incumbent: WorldModel) -> dict[str, float]:
        """Both models' errors on the simulation, and the error that is always allowed."""
        return {
            "rehearsal_error": forecast_error(candidate, self._probe),
            "incumbent_rehearsal_error": forecast_error(incumbent, self._probe),
            "rehearsal_error_always_allowed": self._always_allowed,
        }


def forgets_too_much(evidence: dict[str, Any]) -> bool:
    """Whether a candidate loses more in simulation than it gains on the robot; `evidence` has both."""
    if "rehearsal_error" not in evidence:
        return False
    gained = evidence["incumbent_error"] - evidence["candidate_error"]
    allowed = evidence["incumbent_rehearsal_error"] + max(gained, 0.0)
    return bool(evidence["rehearsal_error"] > max(allowed, evidence["rehearsal_error_always_allowed"]))


class Judging:
    """Compares a candidate with the incumbent on gate segments that began after it was made, and then, where
    there is a robot that moves, by letting both drive.

    What the ledger already holds of these comparisons counts: a restart changes nothing.

    Attributes:
        trial: the turns of both; None before the forecasts suffice for it, and where nothing moves.
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
        plausibility: Plausibility,
        robot: LiveRobot | None = None,
        examine: Examine | None = None,
    ):
        self.trial: Trial | None = None
        self._examine = examine if settings.incidents == "required" else None
        self._examined: list[dict[str, Any]] | None = None
        self.training = training
        self.candidate = candidate
        self._incumbent = incumbent
        self._settings = settings
        self._robot = robot if settings.closed_loop else None
        self._offline = robot is None
        self._ledger = ledger
        self._buffer = buffer
        self._plausibility = plausibility
        self._rehearsal = {} if forgetting is None else forgetting.compare(candidate, incumbent)
        # A candidate that was given up before it was judged on a segment has spent none of the error rate.
        judged = {judgement.version for judgement in ledger.records.judgements}
        self._other_policy = self._robot is not None and not candidate.has_policy_of(incumbent)
        margin = settings.margin_of_another_policy if self._other_policy else 0.0
        self._gate = Gate(settings, len(judged - {training.version}) + 1, margin)
        self._judged: set[int] = set()
        self._at_rest: set[int] = set()
        for judgement in ledger.records.judgements:
            if judgement.version == training.version:
                self._gate.observe(judgement.candidate_error, judgement.incumbent_error)
                self._judged.add(judgement.segment)
        self._begin_trial()

    @property
    def waiting(self) -> bool:
        """Whether nothing can be done or decided until more ticks come."""
        return not self._unseen() and not self._unjudged() and self.decide().kind == "undecided"

    def judge_next(self) -> Segment | None:
        """Compare on the oldest segment not used yet, and give it; None where there is none.

        Raises:
            sqlite3.Error: it could not be written down; then it does not count.
        """
        unjudged = self._unjudged()
        if not unjudged:
            return None
        windows = self._buffer.windows(unjudged[:1])
        errors = forecast_error(self.candidate, windows), forecast_error(self._incumbent, windows)
        version, parent = self.training.version, self.training.parent
        self._ledger.record_judgement(version, parent, unjudged[0], *errors)
        self._judged.add(unjudged[0].number)
        self._gate.observe(*errors)
        self._begin_trial()
        return unjudged[0]

    @property
    def winning(self) -> bool:
        """Whether the evidence so far speaks for the candidate: on the gate's segments, or in hindsight."""
        if self.trial is not None:
            return self.trial.winning
        return bool(self._gate.evidence()["e_better"] >= 1.0) or sum(self._credits(self._hindsights())) >= WON

    def look_back(self) -> bool:
        """Compare on the oldest adapt segment that the candidate did not learn from and that is new here;
        False where there is none.

        Such segments say what a successor should learn from, and nothing about whether the candidate is let
        in.

        Raises:
            sqlite3.Error: it could not be written down; then it does not count.
        """
        unseen = self._unseen()
        if not unseen:
            return False
        windows = self._buffer.windows(unseen[:1])
        if motion_of(self._incumbent, windows) < self._settings.trial.still:
            self._at_rest.add(unseen[0].number)
        else:
            errors = forecast_error(self.candidate, windows), forecast_error(self._incumbent, windows)
            self._ledger.record_hindsight(self.training.version, self.training.parent, unseen[0], *errors)
        return True

    @property
    def turned(self) -> int | None:
        """The ledger's entry since which the candidate, which had forecast better, forecasts worse: the robot
        has changed. None where that is not so.

        All that came since its training is asked: what `look_back` found, and what it was judged on.
        """
        version, records = self.training.version, self._ledger.records
        judged = [each for each in records.judgements if each.version == version]
        seen = sorted([*self._hindsights(), *judged], key=lambda each: each.segment)
        if self.trial is not None or not seen:
            return None
        sums = np.cumsum(self._credits(seen))
        best = int(sums.argmax())
        if sums[best] < WON or sums[best] - sums[-1] < LOST:
            return None
        return next(each.stored for each in records.segments if each.number == seen[best].segment)

    @staticmethod
    def _credits(judgements: list[Judgement]) -> list[float]:
        """What each counts for the candidate, or against it."""
        return [advantage(each.candidate_error, each.incumbent_error, WHOLE) for each in judgements]

    def _hindsights(self) -> list[Judgement]:
        return [each for each in self._ledger.records.hindsights if each.version == self.training.version]

    def _unseen(self) -> list[Segment]:
        """Adapt segments to look back on, none of them at rest; none once there is a trial."""
        if self.trial is not None:
            return []
        newest = max(self.training.segments, default=-1)
        known = self._at_rest | {each.segment for each in self._hindsights()}
        later = [each for each in self._ledger.segments(Split.ADAPT) if each.number > newest]
        return [each for each in self._plausibility.usable(later) if each.number not in known]

    def decide(self) -> Decision:
        """Decide on what was seen so far."""
        decision = self._decide_on_forecasts()
        if decision.kind != "admit" or self.trial is None:
            return decision
        driving = self.trial.decide()
        reason = f"{decision.reason} and {driving.reason}" if driving.kind == "admit" else driving.reason
        return Decision(driving.kind, reason, decision.evidence)

    def _begin_trial(self) -> None:
        if self.trial is None and self._robot is not None and self._decide_on_forecasts().kind == "admit":
            self.trial = Trial(
                self._settings.trial,
                self._robot,
                self._ledger,
                self.training,
                self._gate.threshold,
                self._other_policy,
            )

    def _decide_on_forecasts(self) -> Decision:
        decision, evidence = self._gate.decide(), self.evidence()
        if decision.kind == "admit" and forgets_too_much(evidence):
            return Decision("reject", "forgets more of the simulation than it gains", evidence)
        if decision.kind == "admit" and (problem := self._problem_of_the_judged()):
            return Decision("reject", f"judged on what no whole robot gives: {problem}", evidence)
        if decision.kind == "undecided" and self._ledger.spent(Split.GATE) and not self._unjudged():
            return Decision("reject", "the gate's budget is spent", evidence)
        if decision.kind == "admit" and (problem := self._failed_incident()):
            return Decision("reject", problem, self.evidence())
        return Decision(decision.kind, decision.reason, self.evidence())

    def evidence(self) -> dict[str, Any]:
        """All numbers that the decision rests on."""
        closed_loop: object = "not begun"
        if self.trial is not None:
            closed_loop = self.trial.evidence()
        elif self._robot is None:
            closed_loop = "not possible offline" if self._offline else "switched off"
        judged = {"segment_numbers": sorted(self._judged), "closed_loop": closed_loop}
        incidents = {} if self._examined is None else {"incidents": self._examined}
        return {**self._gate.evidence(), **self._rehearsal, **judged, **incidents}

    def _problem_of_the_judged(self) -> str:
        """Why what the decision rests on cannot be of a whole robot; empty where it can."""
        segments = self._ledger.segments(Split.GATE)
        judged = [segment for segment in segments if segment.number in self._judged]
        return next(filter(None, map(self._plausibility.reason_against, groups(judged))), "")

    def _failed_incident(self) -> str:
        """The first blessed incident that the candidate does not pass; empty where it passes all."""
        if self._examine is not None and self._examined is None:
            self._examined = self._examine(self.training.version, self.candidate)
        failed = [each for each in self._examined or () if not each["passed"]]
        return f"fails incident {failed[0]['incident']}: {failed[0]['why']}" if failed else ""

    def _unjudged(self) -> list[Segment]:
        """Gate segments that may be judged on; none once the forecasts have been decided on."""
        if self.trial is not None:
            return []
        return [
            segment
            for segment in self._ledger.segments(Split.GATE)
            if segment.assigned > self.training.entry and segment.number not in self._judged
        ]
