from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapt.planning.pace import TRIALS, Pace, PaceSettings

PERIOD_NS = 40_000_000
SETTINGS = PaceSettings(wanted=0.4, latest=0.6, fewest_samples=8)
WANTED_NS, LATEST_NS = 16_000_000, 24_000_000


class Machine:
    """A planner that takes a fixed time, and some for each sample, on a machine of changing speed."""

    def __init__(self, most: int = 64, sample_ns: int = 150_000, fixed_ns: int = 2_000_000):
        self.now_ns = 5
        self.sample_ns, self.fixed_ns = sample_ns, fixed_ns
        self.pace = Pace(most, PERIOD_NS, SETTINGS, lambda: self.now_ns)

    def plan(self, iterations: int = 1, late_ns: int = 0) -> int:
        """One beat, as pilot and planner go about it; how long it took."""
        start_ns = self.now_ns
        self.pace.begin(late_ns)
        self.now_ns += self.fixed_ns
        for _ in range(iterations):
            if self.pace.enough():
                break
            self.now_ns += self.pace.samples * self.sample_ns
        self.pace.end()
        return self.now_ns - start_ns + late_ns


def test_a_quick_machine_keeps_all_samples() -> None:
    machine = Machine()
    for _ in range(100):
        machine.plan()
    assert machine.pace.samples == 64


@given(sample_ns=st.integers(1_000, 1_500_000), most=st.integers(8, 2_000))
def test_the_samples_settle_where_plans_are_as_quick_as_wanted(sample_ns: int, most: int) -> None:
    machine = Machine(most, sample_ns)
    took = [machine.plan() for _ in range(400)][-50:]
    assert max(took) <= WANTED_NS * 1.12
    fits = (WANTED_NS - machine.fixed_ns) // sample_ns
    assert machine.pace.samples >= min(most, 0.7 * fits)


def test_samples_give_way_to_a_load_and_come_back_after_it() -> None:
    machine = Machine()
    machine.plan()
    machine.sample_ns *= 4
    took = [machine.plan() for _ in range(10)]
    loaded = machine.pace.samples
    assert loaded < 32 and max(took[3:]) <= LATEST_NS
    machine.sample_ns //= 4
    machine.plan()
    assert machine.pace.samples < 1.2 * loaded
    for _ in range(40 * TRIALS):
        machine.plan()
    assert machine.pace.samples == 64


def test_a_search_that_would_be_late_is_not_begun_and_a_later_one_is_tried_again() -> None:
    machine = Machine()
    machine.plan()
    took = machine.plan(late_ns=20_000_000)
    assert took == 20_000_000 + machine.fixed_ns
    assert machine.pace.samples < 64
    samples = machine.pace.samples
    assert machine.plan() == machine.fixed_ns + samples * machine.sample_ns


def test_a_plan_that_was_held_up_once_costs_nothing_unless_it_was_too_late() -> None:
    machine = Machine()
    usual_ns = machine.fixed_ns + 64 * machine.sample_ns
    for _ in range(TRIALS):
        machine.plan()
    assert machine.plan(late_ns=LATEST_NS - usual_ns - 1) == LATEST_NS - 1
    assert machine.pace.samples == 64
    machine.plan(late_ns=LATEST_NS - usual_ns + 1)
    assert machine.pace.samples < 64


def test_a_machine_that_stood_still_once_is_trusted_again() -> None:
    machine = Machine()
    machine.sample_ns *= 1_000
    machine.plan()
    machine.sample_ns //= 1_000
    refused = 0
    while machine.plan() == machine.fixed_ns:
        refused += 1
    assert refused < 100


def test_iterations_end_in_time() -> None:
    machine = Machine()
    for _ in range(100):
        assert machine.plan(iterations=8) <= LATEST_NS
    assert machine.pace.samples < 64, "eight iterations of 64 samples are no plan of the wanted length"


@given(durations=st.lists(st.integers(0, 10 * PERIOD_NS), max_size=200))
def test_whatever_happens_the_samples_stay_within_their_bounds(durations: list[int]) -> None:
    machine = Machine()
    for duration in durations:
        machine.sample_ns = duration // 64
        machine.plan()
        assert 8 <= machine.pace.samples <= 64


def test_fewer_samples_than_the_fewest_are_left_as_they_are() -> None:
    machine = Machine(most=4, sample_ns=100_000_000)
    for _ in range(5):
        machine.plan()
    assert machine.pace.samples == 4


@pytest.mark.parametrize(("sample_ns", "expected"), [(100_000, 64), (500_000, 28), (10**9, 8)])
def test_at_the_start_samples_are_fitted_to_the_machine(sample_ns: int, expected: int) -> None:
    machine = Machine(sample_ns=sample_ns)

    def plan() -> None:
        machine.now_ns += machine.fixed_ns + machine.pace.samples * sample_ns

    milliseconds = machine.pace.fit(plan)
    assert machine.pace.samples == pytest.approx(expected, abs=4)
    assert milliseconds == pytest.approx(2.0 + machine.pace.samples * sample_ns * 1e-6)


def test_one_slow_plan_at_the_start_tells_nothing() -> None:
    machine = Machine()
    times: Iterator[int] = iter([10**9, *[5_000_000] * 100])

    def plan() -> None:
        machine.now_ns += next(times)

    assert machine.pace.fit(plan) == pytest.approx(5.0)
    assert machine.pace.samples == 64
