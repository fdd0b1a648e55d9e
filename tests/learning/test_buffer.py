import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_arm import PERIOD_NS, START_NS, still_ticks, two_joint_arm

from adapt.learning.buffer import SegmentBuffer
from adapt.learning.ledger import Ledger
from adapt.learning.splits import Split
from adapt.learning.verification import verify_ledger

ARM = two_joint_arm()


def buffer_at(folder: Path, seed: int = 0) -> tuple[Ledger, SegmentBuffer]:
    def clock() -> int:
        return START_NS + 10**15

    ledger = Ledger(folder / "ledger.sqlite", ARM, clock, seed)
    return ledger, SegmentBuffer(ARM, ledger, clock, 0.1)


def spoilt(tick, fault):
    """One tick with a fault; None where it is lost."""
    nan, two = np.array([0.0, np.nan]), np.zeros(2)
    return {
        "lost": None,
        "incomplete": replace(tick, valid=np.array([True, False])),
        "unknown action": replace(tick, applied=nan),
        "not finite": replace(tick, observation=np.array([np.inf, 0.0])),
        "infinite action": replace(tick, applied=np.array([np.inf, 0.0])),
        "future": replace(tick, stamp_ns=tick.stamp_ns + 2 * 10**15),
        "early": replace(tick, stamp_ns=tick.stamp_ns - 3 * PERIOD_NS),
        "wrong size": replace(tick, observation=np.zeros(3)),
        "another robot": replace(tick, schema_hash="of another"),
        "jump": replace(tick, stamp_ns=tick.stamp_ns + PERIOD_NS // 2 + 1),
        "restart": replace(tick, index=0, observation=two),
    }[fault]


FAULTS = ["lost", "incomplete", "unknown action", "not finite", "infinite action", "future", "early"]
FAULTS += ["wrong size", "another robot", "jump", "restart"]


@settings(max_examples=40, deadline=None)
@given(
    faults=st.dictionaries(st.integers(0, 699), st.sampled_from(FAULTS), max_size=12),
    repeats=st.sets(st.integers(0, 699), max_size=5),
    restarts=st.sets(st.integers(0, 699), max_size=3),
    seed=st.integers(0, 100),
)
def test_whatever_the_stream_the_ledger_verifies_and_windows_are_unbroken(faults, repeats, restarts, seed):
    with tempfile.TemporaryDirectory() as name:
        ledger, buffer = buffer_at(Path(name), seed)
        for number, tick in enumerate(still_ticks(700)):
            if number in restarts:
                ledger.close()
                ledger, buffer = buffer_at(Path(name))
            given_tick = spoilt(tick, faults[number]) if number in faults else tick
            if given_tick is not None:
                buffer.offer(given_tick)
                if number in repeats:
                    buffer.offer(given_tick)
        assert verify_ledger(ledger.path) == []
        for split in (Split.ADAPT, Split.GATE):
            segments = ledger.segments(split)
            windows = buffer.windows(segments)
            steps = windows.observation.diff(dim=1)
            assert (steps == 1).all()
            stored = {
                float(value) for segment in segments for value in ledger.ticks_of(segment).observation[:, 0]
            }
            assert set(windows.observation[..., 0].flatten().tolist()) <= stored
            assert (windows.action == windows.observation[:, :-1]).all()


def test_neighbours_of_one_split_share_windows_and_splits_keep_their_distance(tmp_path):
    ledger, buffer = buffer_at(tmp_path)
    for tick in still_ticks(3000):
        buffer.offer(tick)
    adapt = ledger.segments(Split.ADAPT)
    pairs = sum(after.follows(before, PERIOD_NS) for before, after in pairwise(adapt))
    assert pairs > 5
    assert len(buffer.windows(adapt)) == len(adapt) * 38 + pairs * 12
    assert buffer.refused["guard"] > 0
    assert sum(segment.ticks for segment in ledger.records.segments) + buffer.refused["guard"] >= 2950


def test_refused_ticks_are_counted_by_reason(tmp_path):
    ledger, buffer = buffer_at(tmp_path)
    ticks = list(still_ticks(60))
    for tick in ticks[:20]:
        buffer.offer(tick)
    buffer.offer(ticks[19])
    for fault in (
        "incomplete",
        "unknown action",
        "not finite",
        "infinite action",
        "wrong size",
        "another robot",
        "early",
        "future",
    ):
        buffer.offer(spoilt(ticks[20], fault))
    assert dict(buffer.refused) == {
        "twice": 1,
        "incomplete": 2,
        "not finite": 2,
        "wrong size": 1,
        "another robot": 1,
        "out of order": 1,
        "from the future": 1,
    }
    for tick in ticks[20:50]:
        buffer.offer(tick)
    assert [segment.ticks for segment in ledger.records.segments] == [50]


def test_a_run_too_short_for_a_window_is_dropped(tmp_path):
    ledger, buffer = buffer_at(tmp_path)
    for tick in [
        *still_ticks(12),
        *still_ticks(20, 13, START_NS + 13 * PERIOD_NS),
        *still_ticks(5, 90, START_NS + 90 * PERIOD_NS),
    ]:
        buffer.offer(tick)
    assert buffer.refused["run too short"] == 12
    assert [(segment.first_index, segment.ticks) for segment in ledger.records.segments] == [(13, 20)]


def test_sealed_segments_cannot_be_cut_into_windows(tmp_path):
    ledger, buffer = buffer_at(tmp_path)
    for tick in still_ticks(3000):
        buffer.offer(tick)
    with pytest.raises(PermissionError):
        buffer.windows(ledger.segments(Split.AUDIT))


def test_no_segments_give_no_windows(tmp_path):
    _, buffer = buffer_at(tmp_path)
    windows = buffer.windows([])
    assert windows.observation.shape == (0, 13, 2) and windows.action.shape == (0, 12, 2)
