"""What the entries of a budget ledger add up to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapt.learning.journal import Entry
from adapt.learning.segment import Segment
from adapt.learning.splits import Split, SplitPlan
from adapt.robot.specification import Budget


@dataclass(frozen=True, slots=True)
class Assignment:
    """A segment that was given its split before its first tick came."""

    number: int
    draw: int
    split: Split
    entry: int


@dataclass(frozen=True, slots=True)
class Training:
    """A version was made from its parent with these segments."""

    version: str
    parent: str
    segments: tuple[int, ...]
    entry: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """A version was compared with the incumbent on one segment; errors are relative to the scaling.

    On a gate segment that decides whether it is let in; on an adapt segment, in hindsight, what a successor
    should learn from.
    """

    version: str
    incumbent: str
    segment: int
    candidate_error: float
    incumbent_error: float
    entry: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A version drove on trial, in one of the two turns of a pair.

    Attributes:
        candidate, incumbent: who take turns.
        version: which of them drove.
        pair: counts from 0; one that was begun anew has another number.
        first_index, last_index: of the ticks.
        first_stamp_ns, last_stamp_ns: of the ticks.
        ticks: that were measured; the others were settling, at rest or sealed.
        cost: RMS of the task's error; None where the turn was cut short.
        limited: how often the safety node told of a limit.
        ended: why it was cut short, or somebody stopped the incumbent in it; empty where neither was.
    """

    candidate: str
    incumbent: str
    version: str
    pair: int
    first_index: int
    last_index: int
    first_stamp_ns: int
    last_stamp_ns: int
    ticks: int
    cost: float | None
    limited: int
    ended: str
    entry: int


@dataclass(frozen=True, slots=True)
class Watch:
    """A version that drives was compared with some that drove before it, on one segment.

    Attributes:
        version: which drives.
        error: its forecast error, relative to the scaling.
        motion: how far the robot moved, in the same unit.
        older: the errors of the versions that drove before, by name.
    """

    version: str
    segment: int
    error: float
    motion: float
    older: dict[str, float]
    entry: int


@dataclass(frozen=True, slots=True)
class Identification:
    """A posterior over simulators, named by its content, was found from these segments."""

    posterior: str
    segments: tuple[int, ...]
    entry: int


@dataclass(frozen=True, slots=True)
class Opening:
    """The sealed audit split was read."""

    why: str
    segments: tuple[int, ...]
    entry: int


class Records:
    """The ledger's facts as objects; every list is in the order of the facts."""

    def __init__(self, opened: Entry):
        terms = opened.body
        self.robot: str = terms["robot"]
        self.schema_hash: str = terms["schema_hash"]
        self.window_ticks: int = terms["window_ticks"]
        self.period_ns = round(1e9 / terms["rate_hz"])
        self.budget = Budget.model_validate(terms["budget"])
        self.plan = SplitPlan(self.budget, terms["rate_hz"], terms["seed"])
        self.assignments: list[Assignment] = []
        self.segments: list[Segment] = []
        self.trainings: list[Training] = []
        self.judgements: list[Judgement] = []
        self.hindsights: list[Judgement] = []
        self.turns: list[Turn] = []
        self.watches: list[Watch] = []
        self.identifications: list[Identification] = []
        self.openings: list[Opening] = []

    def apply(self, entry: Entry) -> None:
        """Add one fact.

        Raises:
            KeyError, ValueError, TypeError: the entry is not one that a ledger writes.
        """
        body: dict[str, Any] = entry.body
        if entry.kind == "assigned":
            split = Split(body["split"])
            self.assignments.append(Assignment(body["segment"], body["draw"], split, entry.number))
        elif entry.kind == "stored":
            assignment = self.assignments[body["segment"]]
            self.segments.append(
                Segment(
                    number=body["segment"],
                    split=assignment.split,
                    assigned=assignment.entry,
                    stored=entry.number,
                    first_index=body["first_index"],
                    last_index=body["last_index"],
                    first_stamp_ns=body["first_stamp_ns"],
                    last_stamp_ns=body["last_stamp_ns"],
                    content=body["content"],
                )
            )
        elif entry.kind == "trained":
            self.trainings.append(
                Training(body["version"], body["parent"], tuple(body["segments"]), entry.number)
            )
        elif entry.kind == "judged":
            self.judgements.append(Judgement(**_facts(body), entry=entry.number))
        elif entry.kind == "looked_back":
            self.hindsights.append(Judgement(**_facts(body), entry=entry.number))
        elif entry.kind == "drove":
            self.turns.append(Turn(**_facts(body), entry=entry.number))
        elif entry.kind == "watched":
            self.watches.append(Watch(**_facts(body), entry=entry.number))
        elif entry.kind == "identified":
            self.identifications.append(
                Identification(body["posterior"], tuple(body["segments"]), entry.number)
            )
        elif entry.kind == "audit_opened":
            self.openings.append(Opening(body["why"], tuple(body["segments"]), entry.number))
        else:
            raise ValueError(f"unknown kind of entry '{entry.kind}'")

    @property
    def pending(self) -> Assignment | None:
        """The segment that has its split and not yet its ticks."""
        return self.assignments[-1] if len(self.assignments) > len(self.segments) else None

    @property
    def sealing(self) -> bool:
        """Whether what comes now is being stored in the audit split."""
        return self.pending is not None and self.pending.split is Split.AUDIT

    def used(self, split: Split) -> int:
        """Ticks spent on a split."""
        return sum(segment.ticks for segment in self.segments if segment.split is split)

    def remaining(self, split: Split) -> int:
        """Ticks that a split has left."""
        return self.plan.ticks[split] - self.used(split)

    def spent(self, split: Split) -> bool:
        """Whether not even one more segment fits."""
        return self.remaining(split) < self.plan.segment_ticks

    def next_draw(self, candidate_waits: bool) -> tuple[int, Split] | None:
        """The next place of the plan whose split is not spent; None when all are."""
        if all(self.spent(split) for split in Split):
            return None
        draw = self.assignments[-1].draw + 1 if self.assignments else 0
        while self.spent(split := self.plan.draw(draw, candidate_waits)):
            draw += 1
        return draw, split

    def trained_on(self, version: str) -> set[int]:
        """Segments that made a version or any of its ancestors."""
        made = {training.version: training for training in self.trainings}
        segments: set[int] = set()
        while version in made:
            training = made.pop(version)
            segments.update(training.segments)
            version = training.parent
        return segments


def _facts(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != "stamp_ns"}
