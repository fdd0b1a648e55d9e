from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.robot.load import load_robot
from adapt.sim.arms import draw_arms
from adapt.sim.simulator import Simulator, profile_step

SPEC = load_robot("so101")
POSE = np.array([0.0, 0.2, 0.5, 0.0, 0.0, 0.5])
STEP_S = 0.0025


@settings(max_examples=20, deadline=None)
@given(
    wanted=st.floats(-2, 2),
    acceleration=st.floats(15, 1000),
    velocity=st.floats(0.5, 10),
    start=st.floats(-2, 2),
)
def test_a_profile_keeps_its_limits_and_arrives_without_overshoot(
    wanted: float, acceleration: float, velocity: float, start: float
) -> None:
    point, rate = np.array([start]), np.zeros(1)
    limits = np.array([acceleration]), np.array([velocity])
    for _ in range(3000):
        before = rate
        point, rate = profile_step(point, rate, np.array([wanted]), *limits, STEP_S)
        assert abs(rate[0]) <= velocity + 1e-9
        assert abs(rate[0] - before[0]) <= acceleration * STEP_S + 1e-9
        # One step's braking is the most by which it may pass.
        assert (point[0] - wanted) * np.sign(wanted - start) <= acceleration * STEP_S**2 + 1e-9
    assert point[0] == pytest.approx(wanted, abs=1e-3)


def test_a_longer_delay_only_shifts_the_motion() -> None:
    arms = draw_arms(SPEC, 1, np.random.default_rng(0))
    commands = POSE + np.where(np.arange(100) >= 20, 0.3, 0.0)[None, :, None]
    quick = Simulator(SPEC, replace(arms, delay_s=np.array([0.0])), 1).run(POSE[None], commands)
    late = Simulator(SPEC, replace(arms, delay_s=np.array([0.05])), 1).run(POSE[None], commands)
    shift = round(0.05 / STEP_S)
    # Settling under gravity begins at once in both; it is over when the step comes.
    before = round(20 * 0.02 / STEP_S)
    np.testing.assert_allclose(
        late.position[0, before + shift :], quick.position[0, before:-shift], atol=5e-3
    )
    assert np.abs(late.position - quick.position).max() > 0.02


def test_measurements_carry_the_steps_of_the_sensor() -> None:
    arms = draw_arms(SPEC, 2, np.random.default_rng(0))
    simulator = Simulator(SPEC, arms, 1)
    motion = simulator.run(np.tile(POSE, (2, 1)), np.tile(POSE, (2, 50, 1)))
    times = np.arange(20) * SPEC.period_s
    measured = simulator.measure(motion, times, np.random.default_rng(1))
    assert measured.shape == (2, 20, 6)
    truth = motion.position_at(times)
    resolution = SPEC.channels["joint_position"].resolution
    error = np.abs(measured - truth)[:, 10:]
    assert 0 < error.max() < 3 * resolution


def test_a_payload_sags_the_arm() -> None:
    arms = draw_arms(SPEC, 1, np.random.default_rng(0))
    held = np.tile(POSE, (1, 200, 1))
    empty = Simulator(SPEC, replace(arms, payload=np.array([0.0])), 1).run(POSE[None], held)
    laden = Simulator(SPEC, replace(arms, payload=np.array([0.3])), 1).run(POSE[None], held)
    # The elbow's positive direction is down.
    assert laden.position[0, -1, 2] > empty.position[0, -1, 2] + 0.002
