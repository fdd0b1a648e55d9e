import sqlite3

import pytest
from small_arm import START_NS, still_ticks, two_joint_arm

from adapt.errors import UserError
from adapt.learning.journal import Journal
from adapt.learning.ledger import BudgetSpent, Ledger
from adapt.learning.splits import Split
from adapt.learning.trial import turn_order
from adapt.learning.verification import verify_ledger

ARM = two_joint_arm()


def ledger_at(path, robot=ARM, seed: int = 0) -> Ledger:
    return Ledger(path, robot, lambda: START_NS, seed)


def fill(ledger: Ledger, segments: int) -> None:
    """Store segments with a pause of a second between them."""
    done = len(ledger.records.segments)
    for number in range(done, done + segments):
        ledger.assign_next_segment()
        first = number * 75
        ledger.store(list(still_ticks(50, first, START_NS + first * 40_000_000)))


def first_of(ledger: Ledger, split: Split):
    return ledger.segments(split)[0]


def test_a_split_is_decided_once_and_before_the_segment(tmp_path):
    ledger = ledger_at(tmp_path / "ledger.sqlite")
    with pytest.raises(ValueError, match="assign"):
        ledger.store(list(still_ticks(50)))
    split = ledger.assign_next_segment()
    ledger.close()
    again = ledger_at(tmp_path / "ledger.sqlite")
    assert again.assign_next_segment() is split
    segment = again.store(list(still_ticks(50)))
    assert segment.split is split and segment.assigned < segment.stored
    assert verify_ledger(tmp_path / "ledger.sqlite") == []


def test_the_budget_ends_exactly_and_says_so(tmp_path):
    robot = two_joint_arm(total_ticks=1000)
    ledger = ledger_at(tmp_path / "ledger.sqlite", robot)
    fill(ledger, 20)
    assert {split.value: ledger.records.used(split) for split in Split} == {
        "adapt": 700,
        "gate": 200,
        "audit": 100,
    }
    assert all(ledger.spent(split) for split in Split)
    with pytest.raises(BudgetSpent):
        ledger.assign_next_segment()
    assert verify_ledger(tmp_path / "ledger.sqlite") == []


def test_the_audit_split_is_read_only_with_a_reason_that_is_kept(tmp_path):
    ledger = ledger_at(tmp_path / "ledger.sqlite")
    fill(ledger, 20)
    sealed = ledger.segments(Split.AUDIT)
    with pytest.raises(PermissionError, match="sealed"):
        ledger.ticks_of(sealed[0])
    with pytest.raises(UserError, match="reason"):
        ledger.open_audit(" ", "anna@desk")
    opened = ledger.open_audit("the arm missed three grasps", "anna@desk")
    assert [segment for segment, _ in opened] == sealed
    assert len(opened[0][1].observation) == 50
    again = ledger_at(tmp_path / "ledger.sqlite")
    assert [opening.why for opening in again.records.openings] == ["the arm missed three grasps"]


def test_splits_cannot_be_mixed_up(tmp_path):
    ledger = ledger_at(tmp_path / "ledger.sqlite")
    fill(ledger, 20)
    with pytest.raises(ValueError, match="not for training"):
        ledger.record_training("b", "a", [first_of(ledger, Split.GATE)])
    with pytest.raises(ValueError, match="not for judging"):
        ledger.record_judgement("b", "a", first_of(ledger, Split.ADAPT), 1.0, 1.0)
    with pytest.raises(ValueError, match="not for hindsight"):
        ledger.record_hindsight("b", "a", first_of(ledger, Split.GATE), 1.0, 1.0)


def test_verification_finds_a_judgement_on_a_segment_older_than_the_version(tmp_path):
    ledger = ledger_at(tmp_path / "ledger.sqlite")
    fill(ledger, 20)
    ledger.record_training("b", "a", ledger.segments(Split.ADAPT))
    ledger.record_judgement("b", "a", first_of(ledger, Split.GATE), 1.0, 1.0)
    assert ["began before the version was made" in each for each in verify_ledger(ledger.path)] == [True]


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("trained", {"version": "b", "parent": "a", "segments": [0, 1, 2, 3, 4, 5, 6, 7]}, "not of adapt"),
        ("assigned", {"segment": 8, "draw": 8, "split": "audit"}, "another split than was drawn"),
        ("stored", {"segment": 3, "content": ""}, "stored twice"),
        ("gossip", {}, "unknown kind"),
    ],
)
def test_verification_finds_entries_that_no_ledger_writes(tmp_path, kind, body, expected):
    ledger = ledger_at(tmp_path / "ledger.sqlite")
    fill(ledger, 8)
    ledger.close()
    stamps = {"first_index": 0, "last_index": 49, "first_stamp_ns": 0, "last_stamp_ns": 49 * 40_000_000}
    Journal(ledger.path).append(kind, {"stamp_ns": START_NS, **stamps, **body})
    assert any(expected in problem for problem in verify_ledger(ledger.path))


def test_verification_finds_training_on_what_an_ancestor_was_judged_on(tmp_path):
    ledger = ledger_at(tmp_path / "ledger.sqlite")
    ledger.record_training("b", "a", [])
    fill(ledger, 20)
    gate = first_of(ledger, Split.GATE)
    ledger._write("trained", {"version": "c", "parent": "b", "segments": [gate.number]})
    ledger._write("trained", {"version": "d", "parent": "c", "segments": []})
    ledger.record_judgement("d", "b", gate, 1.0, 2.0)
    assert any("it or an ancestor was trained on" in problem for problem in verify_ledger(ledger.path))


def test_verification_finds_a_version_looked_back_on_with_what_it_learned(tmp_path):
    ledger = ledger_at(tmp_path / "ledger.sqlite")
    fill(ledger, 20)
    first, *_, last = ledger.segments(Split.ADAPT)
    ledger.record_training("b", "a", [first])
    ledger.record_hindsight("b", "a", last, 1.0, 1.0)
    assert verify_ledger(ledger.path) == []
    ledger.record_hindsight("b", "a", first, 1.0, 1.0)
    ledger.record_hindsight("b", "a", last, 1.0, 1.0)
    one, other = verify_ledger(ledger.path)
    assert "which it was trained on" in one and other.endswith("twice")


TURN = {"candidate": "b", "incumbent": "a", "pair": 0, "ticks": 10, "cost": 1.0, "limited": 0, "ended": ""}


@pytest.mark.parametrize("wrong", ["", "older", "order", "overlap"])
def test_verification_finds_turns_that_prove_nothing(tmp_path, wrong):
    ledger = ledger_at(tmp_path / "ledger.sqlite")
    fill(ledger, 10)
    ledger.record_training("b", "a", ledger.segments(Split.ADAPT))
    start_ns = START_NS + (0 if wrong == "older" else 10**12)
    ticks = list(still_ticks(60, 0, start_ns))
    order = turn_order("b", "a", 0)
    order = order[::-1] if wrong == "order" else order
    ledger.record_turn(ticks[0], ticks[29], version=order[0], **TURN)
    ledger.record_turn(ticks[20 if wrong == "overlap" else 30], ticks[59], version=order[1], **TURN)
    said = {
        "older": "was trained on",
        "order": "another order",
        "overlap": "belong to the turn before",
    }
    problems = verify_ledger(ledger.path)
    assert bool(problems) == bool(wrong)
    assert all(said[wrong] in problem or "trained on" in problem for problem in problems)


def test_verification_finds_a_version_watched_on_what_trained_it_or_on_what_is_sealed(tmp_path):
    ledger = ledger_at(tmp_path / "ledger.sqlite")
    fill(ledger, 20)
    learned, sealed = first_of(ledger, Split.ADAPT), first_of(ledger, Split.AUDIT)
    ledger.record_watch("a", learned, 1.0, 1.0, {})
    ledger.record_training("b", "a", [learned])
    assert verify_ledger(ledger.path) == []
    with pytest.raises(ValueError, match="not for judging"):
        ledger.record_watch("a", sealed, 1.0, 1.0, {})
    ledger.record_watch("c", learned, 1.0, 1.0, {"b": 1.0})
    watch = {"version": "c", "segment": sealed.number, "error": 1.0, "motion": 1.0, "older": {}}
    ledger._write("watched", watch)
    one, other = verify_ledger(ledger.path)
    assert "version b was watched" in one and "it or an ancestor was trained on" in one
    assert "version c was watched" in other and "sealed" in other


def test_verification_finds_altered_ticks(tmp_path):
    ledger = ledger_at(tmp_path / "ledger.sqlite")
    fill(ledger, 3)
    with sqlite3.connect(ledger.path) as connection:
        connection.execute("UPDATE attachment SET content = x'00' WHERE entry = 3")
    assert verify_ledger(ledger.path) == ["the ticks of segment 0 are missing or altered"]
    with pytest.raises(UserError, match="segment 0 were altered"):
        ledger.ticks_of(ledger.records.segments[0])


def test_ticks_shared_by_two_segments_are_found(tmp_path):
    ledger = ledger_at(tmp_path / "ledger.sqlite")
    for first in (0, 49):
        ledger.assign_next_segment()
        ledger.store(list(still_ticks(50, first, START_NS + first * 40_000_000)))
    assert "segments 0 and 1 share ticks" in verify_ledger(ledger.path)


@pytest.mark.parametrize(
    ("robot", "expected"),
    [
        (ARM.model_copy(update={"history_ticks": 7}), "schema"),
        (two_joint_arm(total_ticks=20000), "'budget'"),
    ],
)
def test_a_ledger_of_other_terms_is_refused(tmp_path, robot, expected):
    ledger_at(tmp_path / "ledger.sqlite").close()
    with pytest.raises(UserError, match=expected):
        ledger_at(tmp_path / "ledger.sqlite", robot)


def test_segments_too_short_for_a_window_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"budget\.segment_s"):
        ledger_at(tmp_path / "ledger.sqlite", two_joint_arm(segment_s=0.4))
