"""A stand-in of any robot, behind the interface of the hardware."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("mujoco")

from robots import CART_POLE

from adapt.errors import UserError
from adapt.sim.model_stand_in import ModelStandIn
from adapt.sim.robot_scenario import RobotScenario, load_robot_scenario

TICK_NS = 20_000_000


def stand_in(seed: int = 0, **effects: Any) -> ModelStandIn:
    return ModelStandIn(CART_POLE, RobotScenario(**effects), seed)


def drive(robot: ModelStandIn, ticks: int = 20) -> np.ndarray:
    seen = []
    for tick in range(ticks):
        robot.command(robot.now_ns, np.array([np.sin(tick)]))
        robot.advance(robot.now_ns + TICK_NS)
        measured = robot.measure()
        values = [measured[key][1] if key in measured else np.full(2, np.nan) for key in CART_POLE.channels]
        seen.append(np.concatenate(values))
    return np.array(seen)


def test_the_same_seed_gives_the_same_robot_bit_for_bit() -> None:
    effects = {"lost_measurements": 0.1, "lost_commands": 0.1, "latency_jitter_s": 0.01}
    first, again, other = (drive(stand_in(seed, **effects)).tobytes() for seed in (3, 3, 4))
    assert first == again != other


def test_channels_of_one_message_are_lost_together() -> None:
    seen = drive(stand_in(lost_measurements=0.5), 200)
    lost = np.isnan(seen)
    assert 60 < lost[:, 0].sum() < 140
    np.testing.assert_array_equal(lost[:, 0], lost[:, 2])


def test_a_bias_is_seen_and_not_there() -> None:
    plain, biased = stand_in(), stand_in(sensor_bias={"joint_position": 0.1, "joint_velocity/hinge": 1.0})
    np.testing.assert_allclose(
        drive(biased) - drive(plain), np.tile([0.1, 0.1, 0.0, 1.0], (20, 1)), atol=1e-12
    )


@pytest.mark.parametrize(("breakaway", "moves"), [(0.0, True), (1.0, False)])
def test_a_joint_that_sticks_needs_more_force_to_set_off_than_to_go_on(breakaway: float, moves: bool) -> None:
    robot = stand_in(joint_friction=0.5, breakaway=breakaway, stribeck_velocity=0.05, start_spread=False)
    robot.set("mass_scale", 1.0)  # what changes something else leaves it as it is
    robot.command(robot.now_ns, np.array([0.8]))
    robot.advance(robot.now_ns + 20 * TICK_NS)
    assert (robot.robot.data.qpos[0] > 0.01) == moves
    robot.robot.data.qvel[0] = 0.5
    robot.advance(robot.now_ns + 20 * TICK_NS)
    assert robot.robot.data.qvel[0] > 0.4


def test_without_noise_the_truth_is_measured() -> None:
    robot = stand_in(sensor_noise=0.0)
    seen = drive(robot)
    np.testing.assert_array_equal(seen[-1], np.concatenate([robot.robot.data.qpos, robot.robot.data.qvel]))


def test_what_is_set_holds_from_now_on_and_so_do_events() -> None:
    event = {"time_s": 0.2, "set": {"mass_scale": 5.0}}
    plain, by_event = drive(stand_in(sensor_noise=0.0)), drive(stand_in(sensor_noise=0.0, events=[event]))
    by_hand = stand_in(sensor_noise=0.0)
    first = drive(by_hand, 10)
    by_hand.set("mass_scale", 5.0)
    np.testing.assert_array_equal(first, plain[:10])
    np.testing.assert_array_equal(by_event[:10], plain[:10])
    assert np.abs(by_event[10:] - plain[10:]).max() > 1e-3
    for field, value in (("mas_scale", 1.0), ("mass_scale", -1.0), ("events", [])):
        with pytest.raises(UserError, match=field):
            by_hand.set(field, value)


@pytest.mark.parametrize("values", [np.array([np.nan]), np.zeros(2)])
def test_a_command_that_is_none_is_refused(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="1 finite numbers"):
        stand_in().command(0, values)


def test_scenario_files_say_what_differs(tmp_path: Any) -> None:
    (tmp_path / "odd.yaml").write_text("sensor_bias: {no_such/thing: 1.0}")
    with pytest.raises(UserError, match="no_such/thing"):
        load_robot_scenario(CART_POLE, str(tmp_path / "odd.yaml"))
    (tmp_path / "typo.yaml").write_text("frction: 1.0")
    with pytest.raises(UserError, match="frction"):
        load_robot_scenario(CART_POLE, str(tmp_path / "typo.yaml"))
    (tmp_path / "weak.yaml").write_text("motor_strengths: {no_such_motor: 0.5}")
    with pytest.raises(UserError, match="no_such_motor"):
        load_robot_scenario(CART_POLE, str(tmp_path / "weak.yaml"))
    (tmp_path / "heavy.yaml").write_text("mass_scale: 2.0\nmodel: {body/pole/mass: 0.3}")
    assert load_robot_scenario(CART_POLE, str(tmp_path / "heavy.yaml")).model == {"body/pole/mass": 0.3}


def test_put_back_it_stands_where_it_started_while_time_goes_on() -> None:
    robot = stand_in(latency_s=0.1, start_spread=False, sensor_noise=0.0)
    start = {key: values for key, (_, values) in robot.measure().items()}
    drive(robot, 60)
    gone_ns = robot.now_ns
    robot.command(robot.now_ns, np.array([5.0]))
    robot.put_back()
    assert robot.now_ns == gone_ns and not robot.fallen
    for key, (_, values) in robot.measure().items():
        np.testing.assert_allclose(values, start[key], atol=1e-12)
    # The command that was on its way is lost: it rests until the next one.
    robot.advance(robot.now_ns + 10 * TICK_NS)
    still, moved = robot.measure(), drive(robot, 20)
    assert abs(still["joint_velocity"][1][0]) < 1e-6 < np.abs(moved).max()
