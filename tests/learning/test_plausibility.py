import numpy as np
import pytest
from poison import POISONS, poisoned
from small_arm import servo_motion, simulated_windows, two_joint_arm

from adapt.learning.plausibility import FEWEST_SEGMENTS, GROUP, Plausibility, PlausibilitySettings, groups
from adapt.model.windows import Windows

ARM = two_joint_arm()


@pytest.fixture(scope="module")
def plausibility() -> Plausibility:
    return Plausibility(PlausibilitySettings(), ARM, None, simulated_windows(4))


def runs_of(positions, targets):
    """Segments of 2 s with pauses between them."""
    starts = range(0, len(positions) - 50, 75)
    return [(positions[start : start + 50], targets[start : start + 50]) for start in starts]


@pytest.mark.parametrize("seed", range(20))
def test_an_arm_that_is_soft_or_stiff_and_sags_is_whole(plausibility, seed):
    generator = np.random.default_rng(seed)
    stiffness, damping = generator.uniform(60, 300), generator.uniform(10, 20)
    positions, targets = servo_motion(450, seed, stiffness, damping, generator.uniform(-0.2, 0.2))
    readings = positions + generator.normal(0, 0.002, positions.shape)
    assert plausibility.problem(runs_of(readings, targets)) == ""


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", POISONS)
def test_a_broken_sensor_is_named(plausibility, kind, seed):
    positions, targets = servo_motion(450, seed, 80.0, 12.0, 0.05)
    readings = poisoned(positions, kind, np.random.default_rng(seed))
    expected = {
        "scaled": "times as far",
        "swapped": "follow",
        "frozen": "does not follow",
        "spikes": "jumps",
    }
    problem = plausibility.problem(runs_of(readings, targets))
    assert problem.startswith("joint_position/") and expected[kind] in problem


def test_where_nothing_is_told_to_move_nothing_is_missed(plausibility):
    still = np.full((450, 2), 0.3)
    assert plausibility.problem(runs_of(still, still)) == ""


def test_joints_that_follow_no_set_point_in_simulation_need_not_in_reality():
    simulated = simulated_windows(4)
    torques = Windows(simulated.observation, -simulated.action, simulated.command)
    positions, targets = servo_motion(450, 0)
    for rehearsal in (torques, None):
        anything = Plausibility(PlausibilitySettings(), ARM, None, rehearsal)
        assert anything.problem(runs_of(positions, -targets)) == ""


@pytest.mark.parametrize("count", range(0, 40))
def test_every_segment_is_in_one_group_and_a_short_rest_joins_the_last(count):
    parts = groups(list(range(count)))
    assert [number for part in parts for number in part] == list(range(count))
    assert all(len(part) >= min(count, FEWEST_SEGMENTS) for part in parts)
    assert all(len(part) < GROUP + FEWEST_SEGMENTS for part in parts)
