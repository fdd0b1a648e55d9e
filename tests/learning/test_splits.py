import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_arm import two_joint_arm

from adapt.learning.splits import Split, SplitPlan

BUDGET = two_joint_arm().budget


@given(seed=st.integers(0, 2**31), start=st.integers(0, 5000), length=st.integers(1, 300))
def test_every_stretch_of_segments_keeps_the_shares(seed, start, length):
    plan = SplitPlan(BUDGET, 25, seed)
    drawn = [plan.draw(number) for number in range(start, start + length)]
    for split in Split:
        assert abs(drawn.count(split) - getattr(BUDGET, split.value) * length) < 3


def test_the_seed_alone_decides():
    draws = [[SplitPlan(BUDGET, 25, seed).draw(number) for number in range(50)] for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


@given(seed=st.integers(0, 1000), period=st.integers(2, 30), phase=st.integers(0, 29))
def test_a_motion_that_repeats_is_seen_by_every_split(seed, period, phase):
    plan = SplitPlan(BUDGET, 25, seed)
    drawn = {plan.draw(phase + period * repeat) for repeat in range(150)}
    assert drawn == set(Split)


def test_the_budget_is_shared_out_whole():
    plan = SplitPlan(BUDGET, 25, 0)
    assert sum(plan.ticks.values()) == BUDGET.total_ticks
    assert plan.segment_ticks == 50
    assert plan.guard_ns == pytest.approx(0.6e9)


@given(st.integers(0, 2**32), st.integers(0, 10_000))
def test_while_a_candidate_waits_adapt_and_gate_change_places(seed: int, start: int) -> None:
    plan = SplitPlan(BUDGET, 25, seed)
    usual, waiting = (
        [plan.draw(number, waits) for number in range(start, start + 100)] for waits in (False, True)
    )
    for split, other in ((Split.ADAPT, Split.GATE), (Split.GATE, Split.ADAPT), (Split.AUDIT, Split.AUDIT)):
        assert abs(usual.count(split) - waiting.count(other)) <= 4
    sealed = [number for number in range(100) if usual[number] is Split.AUDIT]
    assert sealed == [number for number in range(100) if waiting[number] is Split.AUDIT]
