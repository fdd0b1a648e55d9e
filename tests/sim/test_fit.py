from pathlib import Path

import numpy as np
import pytest

from adapt.errors import UserError
from adapt.robot.load import load_robot
from adapt.sim.arm_stand_in import ArmStandIn
from adapt.sim.excitation import excite
from adapt.sim.fit import fit
from adapt.sim.following import follow, following_error, held_out
from adapt.sim.logs import ArmLog, read_logs
from adapt.sim.scenario import Scenario, load_scenario

SPEC = load_robot("so101")
POSE = np.array([0.0, 0.2, 0.5, 0.0, 0.0, 0.5])
REAL_LOGS = Path(__file__).parents[3] / "shared" / "data" / "so101" / "motions"


def log_of(scenario: Scenario, seconds: float, seed: int) -> ArmLog:
    robot = ArmStandIn(SPEC, scenario.model_copy(update={"encoder_step": 0.0}), 0, pose=POSE)
    times = np.arange(round(seconds * 50)) * 0.02
    commands = POSE + np.clip(excite(times, 6, np.random.default_rng(seed)), -0.3, 0.3) * (times > 0)[:, None]
    positions = []
    for time, command in zip(times, commands, strict=True):
        robot.advance(round(time * 1e9))
        positions.append(robot.measure()["joint_position"][1])
        robot.command(robot.now_ns, command)
    return ArmLog("made", times, commands, np.array(positions))


def test_the_scenario_that_made_a_log_follows_it() -> None:
    scenario = Scenario(
        stiffness=14.0, lead_s=0.04, coulomb_friction=0.1, static_friction=0.2, servo_delay_s=0.015
    )
    log = log_of(scenario, 3.0, 0)
    np.testing.assert_allclose(follow(SPEC, [scenario], [log])[0], log.position, atol=1e-6)
    assert following_error(SPEC, Scenario(), [log]).total > 0.005


def test_a_fit_brings_a_scenario_nearer_to_the_robot() -> None:
    hidden = Scenario(
        stiffness=20.0, damping=0.9, coulomb_friction=0.15, static_friction=0.15, servo_delay_s=0.02
    )
    log = log_of(hidden, 2.0, 1)
    start = Scenario(static_friction=0.06)
    fitted = fit(SPEC, start, [log], rounds=3)
    assert following_error(SPEC, fitted, [log]).total < 0.6 * following_error(SPEC, start, [log]).total


def test_the_middle_of_a_motion_is_around_its_middle_and_no_longer_than_asked() -> None:
    times = 7.0 + np.arange(500) * 0.02
    log = ArmLog("x", times, np.zeros((500, 6)), np.zeros((500, 6)))
    part = log.middle(2.0)
    assert part.time_s[0] == pytest.approx(10.99, abs=0.021)
    assert 1.9 < part.time_s[-1] - part.time_s[0] <= 2.0
    assert len(log.middle(100.0).time_s) == 500


def test_logs_that_are_no_logs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no logs"):
        read_logs(SPEC, tmp_path)
    path = tmp_path / "motion.npz"
    np.savez(path, u=np.zeros((5, 6)))
    with pytest.raises(UserError, match=r"motion\.npz"):
        read_logs(SPEC, tmp_path)
    good = {"u": np.zeros((5, 6)), "q": np.zeros((5, 6)), "t_us_ctrl": np.arange(5) * 2e4}
    np.savez(path, **{**good, "q": np.zeros((5, 4))})
    with pytest.raises(UserError, match="shape"):
        read_logs(SPEC, tmp_path)
    np.savez(path, **{**good, "q": np.full((5, 6), np.nan)})
    with pytest.raises(UserError, match="finite"):
        read_logs(SPEC, tmp_path)
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match=r"motion\.npz"):
        read_logs(SPEC, tmp_path)


@pytest.mark.skipif(not REAL_LOGS.is_dir(), reason="needs ../shared/data/so101 beside the repository")
def test_the_default_scenario_follows_the_real_arm_better_than_the_ideal_one() -> None:
    logs = [log.middle(8.0) for log in held_out(read_logs(SPEC, REAL_LOGS))[1]]
    real = following_error(SPEC, load_scenario(SPEC, "real_arm"), logs)
    ideal = following_error(SPEC, load_scenario(SPEC, "ideal"), logs)
    assert real.total < 0.6 * ideal.total
    assert (real.joints < ideal.joints).all()
