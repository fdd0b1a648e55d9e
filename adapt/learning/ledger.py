"""The budget ledger: every real sample, what it was reserved for, and what it was used for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from adapt.errors import UserError
from adapt.learning.journal import Entry, Journal
from adapt.learning.records import (
    Assignment,
    Identification,
    Judgement,
    Records,
    Training,
    Turn,
    Watch,
)
from adapt.learning.segment import Segment, SegmentTicks, content_of, decode_ticks, encode_ticks
from adapt.learning.splits import Split
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import Tick

Clock = Callable[[], int]
"""Gives the time in ns of the robot's clock."""


class BudgetSpent(Exception):  # noqa: N818 - an outcome that the caller must tell, not a fault
    """No split has room for another segment."""


class Ledger:
    """One robot, one deployment, one file.

    Ticks are stored in the very transaction that counts them, so a kill never leaves the two apart.
    What a version was trained or judged on is written down before the version can be used.
    """

    def __init__(self, path: Path, specification: RobotSpecification, clock: Clock, seed: int = 0):
        """Open a ledger, or begin one.

        Args:
            path: the SQLite file.
            specification: must agree with the file's robot schema and budget.
            clock: stamps the entries.
            seed: draws the splits of a new ledger; an old one keeps its own.

        Raises:
            UserError: the file is damaged, of another robot, or of another budget; or a segment would
                be too short to hold one window.
        """
        self.path = path
        self._clock = clock
        self._journal = Journal(path)
        window = specification.history_ticks + 1 + specification.horizon_ticks
        entries = self._journal.entries()
        opened = next(entries, None)
        if opened is None:
            terms = {
                "robot": specification.name,
                "schema_hash": specification.schema_hash,
                "rate_hz": specification.rate_hz,
                "window_ticks": window,
                "budget": specification.budget.model_dump(),
                "seed": seed,
            }
            opened = self._journal.append("opened", self._stamped(terms))
        self.records = Records(opened)
        self._check_terms(specification, window)
        for entry in entries:
            self.records.apply(entry)

    def assign_next_segment(self, candidate_waits: bool = False) -> Split:
        """Decide what the next segment is for, before any of it is seen; see `SplitPlan`.

        Asking again before it is stored, even after a restart, gives the same answer.

        Raises:
            BudgetSpent: no split has room left.
            sqlite3.Error: it could not be written.
        """
        if self.records.pending is not None:
            return self.records.pending.split
        draw = self.records.next_draw(candidate_waits)
        if draw is None:
            raise BudgetSpent(f"{self.path}: all {self.records.budget.total_ticks} ticks are spent")
        number = len(self.records.assignments)
        body = {"segment": number, "draw": draw[0], "split": draw[1].value}
        self._write("assigned", {**body, "candidate_waits": candidate_waits})
        return draw[1]

    def store(self, ticks: Sequence[Tick]) -> Segment:
        """Spend consecutive ticks on the segment that was assigned last.

        Raises:
            sqlite3.Error: they could not be written; nothing is spent.
        """
        assignment = self.records.pending
        if assignment is None:
            raise ValueError("assign a segment before storing one")
        data = encode_ticks(ticks)
        self._write("stored", _stored(assignment, ticks, content_of(data)), data)
        return self.records.segments[-1]

    def ticks_of(self, segment: Segment) -> SegmentTicks:
        """The ticks of a segment that is not sealed.

        Raises:
            PermissionError: it belongs to the audit split.
        """
        if segment.split is Split.AUDIT:
            raise PermissionError(f"segment {segment.number} is sealed: use open_audit")
        return self._load(segment)

    def open_audit(self, why: str, caller: str) -> list[tuple[Segment, SegmentTicks]]:
        """Read the sealed audit split, once; who asked, why, and what was read are written down first.

        Raises:
            UserError: no reason or no caller is given.
        """
        if not why.strip() or not caller.strip():
            raise UserError(
                f"{self.path}: the audit split is opened only for a reason, by somebody: say both"
            )
        sealed = self.segments(Split.AUDIT)
        numbers = [segment.number for segment in sealed]
        self._write("audit_opened", {"why": why, "caller": caller, "segments": numbers})
        return [(segment, self._load(segment)) for segment in sealed]

    def record_training(self, version: str, parent: str, segments: Sequence[Segment]) -> Training:
        """Write down what a new version was made from. Call it before the version becomes known.

        Raises:
            ValueError: a segment is not of the adapt split.
        """
        numbers = _for_training(segments)
        self._write("trained", {"version": version, "parent": parent, "segments": numbers})
        return self.records.trainings[-1]

    def record_identification(self, posterior: str, segments: Sequence[Segment]) -> Identification:
        """Write down what a posterior over simulators was found from; it is named by its content.

        Raises:
            ValueError: a segment is not of the adapt split.
        """
        self._write("identified", {"posterior": posterior, "segments": _for_training(segments)})
        return self.records.identifications[-1]

    def record_judgement(
        self,
        version: str,
        incumbent: str,
        segment: Segment,
        candidate_error: float,
        incumbent_error: float,
    ) -> Judgement:
        """Write down one comparison on one gate segment.

        Raises:
            ValueError: the segment is not of the gate split.
        """
        if segment.split is not Split.GATE:
            raise ValueError(f"segment {segment.number} ({segment.split.value}) is not for judging")
        self._write("judged", _comparison(version, incumbent, segment, candidate_error, incumbent_error))
        return self.records.judgements[-1]

    def record_hindsight(
        self,
        version: str,
        incumbent: str,
        segment: Segment,
        candidate_error: float,
        incumbent_error: float,
    ) -> Judgement:
        """Write down one comparison that tells what a successor should learn from.

        Raises:
            ValueError: the segment is not of the adapt split.
        """
        if segment.split is not Split.ADAPT:
            raise ValueError(f"segment {segment.number} ({segment.split.value}) is not for hindsight")
        self._write("looked_back", _comparison(version, incumbent, segment, candidate_error, incumbent_error))
        return self.records.hindsights[-1]

    def record_turn(self, first: Tick, last: Tick, **facts: Any) -> Turn:
        """Write down which version drove on trial from one tick to another, and what came of it; `facts` are
        the fields of `Turn` that do not follow from the ticks.
        """
        self._write("drove", {**_span([first, last]), **facts})
        return self.records.turns[-1]

    def record_watch(
        self, version: str, segment: Segment, error: float, motion: float, older: dict[str, float]
    ) -> Watch:
        """Write down one comparison of the version that drives with `older` ones (errors by version).

        Raises:
            ValueError: the segment is sealed.
        """
        if segment.split is Split.AUDIT:
            raise ValueError(f"segment {segment.number} ({segment.split.value}) is not for judging")
        facts = {"version": version, "error": error, "motion": motion, "older": older}
        self._write("watched", {"segment": segment.number, **facts})
        return self.records.watches[-1]

    def segments(self, split: Split) -> list[Segment]:
        """All segments of a split, in order."""
        return [segment for segment in self.records.segments if segment.split is split]

    def remaining(self, split: Split) -> int:
        """Ticks that a split has left."""
        return self.records.remaining(split)

    def spent(self, split: Split) -> bool:
        """Whether a split has no room for another segment."""
        return self.records.spent(split)

    def close(self) -> None:
        """Close the file."""
        self._journal.close()

    def _write(self, kind: str, body: dict[str, Any], attachment: bytes | None = None) -> Entry:
        entry = self._journal.append(kind, self._stamped(body), attachment)
        self.records.apply(entry)
        return entry

    def _stamped(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"stamp_ns": self._clock(), **body}

    def _load(self, segment: Segment) -> SegmentTicks:
        data = self._journal.attachment(segment.stored)
        if data is None or content_of(data) != segment.content:
            raise UserError(
                f"{self.path}: the ticks of segment {segment.number} were altered: restore the file"
            )
        return decode_ticks(data)

    def _check_terms(self, specification: RobotSpecification, window: int) -> None:
        records, name = self.records, specification.name
        if records.schema_hash != specification.schema_hash:
            raise UserError(
                f"{self.path}: this ledger is of robot '{records.robot}' with schema {records.schema_hash},"
                f" not of '{name}' with schema {specification.schema_hash}: use a store of its own"
            )
        if records.budget != specification.budget:
            raise UserError(
                f"{self.path}: key 'budget' of robot '{name}' changed since this deployment began: restore it"
                " or begin a new store"
            )
        if records.plan.segment_ticks < window:
            raise UserError(
                f"robot '{name}', key 'budget.segment_s': {records.plan.segment_ticks} ticks do not hold a"
                f" window of {window}: use at least {window / specification.rate_hz:g} s"
            )


def _for_training(segments: Sequence[Segment]) -> list[int]:
    """The numbers of segments, all of which may be learned from."""
    for segment in segments:
        if segment.split is not Split.ADAPT:
            raise ValueError(f"segment {segment.number} ({segment.split.value}) is not for training")
    return [segment.number for segment in segments]


def _comparison(
    version: str, incumbent: str, segment: Segment, candidate_error: float, incumbent_error: float
) -> dict[str, Any]:
    """The fields of `Judgement`, but for its entry."""
    return {
        "version": version,
        "incumbent": incumbent,
        "segment": segment.number,
        "candidate_error": candidate_error,
        "incumbent_error": incumbent_error,
    }


def _stored(assignment: Assignment, ticks: Sequence[Tick], content: str) -> dict[str, Any]:
    return {"segment": assignment.number, **_span(ticks), "content": content}


def _span(ticks: Sequence[Tick]) -> dict[str, int]:
    return {
        "first_index": ticks[0].index,
        "last_index": ticks[-1].index,
        "first_stamp_ns": ticks[0].stamp_ns,
        "last_stamp_ns": ticks[-1].stamp_ns,
    }
