import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapt.learning.gate import BettingTest, Gate, GateSettings, advantage

SETTINGS = GateSettings()


def first_decision(gate: Gate, log_ratios) -> str:
    """What the gate decides when it is asked after every segment."""
    for log_ratio in log_ratios:
        gate.observe(1.0, math.exp(log_ratio))
        if (decision := gate.decide()).kind != "undecided":
            return decision.kind
    return "undecided"


@pytest.mark.parametrize(("deviation", "runs"), [(0.02, 200), (0.1, 1000), (1.0, 200)])
def test_without_a_difference_at_most_one_in_twenty_is_admitted(deviation, runs):
    generator = np.random.default_rng(0)
    kinds = [first_decision(Gate(SETTINGS, 1), generator.normal(0, deviation, 40)) for _ in range(runs)]
    assert kinds.count("admit") <= 0.05 * runs
    assert "undecided" not in kinds


def test_errors_of_segments_that_hang_together_without_a_difference_admit_no_more():
    """What is judged drifts from segment to segment: a slow motion is hard for both versions, or easy."""
    generator = np.random.default_rng(4)
    runs, admitted = 300, 0
    for _ in range(runs):
        spread = np.exp(np.cumsum(generator.normal(0, 0.3, 40)))
        admitted += first_decision(Gate(SETTINGS, 1), 0.1 * spread * generator.choice([-1, 1], 40)) == "admit"
    assert admitted <= 0.05 * runs


@pytest.mark.parametrize(
    ("times_worse", "kind", "reason"),
    [
        (0.9, "admit", "forecasts real motion no worse (margin 50%)"),
        (1.3, "admit", "forecasts real motion no worse (margin 50%)"),
        (1.7, "reject", "forecasts real motion worse by more than 50%"),
    ],
)
def test_with_a_margin_forecasts_may_be_worse_but_not_much(times_worse, kind, reason):
    gate = Gate(SETTINGS, 1, SETTINGS.margin_of_another_policy)
    assert first_decision(gate, [-math.log(times_worse)] * 40) == kind
    assert gate.decide().reason == reason


def test_at_the_margin_at_most_one_in_twenty_is_admitted():
    generator = np.random.default_rng(6)
    gates = [Gate(SETTINGS, 1, 0.5) for _ in range(500)]
    kinds = [first_decision(gate, generator.normal(-math.log(1.5), 0.1, 40)) for gate in gates]
    assert kinds.count("admit") <= 0.05 * len(gates)


def test_many_candidates_share_one_error_rate():
    generator = np.random.default_rng(1)
    deployments = 300
    admitted = sum(
        any(
            first_decision(Gate(SETTINGS, number), generator.normal(0, 0.1, 40)) == "admit"
            for number in range(1, 8)
        )
        for _ in range(deployments)
    )
    assert admitted <= 0.05 * deployments


@pytest.mark.parametrize(("deviation", "runs"), [(0.05, 200), (0.1, 1000), (1.0, 200)])
def test_a_gain_of_one_deviation_is_found_within_forty_segments(deviation, runs):
    generator = np.random.default_rng(2)
    kinds = [
        first_decision(Gate(SETTINGS, 1), generator.normal(deviation, deviation, 40)) for _ in range(runs)
    ]
    assert kinds.count("admit") >= 0.9 * runs


def test_a_loss_of_one_deviation_is_rejected_and_never_admitted():
    generator = np.random.default_rng(3)
    gates = [Gate(SETTINGS, 1) for _ in range(200)]
    kinds = [first_decision(gate, generator.normal(-0.1, 0.1, 40)) for gate in gates]
    assert set(kinds) == {"reject"}
    assert np.mean([gate.evidence()["segments"] for gate in gates]) < 20


def test_six_clear_wins_are_enough():
    gate = Gate(SETTINGS, 1)
    kinds = []
    for _ in range(6):
        gate.observe(1.0, 2.0)
        kinds.append(gate.decide().kind)
    assert kinds == ["undecided"] * 5 + ["admit"]


def test_many_small_wins_do_not_outweigh_one_disaster():
    gate = Gate(SETTINGS, 1)
    gate.observe(100.0, 1.0)
    for _ in range(20):
        gate.observe(1.0, 1.2)
    assert gate.evidence()["e_better"] > gate.threshold
    assert gate.decide().kind == "undecided"


@given(st.lists(st.floats(-1, 1), max_size=60))
def test_the_wealth_stays_finite_and_a_fair_coin_does_not_change_it(values):
    test = BettingTest()
    for value in values:
        up, down = BettingTest(), BettingTest()
        for each, last in ((up, abs(value)), (down, -abs(value))):
            each._log_wealth = test._log_wealth.copy()
            each.observe(last)
        assert (up.e_value + down.e_value) / 2 == pytest.approx(test.e_value, rel=1e-9)
        test.observe(value)
    assert 0 < test.e_value < math.inf


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_advantage_is_bounded_and_antisymmetric(candidate, incumbent):
    value = advantage(candidate, incumbent, 0.1)
    assert -1 <= value <= 1
    assert value == pytest.approx(-advantage(incumbent, candidate, 0.1), abs=1e-9)
