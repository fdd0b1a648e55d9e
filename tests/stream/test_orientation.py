import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from adapt.stream.orientation import gravity_of, orientation_of

components = st.floats(-1.0, 1.0, allow_subnormal=True)
DOWN = np.array([0.0, 0.0, -1.0])


@given(arrays(np.float64, 4, elements=components), st.sampled_from([1.0, 1e-3, 1e200, 1e-200]))
def test_gravity_is_turned_into_the_body_frame(quaternion: np.ndarray, length: float) -> None:
    assume(np.linalg.norm(quaternion) > 1e-3)
    expected = Rotation.from_quat(quaternion).inv().apply(DOWN)
    np.testing.assert_allclose(gravity_of(quaternion * length), expected, atol=1e-12)


@given(arrays(np.float64, 3, elements=components))
def test_an_orientation_made_of_gravity_feels_that_gravity(gravity: np.ndarray) -> None:
    assume(gravity.any())
    quaternion = orientation_of(gravity)
    assert np.linalg.norm(quaternion) == pytest.approx(1.0, abs=1e-12)
    largest = np.abs(gravity).max()
    unit = gravity / largest / np.linalg.norm(gravity / largest)
    np.testing.assert_allclose(gravity_of(quaternion), unit, atol=1e-12)


@given(st.floats(0, np.pi), st.floats(-np.pi, np.pi))
def test_however_near_upside_down(tilt: float, around: float) -> None:
    gravity = np.array([np.sin(tilt) * np.cos(around), np.sin(tilt) * np.sin(around), -np.cos(tilt)])
    np.testing.assert_allclose(gravity_of(orientation_of(gravity)), gravity, atol=1e-12)


def test_upright_is_the_identity_and_upside_down_a_half_turn() -> None:
    assert orientation_of(DOWN).tolist() == [0.0, 0.0, 0.0, 1.0]
    assert gravity_of(orientation_of(-DOWN)).tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("wrong", [[0.0] * 4, [np.nan, 0, 0, 1], [np.inf, 0, 0, 1], [0, 0, 0, -np.inf]])
def test_what_is_no_rotation_gives_no_gravity(wrong: list[float]) -> None:
    assert np.isnan(gravity_of(np.array(wrong))).all()
    assert np.isnan(orientation_of(np.array(wrong[:3] if np.isinf(wrong[0]) else [0.0] * 3))).all()
