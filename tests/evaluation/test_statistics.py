import numpy as np
import pytest

from adapt.evaluation.statistics import mean_interval, mean_ratio, paired_difference, proportion_interval


def test_the_interval_of_few_trials_covers_the_true_mean_as_often_as_it_says():
    generator = np.random.default_rng(0)
    intervals = [mean_interval(generator.normal(3.0, 2.0, 5)) for _ in range(800)]
    covered = np.mean([each.low <= 3.0 <= each.high for each in intervals])
    assert 0.93 < covered < 0.97


def test_nine_of_ten_is_sixty_to_ninety_eight_percent():
    estimate = proportion_interval(9, 10)
    assert estimate.mean == 0.9
    assert estimate.low == pytest.approx(0.596, abs=1e-3)
    assert estimate.high == pytest.approx(0.982, abs=1e-3)


def test_pairs_take_out_what_both_have_in_common():
    generator = np.random.default_rng(1)
    difficulty = generator.normal(0, 10, 8)
    first, second = difficulty + 1.0 + generator.normal(0, 0.1, 8), difficulty
    difference = paired_difference(first, second)
    assert difference.low > 0.8
    assert difference.high < 1.2
    assert mean_interval(first).low < 0 < mean_interval(first).high


def test_equal_trials_have_an_interval_without_width():
    assert mean_interval([0.25, 0.25, 0.25]).as_dict() == {"mean": 0.25, "low": 0.25, "high": 0.25, "n": 3}


@pytest.mark.parametrize("values", [[], [1.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_what_has_no_interval_is_refused(values):
    with pytest.raises(ValueError, match="two or more finite"):
        mean_interval(values)


def test_pairs_of_unequal_length_are_refused():
    with pytest.raises(ValueError):
        paired_difference([1.0, 2.0], [1.0])


def test_the_interval_of_a_ratio_covers_the_true_one_as_often_as_it_says():
    generator = np.random.default_rng(2)
    covered = 0
    for _ in range(500):
        whole = generator.normal(4.0, 1.0, 8)
        part = 0.7 * whole + generator.normal(0.0, 0.3, 8)
        found = mean_ratio(part.tolist(), whole.tolist())
        covered += found.low <= 0.7 <= found.high
    assert 0.92 < covered / 500 < 0.98
    with pytest.raises(ValueError, match="zero"):
        mean_ratio([1.0, 2.0], [1.0, -1.0])
