from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from servo_arm import ROBOT, small_model, ticks_of

from adapt.evaluation import replay_comparison
from adapt.evaluation.replay_comparison import Comparison, blocks, compare


@given(missing=st.sets(st.integers(0, 79)), size=st.integers(6, 30), shared=st.integers(1, 5))
def test_blocks_hold_every_complete_tick_once_besides_what_they_share(missing, size, shared):
    ticks = [tick for tick in ticks_of(80, seed=0) if tick.index not in missing]
    seen: list[int] = []
    for block in blocks(ticks, size, shared):
        stamps = block.run.stamp_ns.tolist()
        assert stamps[: block.known] == seen[len(seen) - block.known :] and len(stamps) <= size
        assert len(set(np.diff(stamps).tolist())) <= 1
        seen += stamps[block.known :]
    assert seen == [tick.stamp_ns for tick in ticks]


def test_the_result_does_not_depend_on_where_blocks_end(monkeypatch: pytest.MonkeyPatch):
    ticks = list(ticks_of(700, seed=1))
    ticks[450] = replace(ticks[450], applied=np.full(6, np.nan))
    whole = compared(ticks)
    monkeypatch.setattr(replay_comparison, "BLOCK_WINDOWS", 10)
    parts = compared(ticks)
    assert (whole.time_s == parts.time_s).all()
    for name, error in whole.errors.items():
        assert parts.errors[name].total == pytest.approx(error.total, rel=1e-5)
        assert parts.errors[name].by_step == pytest.approx(error.by_step, rel=1e-5)
        assert parts.errors[name].by_entry == pytest.approx(error.by_entry, rel=1e-5)
        assert parts.errors[name].by_window == pytest.approx(error.by_window, rel=1e-4, abs=1e-7)
    assert (whole.liveliest.stamp_ns == parts.liveliest.stamp_ns).all()


def compared(ticks) -> Comparison:
    return compare(ROBOT, {"before": small_model()}, ticks)
