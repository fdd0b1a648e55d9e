"""Proof, from the records alone, that no sample was used for what it must not be used for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from adapt.errors import UserError
from adapt.learning.duplicates import near_duplicates
from adapt.learning.journal import Entry, Journal
from adapt.learning.records import Records, Turn
from adapt.learning.segment import Segment, SegmentTicks, content_of, decode_ticks
from adapt.learning.splits import Split
from adapt.learning.trial import turn_order
from adapt.stream.tick import FloatArray


def verify_ledger(path: Path) -> list[str]:
    """Read a ledger file and give everything that is wrong with it; an empty list is a proof.

    It holds when the chain of hashes is whole, every split is the one that the plan draws, no split
    is overspent, no tick or guard gap lies in two splits, every stored segment still has the ticks
    that were stored, versions were trained on adapt segments only, and judged only on gate segments
    that began after they were made and that neither they nor an ancestor were trained on. No version is
    looked back on with what it learned from or what is not of adapt, and none is watched or measured at
    driving on what is sealed, is older than itself, or has trained it or an ancestor.

    Raises:
        UserError: `path` is no ledger.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file: give the ledger of a store")
    journal = Journal(path)
    try:
        records, problems = _replay(journal)
        if records is None:
            return problems
        problems += _split_problems(records)
        problems += _use_problems(records)
        problems += _hindsight_problems(records)
        problems += _watch_problems(records)
        problems += _turn_problems(records)
        problems += _content_problems(records, journal)
        return problems
    finally:
        journal.close()


def repeated_motions(path: Path) -> list[str]:
    """Name segments of two splits that hold nearly the same motion; see `near_duplicates`.

    A robot that repeats a task makes such segments honestly. What is judged on them says how well a version
    knows that task, and less about any other.

    Raises:
        UserError: the ledger cannot be read; see `verify_ledger`.
    """
    journal = Journal(path)
    try:
        records, _ = _replay(journal)
        return [] if records is None else list(_repetitions(records, journal))
    finally:
        journal.close()


def _replay(journal: Journal) -> tuple[Records | None, list[str]]:
    """The records up to the first entry that cannot be right, and what was wrong."""
    records: Records | None = None
    problems: list[str] = []
    try:
        for entry in journal.entries():
            if records is None:
                records = Records(entry)
                continue
            problems += _plan_problems(records, entry)
            records.apply(entry)
    except UserError as error:
        problems.append(str(error))
    except (KeyError, IndexError, ValueError, TypeError) as error:
        problems.append(f"an entry is not one that a ledger writes: {error!r}")
    return records, problems


def _plan_problems(records: Records, entry: Entry) -> Iterator[str]:
    if entry.kind == "assigned":
        waits = entry.body.get("candidate_waits", False)
        if waits and not records.trainings:
            yield f"entry {entry.number}: a candidate is said to wait, and none was ever made"
        due = records.next_draw(waits)
        if due is None or (entry.body["draw"], entry.body["split"]) != (due[0], due[1].value):
            yield f"entry {entry.number}: segment {entry.body['segment']} has another split than was drawn"
        if records.pending is not None:
            yield f"entry {entry.number}: assigned while segment {records.pending.number} was still empty"
    elif entry.kind == "stored" and (
        records.pending is None or records.pending.number != entry.body["segment"]
    ):
        yield f"entry {entry.number}: segment {entry.body['segment']} was stored twice or never assigned"


def _split_problems(records: Records) -> Iterator[str]:
    for split in Split:
        if records.remaining(split) < 0:
            yield f"split {split.value} is overspent by {-records.remaining(split)} ticks"
    ordered = sorted(records.segments, key=lambda segment: segment.first_stamp_ns)
    for before, after in pairwise(ordered):
        gap_ns = after.first_stamp_ns - before.last_stamp_ns
        if gap_ns <= 0:
            yield f"segments {before.number} and {after.number} share ticks"
        elif before.split is not after.split and gap_ns <= records.plan.guard_ns:
            yield f"segments {before.number} and {after.number} of two splits lie within the guard time"


def _use_problems(records: Records) -> Iterator[str]:
    segments = {segment.number: segment for segment in records.segments}
    made: dict[str, int] = {}
    learned = [
        (f"posterior {each.posterior} was found from", each.segments) for each in records.identifications
    ]
    for training in records.trainings:
        made.setdefault(training.version, training.entry)
        learned.append((f"version {training.version} was trained on", training.segments))
    for what, numbers in learned:
        for number in numbers:
            segment = segments.get(number)
            if segment is None or segment.split is not Split.ADAPT:
                yield f"{what} segment {number}, which is not of adapt"
    judged: set[tuple[str, int]] = set()
    for judgement in records.judgements:
        version, segment = judgement.version, segments.get(judgement.segment)
        where = f"version {version} was judged on segment {judgement.segment}"
        if segment is None or segment.split is not Split.GATE:
            yield f"{where}, which is not of gate"
        elif judgement.segment in records.trained_on(version):
            yield f"{where}, which it or an ancestor was trained on"
        elif version not in made or segment.assigned < made[version]:
            yield f"{where}, which began before the version was made"
        if (version, judgement.segment) in judged:
            yield f"{where} twice"
        judged.add((version, judgement.segment))


def _hindsight_problems(records: Records) -> Iterator[str]:
    splits = {segment.number: segment.split for segment in records.segments}
    made = {training.version: set(training.segments) for training in records.trainings}
    seen: set[tuple[str, int]] = set()
    for hindsight in records.hindsights:
        where = f"version {hindsight.version} was looked back on with segment {hindsight.segment}"
        if splits.get(hindsight.segment) is not Split.ADAPT:
            yield f"{where}, which is not of adapt"
        elif hindsight.segment in made.get(hindsight.version, {hindsight.segment}):
            yield f"{where}, which it was trained on"
        if (hindsight.version, hindsight.segment) in seen:
            yield f"{where} twice"
        seen.add((hindsight.version, hindsight.segment))


def _watch_problems(records: Records) -> Iterator[str]:
    segments = {segment.number: segment for segment in records.segments}
    made = {training.version: training.entry for training in records.trainings}
    watched: set[tuple[str, int]] = set()
    for watch in records.watches:
        segment = segments.get(watch.segment)
        for version in (watch.version, *watch.older):
            where = f"version {version} was watched on segment {watch.segment}"
            if segment is None or segment.split is Split.AUDIT:
                yield f"{where}, which is sealed or not there"
            elif watch.segment in records.trained_on(version):
                yield f"{where}, which it or an ancestor was trained on"
            elif segment.assigned < made.get(version, 0):
                yield f"{where}, which began before the version was made"
        if (watch.version, watch.segment) in watched:
            yield f"version {watch.version} was watched on segment {watch.segment} twice"
        watched.add((watch.version, watch.segment))


def _turn_problems(records: Records) -> Iterator[str]:
    last_ns = {segment.number: segment.last_stamp_ns for segment in records.segments}
    made = {training.version: training.entry for training in records.trainings}
    for turn in records.turns:
        learned_ns = [last_ns[each] for each in records.trained_on(turn.version) if each in last_ns]
        if turn.entry < made.get(turn.candidate, turn.entry + 1):
            yield f"{_said(turn)}, before candidate {turn.candidate} was made"
        if turn.first_stamp_ns <= max(learned_ns, default=turn.first_stamp_ns - 1):
            yield f"{_said(turn)}, which it or an ancestor may have been trained on"
    whole = [turn for turn in records.turns if not turn.ended]
    for before, after in pairwise(whole):
        if after.first_stamp_ns <= before.last_stamp_ns:
            yield f"{_said(after)}, some of which belong to the turn before"
    drove: dict[tuple[str, str, int], list[str]] = {}
    stopped = set()
    for turn in records.turns:
        pair = turn.candidate, turn.incumbent, turn.pair
        if turn.ended:
            stopped.add((pair, turn.version))
            continue
        drove.setdefault(pair, []).append(turn.version)
        order = turn_order(*pair)
        # An incumbent that was stopped in its turn has lost it.
        lost = order[:1] if (pair, order[0]) in stopped else ()
        if tuple(drove[pair]) not in (order[: len(drove[pair])], order[len(lost) :]):
            yield f"{_said(turn)}, in another order than was drawn"


def _said(turn: Turn) -> str:
    return f"version {turn.version} drove ticks {turn.first_index} to {turn.last_index} on trial"


def _content_problems(records: Records, journal: Journal) -> Iterator[str]:
    for segment in records.segments:
        ticks = _ticks_of(segment, journal)
        if ticks is None:
            yield f"the ticks of segment {segment.number} are missing or altered"
            continue
        stamps = ticks.stamp_ns
        if (len(stamps), stamps[0], stamps[-1]) != (
            segment.ticks,
            segment.first_stamp_ns,
            segment.last_stamp_ns,
        ):
            yield f"segment {segment.number} holds other ticks than it says"


def _repetitions(records: Records, journal: Journal) -> Iterator[str]:
    whole = {each.number: each for each in records.segments if _ticks_of(each, journal) is not None}

    def load(number: int) -> FloatArray:
        ticks = _ticks_of(whole[number], journal)
        assert ticks is not None
        return np.concatenate([ticks.observation, ticks.applied], axis=1)

    splits = {number: segment.split for number, segment in whole.items()}
    for each in near_duplicates(splits, records.plan.segment_ticks // 2, load):
        one, other = (f"{number} ({splits[number].value})" for number in each.segments)
        yield (
            f"segments {one} and {other} hold nearly the same motion: {each.distance:.2%} of the usual "
            "deviation apart"
        )


def _ticks_of(segment: Segment, journal: Journal) -> SegmentTicks | None:
    """The ticks that were stored; None where they are missing or altered."""
    data = journal.attachment(segment.stored)
    return None if data is None or content_of(data) != segment.content else decode_ticks(data)
