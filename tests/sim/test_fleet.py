"""Robots of any kind, made by YAML and MJCF alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco")
import mujoco
from hypothesis import given, settings
from hypothesis import strategies as st
from robots import CART_POLE

from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification
from adapt.sim.conditions import apply_conditions, draw_conditions, make_conditions
from adapt.sim.fleet import Fleet
from adapt.sim.mechanics import load_mechanics
from adapt.sim.simulated_robot import simulated_robots


def fleet(threads: int = 1, **values: float) -> Fleet:
    conditions = [make_conditions(values), make_conditions({})]
    made = Fleet(CART_POLE, simulated_robots(CART_POLE, conditions), threads)
    made.reset(np.random.default_rng(1))
    return made


def pushes(count: int) -> np.ndarray:
    return 3.0 * np.sin(np.arange(count) * 0.5)[:, None, None] * np.ones((1, 2, 1))


def drive(robots: Fleet, actions: np.ndarray) -> np.ndarray:
    seen = []
    for action in actions:
        robots.step(action)
        seen.append(robots.observe())
    return np.stack(seen, axis=1)


def changed(**values: object) -> RobotSpecification:
    assert CART_POLE.simulation is not None
    return CART_POLE.model_copy(update={"simulation": CART_POLE.simulation.model_copy(update=values)})


def test_a_tick_is_so_many_steps_of_the_plain_simulator() -> None:
    robots = fleet()
    model = load_mechanics(CART_POLE)
    data = mujoco.MjData(model)
    data.qpos[:] = robots.robots[1].data.qpos
    for action, seen in zip(pushes(30), drive(robots, pushes(30))[1], strict=True):
        data.ctrl[:] = action[1]
        mujoco.mj_step(model, data, 4)
        np.testing.assert_array_equal(seen, np.concatenate([data.qpos, data.qvel]))


def test_threads_change_nothing() -> None:
    np.testing.assert_array_equal(drive(fleet(1), pushes(20)), drive(fleet(2), pushes(20)))


def test_a_late_robot_does_what_the_punctual_one_did_before() -> None:
    """25 ms are one tick of 20 ms and one physics step of 5 ms."""
    late = fleet(latency_s=0.025)
    for robot in late.robots:
        robot.reset(None)
    steps = np.zeros((20, 2, 1))
    steps[5:] = 2.0
    seen = drive(late, steps)
    assert np.abs(seen[0, :6]).max() == 0.0 and np.abs(seen[0, 6]).max() > 0.0
    assert np.abs(seen[1, 5]).max() > 0.0


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(["mass_scale", "joint_damping", "armature", "body/pole/mass", "joint/slider/damping"]))
def test_a_parameter_changes_only_the_robot_that_has_it(name: str) -> None:
    plain, other = drive(fleet(), pushes(10)), drive(fleet(**{name: 2.0}), pushes(10))
    assert np.abs(plain[0] - other[0]).max() > 1e-6
    np.testing.assert_array_equal(plain[1], other[1])


@pytest.mark.parametrize(
    "name", ["frction", "body/pole/mas", "body/pol/mass", "wheel/pole/mass", "joint/slider"]
)
def test_what_is_not_there_is_named(name: str) -> None:
    with pytest.raises(UserError, match=name):
        fleet(**{name: 1.0})


def test_the_drawn_lie_in_their_ranges_and_some_are_nominal() -> None:
    drawn = draw_conditions(changed(nominal_share=0.3), 200, np.random.default_rng(0))
    masses = [each.model.get("body/pole/mass") for each in drawn]
    assert 30 < masses.count(None) < 90
    assert all(0.05 <= mass <= 0.2 for mass in masses if mass is not None)


def test_a_load_is_a_load_wherever_it_sits() -> None:
    """Mass, centre and inertia of the two bodies together, by the parallel axis theorem."""
    model = load_mechanics(CART_POLE)
    loaded = apply_conditions(model, make_conditions({"payload_mass": 1.0, "payload_x": 0.4}))
    assert loaded.body_mass[1] == 2.0
    np.testing.assert_allclose(loaded.body_ipos[1], [0.2, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(np.sort(loaded.body_inertia[1]), [0.01, 0.09, 0.09], atol=1e-9)
    np.testing.assert_array_equal(model.body_mass[1], 1.0)


def test_noise_and_steps_are_those_of_the_channels() -> None:
    robots = fleet()
    noise = robots.measure(np.random.default_rng(0)) - robots.observe()
    assert np.abs(noise[:, :2]).max() < 0.006 and 0.0 < np.abs(noise[:, 2:]).max() < 0.06


def test_a_tick_of_half_a_step_and_a_missing_actuator_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="physics_step_s"):
        load_mechanics(changed(physics_step_s=0.003))
    assert CART_POLE.simulation is not None
    text = Path(CART_POLE.simulation.model).read_text().replace('name="force"', 'name="push"')
    (tmp_path / "other.xml").write_text(text)
    with pytest.raises(UserError, match="no actuator 'force'"):
        load_mechanics(changed(model=str(tmp_path / "other.xml")))


def test_a_missing_package_is_named_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "model.xml").write_text('<mujoco><include file="${no_such_package}/a.xml"/></mujoco>')
    with pytest.raises(UserError, match="pip install --no-deps no-such-package"):
        load_mechanics(changed(model=str(tmp_path / "model.xml")))
