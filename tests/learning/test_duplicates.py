import numpy as np
import pytest
from small_arm import PERIOD_NS, START_NS, servo_motion, ticks_of, two_joint_arm

from adapt.learning.duplicates import near_duplicates
from adapt.learning.ledger import Ledger
from adapt.learning.splits import Split
from adapt.learning.verification import repeated_motions, verify_ledger

LENGTH, HALF = 50, 25


def motions(count: int, seed: int = 0) -> dict[int, np.ndarray]:
    """Segments of a long motion that does not repeat itself, shape (LENGTH, 4) each."""
    positions, targets = servo_motion(count * LENGTH, seed)
    ticks = np.concatenate([positions, targets], axis=1)
    return {number: ticks[number * LENGTH : (number + 1) * LENGTH] for number in range(count)}


def by_turns(segments) -> dict[int, Split]:
    splits = list(Split)
    return {number: splits[number % 3] for number in segments}


def pairs(segments, splits=None) -> set[frozenset[int]]:
    found = near_duplicates(splits or by_turns(segments), HALF, segments.__getitem__)
    return {frozenset(each.segments) for each in found}


def test_a_motion_that_does_not_repeat_itself_has_none():
    assert pairs(motions(60)) == set()


@pytest.mark.parametrize("shift", [0, 7, -13, 25, -25])
def test_a_segment_that_comes_again_later_is_found_at_any_shift(shift):
    positions, targets = servo_motion(60 * LENGTH, 0)
    ticks = np.concatenate([positions, targets], axis=1)
    segments = {number: ticks[number * LENGTH : (number + 1) * LENGTH] for number in range(60)}
    noise = np.random.default_rng(0).normal(0, 0.0005, (LENGTH, 4))
    segments[40] = ticks[12 * LENGTH + shift : 13 * LENGTH + shift] + noise
    assert frozenset((12, 40)) in pairs(segments)


def test_within_one_split_a_motion_may_come_again():
    segments = motions(30)
    segments[27] = segments[12].copy()
    assert by_turns(segments)[27] is by_turns(segments)[12]
    assert pairs(segments) == set()


def test_a_robot_at_rest_is_no_duplicate_of_itself():
    segments = motions(30)
    noise = np.random.default_rng(0)
    for number in range(10, 20):
        segments[number] = segments[10][:1] + noise.normal(0, 0.0005, (LENGTH, 4))
    assert pairs(segments) == set()


def test_a_joint_that_never_moves_and_segments_too_short_do_no_harm():
    segments = {number: np.c_[ticks, np.full(LENGTH, 0.3)] for number, ticks in motions(30).items()}
    segments[5] = segments[5][: HALF - 1]
    segments[22] = segments[12].copy()
    assert pairs(segments) == {frozenset((12, 22))}


def test_where_all_segments_are_alike_each_is_named_once():
    one = motions(1)[0]
    segments = {number: one.copy() for number in range(300)}
    found = near_duplicates(by_turns(segments), HALF, segments.__getitem__)
    assert 100 <= len(found) <= 300


def test_the_ledger_names_a_motion_that_was_fed_twice(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite", two_joint_arm(), lambda: START_NS)
    positions, targets = servo_motion(30 * LENGTH, 0)
    first = {}
    for number in range(30):
        split = ledger.assign_next_segment()
        first.setdefault(split, number)
        again = next((earlier for other, earlier in first.items() if other is not split), number)
        source = slice(LENGTH * (again if number == 29 else number), None)
        motion = positions[source][:LENGTH], targets[source][:LENGTH]
        ledger.store(list(ticks_of(*motion, 100 * number, START_NS + 100 * number * PERIOD_NS)))
    assert verify_ledger(ledger.path) == []
    (repetition,) = repeated_motions(ledger.path)
    assert "29" in repetition and "hold nearly the same motion" in repetition
