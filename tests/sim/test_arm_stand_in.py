from typing import Any

import numpy as np
import pytest

from adapt.errors import UserError
from adapt.robot.load import load_robot
from adapt.sim.arm_stand_in import SPEEDS, ArmStandIn
from adapt.sim.scenario import Event, Scenario, load_scenario

SPEC = load_robot("so101")
POSE = np.array([0.0, 0.2, 0.5, 0.0, 0.0, 0.5])
PERIOD_NS = 20_000_000


def stand_in(seed: int = 0, pose: np.ndarray = POSE, **effects: Any) -> ArmStandIn:
    return ArmStandIn(SPEC, Scenario(**effects), seed, pose=pose)


def drive(robot: ArmStandIn, commands: np.ndarray) -> np.ndarray:
    """True positions at the end of each period; starts where the robot's time is."""
    rows = []
    for command in commands:
        robot.command(robot.now_ns, command)
        robot.advance(robot.now_ns + PERIOD_NS)
        rows.append(robot.true_position)
    return np.array(rows)


def stirred(count: int) -> np.ndarray:
    return POSE + 0.2 * np.sin(np.arange(count)[:, None] * 0.15 * np.arange(1, 7) / 3)


def test_the_same_seed_gives_the_same_robot_bit_for_bit() -> None:
    runs = []
    for seed in (7, 7, 8):
        robot = ArmStandIn(SPEC, load_scenario(SPEC, "real_arm"), seed, pose=POSE)
        measured = []
        for command in stirred(60):
            robot.command(robot.now_ns, command)
            robot.advance(robot.now_ns + PERIOD_NS)
            message = robot.measure()
            measured.append(message["joint_position"][1] if message else np.full(6, np.nan))
        runs.append(np.array(measured))
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_measurements_are_whole_encoder_steps() -> None:
    robot = stand_in(encoder_step=0.00153, sensor_noise=0.001)
    drive(robot, stirred(20))
    message = robot.measure()
    stamp, position = message["joint_position"]
    velocity = message[SPEEDS][1]
    assert stamp == robot.now_ns
    steps = position / 0.00153
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
    assert np.abs(position - robot.true_position).max() < 0.01
    assert velocity.shape == (6,)


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.05])
def test_a_command_acts_after_the_servos_delay_and_not_before(delay_s: float) -> None:
    robot = stand_in(servo_delay_s=delay_s)
    drive(robot, np.tile(POSE, (50, 1)))
    still = robot.true_position
    sent = robot.now_ns
    robot.command(sent, POSE + 0.3)
    due = sent + round(delay_s * 1e9)
    robot.advance(due)
    np.testing.assert_allclose(robot.true_position, still, atol=1e-4)
    robot.advance(due + 20_000_000)
    assert (robot.true_position - still > 1e-3).all()


def test_commands_keep_their_order_under_jitter() -> None:
    robot = stand_in(servo_jitter_s=0.05)
    for index in range(20):
        robot.command(index, POSE + 0.01 * index)
    robot.advance(3_000_000_000)
    aimed = POSE + 0.19
    assert np.abs(robot.true_position - aimed)[[0, 4]].max() < 0.02


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_messages_are_lost_at_the_stated_rate(rate: float) -> None:
    robot = stand_in(lost_measurements=rate)
    lost = np.mean([not robot.measure() for _ in range(2000)])
    assert abs(lost - rate) < 0.04


def test_lost_commands_do_not_act() -> None:
    robot = stand_in(lost_commands=1.0)
    reached = drive(robot, np.tile(POSE + 0.4, (25, 1)))
    assert np.abs(reached[-1] - POSE)[[0, 3, 4]].max() < 0.02


def test_it_holds_its_last_set_point_without_commands() -> None:
    robot = stand_in()
    drive(robot, np.tile(POSE + 0.2, (100, 1)))
    held = robot.true_position
    robot.advance(robot.now_ns + 10_000_000_000)
    np.testing.assert_allclose(robot.true_position, held, atol=2e-3)


def test_a_payload_sags_the_arm_and_dropping_it_relieves() -> None:
    robot = stand_in()
    robot.advance(2_000_000_000)
    empty = robot.true_position[2]
    robot.set("payload_mass", 0.4)
    robot.advance(4_000_000_000)
    laden = robot.true_position[2]
    robot.set("payload_mass", 0.0)
    robot.advance(6_000_000_000)
    assert laden > empty + 0.03
    assert robot.true_position[2] < laden - 0.02


def test_an_event_changes_a_field_at_its_time() -> None:
    robot = stand_in(events=(Event(time_s=1.0, set={"payload_mass": 0.4}),))
    robot.advance(1_000_000_000)
    assert robot.scenario.payload_mass == 0.0
    robot.advance(1_010_000_000)
    assert robot.scenario.payload_mass == 0.4


def test_setting_an_unknown_field_is_refused_by_name() -> None:
    robot = stand_in()
    for field, value in (("weight", 1.0), ("payload_mass", -1.0), ("stiffness", (1.0, 2.0))):
        with pytest.raises(UserError, match=field):
            robot.set(field, value)
    assert robot.scenario == Scenario()


def test_a_command_that_is_not_finite_is_refused() -> None:
    robot = stand_in()
    with pytest.raises(ValueError, match="finite"):
        robot.command(0, np.array([0.0, np.nan, 0, 0, 0, 0]))
    with pytest.raises(ValueError, match="finite"):
        robot.command(0, np.zeros(5))


def lag(robot: ArmStandIn) -> float:
    """RMS distance from what was asked for, after the first quarter, rad."""
    asked = stirred(150)
    return float(np.sqrt(np.mean((drive(robot, asked) - asked)[40:] ** 2)))


@pytest.mark.parametrize(
    "effects",
    [
        {"coulomb_friction": 0.4, "static_friction": 0.5},
        {"load_friction": 0.5},
        {"dead_zone": 0.06},
        {"backlash": 0.06},
        {"damping": 1.5},
        {"servo_delay_s": 0.06},
        {"servo_jitter_s": 0.05},
        {"profile_velocity": 0.3},
        {"torque_limit": 0.3},
        {"supply_sag": 0.3},
        {"lost_commands": 0.5},
    ],
    ids=lambda effects: next(iter(effects)),
)
def test_every_effect_keeps_the_arm_from_where_it_should_be(effects: dict[str, Any]) -> None:
    assert lag(stand_in(**effects)) > lag(stand_in()) * 1.02


def test_static_friction_holds_what_the_servo_cannot_break_away() -> None:
    stuck = stand_in(coulomb_friction=0.2, static_friction=1.2, stribeck_velocity=0.1)
    reached = drive(stuck, np.tile(POSE + 0.03, (100, 1)))
    np.testing.assert_allclose(reached[-1], POSE, atol=2e-3)


def test_backlash_hides_the_links_place_from_the_encoder() -> None:
    robot = stand_in(backlash=0.04, encoder_step=0.0)
    worst = 0.0
    for command in stirred(100):
        drive(robot, command[None])
        position = robot.measure()["joint_position"][1]
        worst = max(worst, float(np.abs(position - robot.true_position).max()))
    assert 0.015 < worst <= 0.02 + 1e-9
