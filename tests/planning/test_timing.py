import numpy as np
import pytest

from adapt.planning.timing import KEPT, Timing

PERIOD_NS = 40_000_000
START_NS = 1_763_800_000_000_000_000


def test_nothing_yet_is_zero() -> None:
    summary = Timing(PERIOD_NS).summary()
    assert summary["configured_hz"] == 25.0
    assert all(value == 0.0 for key, value in summary.items() if key != "configured_hz")


def test_the_summary_is_what_happened() -> None:
    timing = Timing(PERIOD_NS)
    for number in range(101):
        late_ns = 1_000_000 * (number % 5)
        timing.woke(START_NS + number * PERIOD_NS, START_NS + number * PERIOD_NS + late_ns)
        timing.planned(7_000_000 if number else 21_000_000)
    timing.skipped(2)
    timing.skipped(1)
    summary = timing.summary()
    assert summary["kept_hz"] == pytest.approx(25.0, abs=0.01)
    assert (summary["ticks"], summary["missed"]) == (101.0, 3.0)
    assert (summary["jitter_p50_ms"], summary["jitter_max_ms"]) == pytest.approx((2.0, 4.0))
    assert (summary["planning_p50_ms"], summary["planning_max_ms"]) == pytest.approx((7.0, 21.0))
    assert summary["jitter_p99_ms"] <= summary["jitter_max_ms"]


def test_waking_early_is_jitter_too() -> None:
    timing = Timing(PERIOD_NS)
    timing.woke(START_NS, START_NS - 3_000_000)
    assert timing.summary()["jitter_max_ms"] == pytest.approx(3.0)


def test_a_beat_that_skips_every_other_tick_is_seen_in_the_rate() -> None:
    timing = Timing(PERIOD_NS)
    for number in range(0, 200, 2):
        timing.woke(START_NS + number * PERIOD_NS, START_NS + number * PERIOD_NS)
    assert timing.summary()["kept_hz"] == pytest.approx(12.5)


def test_memory_is_bounded_and_counts_are_not() -> None:
    timing = Timing(PERIOD_NS)
    for number in np.arange(KEPT + 100).tolist():
        timing.woke(number * PERIOD_NS, number * PERIOD_NS + (10**9 if number < 100 else 0))
    assert timing.summary()["jitter_max_ms"] == 0.0 and timing.ticks == KEPT + 100
