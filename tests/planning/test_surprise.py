import numpy as np
import pytest

from adapt.planning.surprise import Surprise, SurpriseSettings

SCALE = 0.05
"""An ordinary change, in the unit of the errors below."""
ELSEWHERE = np.full(6, 10.0)
"""Where the robot was when the prediction was made: it moved ten times its ordinary change."""


def run(surprise: Surprise, generator: np.random.Generator, ticks: int, size: float) -> list[int]:
    """Ticks at which it speaks, for errors of this standard deviation."""
    errors = size * generator.standard_normal((ticks, 6))
    return [k for k, error in enumerate(errors) if surprise.observe(ELSEWHERE, np.zeros(6), error / SCALE)]


def test_it_is_silent_while_errors_stay_as_they_were() -> None:
    spoken = 0
    for seed in range(10):
        spoken += bool(run(Surprise(SurpriseSettings()), np.random.default_rng(seed), 5000, 0.01))
    assert spoken <= 1


@pytest.mark.parametrize("size", [1e-3, 1e-2, 1.0])
def test_it_speaks_within_a_hundred_ticks_when_errors_double(size: float) -> None:
    for seed in range(10):
        surprise, generator = Surprise(SurpriseSettings()), np.random.default_rng(seed)
        assert run(surprise, generator, 500, size) == []
        told = run(surprise, generator, 400, 2.0 * size)
        assert told and told[0] < 100
        assert len(told) > 1, "a lasting change is told again"


def test_smaller_errors_are_no_surprise() -> None:
    surprise, generator = Surprise(SurpriseSettings()), np.random.default_rng(0)
    run(surprise, generator, 200, 0.01)
    assert run(surprise, generator, 1000, 0.001) == []


def test_a_single_outlier_is_no_alarm() -> None:
    surprise, generator = Surprise(SurpriseSettings()), np.random.default_rng(0)
    run(surprise, generator, 200, 0.01)
    assert not surprise.observe(ELSEWHERE, np.zeros(6), np.full(6, 1e6))
    assert surprise.statistic <= 5.0 + 5.0


def test_after_a_reset_it_learns_the_usual_error_anew() -> None:
    surprise, generator = Surprise(SurpriseSettings()), np.random.default_rng(0)
    run(surprise, generator, 500, 0.01)
    surprise.reset()
    assert surprise.statistic == 0.0 and run(surprise, generator, 1000, 0.1) == []


def test_rest_is_no_measure_of_motion() -> None:
    surprise, generator = Surprise(SurpriseSettings()), np.random.default_rng(0)
    run(surprise, generator, 200, 0.01)
    for _ in range(500):
        assert not surprise.observe(np.zeros(6), np.zeros(6), 2e-3 * generator.standard_normal(6))
    assert run(surprise, generator, 500, 0.01) == []
