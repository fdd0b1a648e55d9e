import pytest

from adapt.evaluation.gate_simulation import simulate, summary, truths
from adapt.learning.gate import GateSettings

SETTINGS = GateSettings()


@pytest.mark.parametrize("driving_scatter", [0.02, 0.17])
def test_over_all_candidates_and_both_tests_false_admissions_stay_within_the_error_rate(driving_scatter):
    results = {}
    for name, truth in truths(SETTINGS, 0.1, driving_scatter).items():
        results[name] = simulate(SETTINGS, truth, 300, 1 if name == "better" else 3, seed=1)
    assert results["no_difference"]["admitted"] <= 0.05
    assert results["drives_worse"]["admitted"] <= 0.05
    assert results["drives_worse"]["forecasts_within_40"] >= 0.9
    assert results["better"]["admitted_within_40"] >= 0.9
    assert summary(results)["false_admissions"] <= 0.05 and summary(results)["runs"] == 300


def test_a_candidate_that_drives_as_well_is_let_in_by_its_forecasts():
    truth = truths(SETTINGS, 0.1, 0.1)["better"]
    equal = type(truth)(truth.forecast_gain, 0.0, 0.1, 0.1)
    assert simulate(SETTINGS, equal, 50, 1, seed=2)["admitted_within_40"] >= 0.9
