import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.robot.load import load_robot
from adapt.sim.reference import ReferencePath, ReferenceSettings

SPEC = load_robot("so101")
START = np.array([0.0, 0.2, 0.5, 0.0, 0.0, 0.5])
LOW, HIGH = np.array([limits.position for limits in SPEC.action.limits.values()]).T


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    velocity=st.floats(0.1, 20),
    acceleration=st.floats(1, 200),
    distance=st.floats(0.01, 3),
)
def test_position_speed_and_acceleration_stay_within_the_limits(
    seed: int, velocity: float, acceleration: float, distance: float
) -> None:
    lively = ReferenceSettings(velocity=velocity, acceleration=acceleration, distance=distance, margin=0.05)
    path = ReferencePath(SPEC, START, 10.0, np.random.default_rng(seed), lively)
    times = np.arange(0, 12, 0.001)
    position = path.position(times)
    assert (position >= LOW + 0.05 - 1e-9).all() and (position <= HIGH - 0.05 + 1e-9).all()
    assert np.abs(path.velocity(times)).max() <= min(velocity, 4.0) + 1e-9
    assert np.abs(path.acceleration(times)).max() <= min(acceleration, 60.0) + 1e-9


def test_it_starts_at_rest_where_it_is_told_and_ends_at_rest() -> None:
    path = ReferencePath(SPEC, START, 5.0, np.random.default_rng(3))
    np.testing.assert_allclose(path.position(np.zeros(1))[0], START)
    for at in (0.0, 1000.0):
        np.testing.assert_allclose(path.velocity(np.array([at])), 0.0, atol=1e-9)
    assert np.abs(path.position(np.linspace(0, 5, 100)) - START).max() > 0.1


def test_derivatives_belong_to_the_positions() -> None:
    path = ReferencePath(SPEC, START, 5.0, np.random.default_rng(4))
    times = np.linspace(0.01, 4.9, 500)
    step = 1e-5
    slope = (path.position(times + step) - path.position(times - step)) / (2 * step)
    np.testing.assert_allclose(path.velocity(times), slope, atol=1e-3)
    bend = (path.velocity(times + step) - path.velocity(times - step)) / (2 * step)
    np.testing.assert_allclose(path.acceleration(times), bend, atol=0.05)


def test_a_seed_names_a_path() -> None:
    times = np.linspace(0, 5, 50)
    paths = [
        ReferencePath(SPEC, START, 5.0, np.random.default_rng(seed)).position(times) for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(paths[0], paths[1])
    assert np.abs(paths[0] - paths[2]).max() > 0.01


def test_a_start_outside_the_limits_is_refused() -> None:
    with pytest.raises(ValueError, match="start"):
        ReferencePath(SPEC, START + 10, 5.0, np.random.default_rng(0))
