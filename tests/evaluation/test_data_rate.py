import pytest

from adapt.evaluation.data_rate import DataRate, measure_data_rate
from adapt.robot.load import load_robot


def test_both_rates_are_of_the_same_robots_and_ticks() -> None:
    rate = measure_data_rate(load_robot("so101"), workers=1, robots=2, ticks=10, seed=0, rounds=2)
    assert rate.generated > 0 and rate.raw > 0
    # Robots are drawn, experts asked and files packed besides the same physics.
    assert rate.ratio < 1


def test_the_ratio_is_of_generated_to_raw() -> None:
    assert DataRate(generated=60.0, raw=100.0).ratio == pytest.approx(0.6)
