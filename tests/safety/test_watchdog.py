import numpy as np
import pytest

from adapt.robot.load import load_robot
from adapt.safety.watchdog import Watchdog

MS = 1_000_000
NOW = 5_000 * MS
EPOCH = 1_700_000_000_000 * MS
VALUES = np.zeros(6)


@pytest.fixture
def watchdog():
    return Watchdog(load_robot("so101"))


def kind(watchdog, now_ns):
    problem = watchdog.problem(now_ns)
    return None if problem is None else problem.kind


def test_a_sensor_is_missing_then_fresh_then_late(watchdog):
    assert kind(watchdog, NOW) == "sensor_missing"
    assert "/joint_states" in watchdog.problem(NOW).message
    assert watchdog.measurement("joint_position", VALUES, EPOCH, NOW) is None
    assert kind(watchdog, NOW + 119 * MS) is None
    assert kind(watchdog, NOW + 121 * MS) == "sensor_late"


@pytest.mark.parametrize(
    ("values", "stamp_ns", "reason"),
    [
        (np.full(6, np.nan), EPOCH + 20 * MS, "not_finite"),
        (np.array([0, 0, 0, 0, 0, np.inf]), EPOCH + 20 * MS, "not_finite"),
        (np.zeros(5), EPOCH + 20 * MS, "wrong_length"),
        (VALUES, EPOCH, "not_newer"),
        (VALUES, EPOCH - 20 * MS, "not_newer"),
    ],
)
def test_a_refused_measurement_does_not_keep_a_sensor_fresh(watchdog, values, stamp_ns, reason):
    watchdog.measurement("joint_position", VALUES + 1.0, EPOCH, NOW)
    assert watchdog.measurement("joint_position", values, stamp_ns, NOW + 20 * MS) == reason
    np.testing.assert_array_equal(watchdog.measured("joint_position"), VALUES + 1.0)
    assert kind(watchdog, NOW + 125 * MS) == "sensor_late"


@pytest.mark.parametrize("jump_s", [-10, 10])
def test_a_clock_jump_is_noticed_and_passes(watchdog, jump_s):
    stamp_ns = EPOCH
    for n in range(60):
        now_ns = NOW + 20 * n * MS
        stamp_ns = EPOCH + 20 * n * MS + (jump_s * 1000 * MS if n >= 5 else 0)
        assert watchdog.measurement("joint_position", VALUES, stamp_ns, now_ns) is None
        # Half a second of history holds stamps from before the jump.
        assert kind(watchdog, now_ns) == ("clock_jump" if 5 <= n < 31 else None)


def test_a_pause_and_slow_drift_are_no_jump(watchdog):
    watchdog.measurement("joint_position", VALUES, EPOCH, NOW)
    watchdog.measurement("joint_position", VALUES, EPOCH + 9_000 * MS, NOW + 9_000 * MS)
    assert kind(watchdog, NOW + 9_000 * MS) is None
    for n in range(100):
        watchdog.clock("safety", EPOCH + n * 1010 * MS, NOW + n * 1000 * MS)
    assert kind(watchdog, NOW + 9_000 * MS) is None


def test_a_driver_without_stamps_is_judged_by_its_arrivals_alone(watchdog):
    for _ in range(2):
        assert watchdog.measurement("joint_position", VALUES, None, NOW) is None
    assert watchdog.measurement("joint_position", VALUES, EPOCH, NOW) is None
    assert watchdog.measurement("joint_position", VALUES, None, NOW + 100 * MS) is None
    assert kind(watchdog, NOW + 219 * MS) is None
    assert kind(watchdog, NOW + 221 * MS) == "sensor_late"


def told(watchdog, position, n, start=NOW):
    values = VALUES + position
    return watchdog.measurement("joint_position", values, EPOCH + 20 * n * MS, start + 20 * n * MS)


def test_a_spike_is_refused_and_leads_nowhere(watchdog):
    for n in range(10):
        spike = n in (4, 7)
        assert told(watchdog, 1.5 if spike else 0.0, n) == ("implausible" if spike else None)
        np.testing.assert_array_equal(watchdog.measured("joint_position"), VALUES)
        assert kind(watchdog, NOW + 20 * n * MS) is None


def test_a_leap_that_stays_is_a_problem_for_a_while(watchdog):
    for n in range(60):
        assert told(watchdog, 0.0 if n < 5 else 1.5, n) == ("implausible" if n == 5 else None)
        assert kind(watchdog, NOW + 20 * n * MS) == ("sensor_leap" if 6 <= n < 32 else None)
    np.testing.assert_array_equal(watchdog.measured("joint_position"), VALUES + 1.5)


def test_the_fastest_motion_is_plausible_also_after_a_pause(watchdog):
    for n in range(20):
        assert told(watchdog, 4.0 * 0.02 * n, n) is None
    assert told(watchdog, 4.0 * 0.02 * 40, 40) is None
