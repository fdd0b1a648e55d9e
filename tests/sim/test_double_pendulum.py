"""The double pendulum of the project against the real one of DFKI, and what stirs it."""

from __future__ import annotations

import gzip
from pathlib import Path

import mujoco
import mujoco.rollout
import numpy as np
import pytest

from adapt.robot.load import load_robot
from adapt.sim.mechanics import load_mechanics
from adapt.sim.model_episodes import generate_model_episodes

ROBOT = load_robot("double_pendulum")
LOGS = Path(__file__).resolve().parents[3] / "shared" / "data" / "double_pendulum" / "design_C.1"
AHEAD_S = {0.05: 0.031, 0.1: 0.111, 0.5: 1.17}
"""Of the frictionless closed form, integrated by others: RMS distance of both joints, rad, over ten logs."""


def test_rollouts_are_as_wrong_about_the_real_one_as_the_closed_form() -> None:
    if not LOGS.is_dir():
        pytest.skip(f"the real logs are not there: {LOGS}")
    model = load_mechanics(ROBOT)
    model.opt.timestep = 0.002
    squares: dict[float, list[np.ndarray]] = {ahead: [] for ahead in AHEAD_S}
    for path in sorted(LOGS.rglob("trajectory.csv.gz")):
        with gzip.open(path, "rt") as file:
            names = [name.strip() for name in file.readline().split(",")]
            log = np.loadtxt(file, delimiter=",")
        columns = ("pos_meas", "vel_meas", "tau_meas")
        angle, speed, torque = (log[:, [names.index(f"{each}{i}") for i in (1, 2)]] for each in columns)
        starts = np.arange(0, len(log) - 251, 50)
        state = np.zeros((len(starts), mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_FULLPHYSICS)))
        state[:, 1:5] = np.concatenate([angle[starts], speed[starts]], axis=1)
        control = torque[starts[:, None] + np.arange(250)]
        states, _ = mujoco.rollout.rollout(model, mujoco.MjData(model), state, control)
        for ahead, errors in squares.items():
            steps = round(ahead / 0.002)
            errors.append(((states[:, steps - 1, 1:3] - angle[starts + steps]) ** 2).sum(1))
    for ahead, known in AHEAD_S.items():
        assert np.sqrt(np.concatenate(squares[ahead]).mean()) == pytest.approx(known, rel=0.05)


def test_robots_are_stirred_about_rest_as_the_robot_file_says() -> None:
    assert ROBOT.simulation is not None and ROBOT.simulation.excitation is not None
    excitation = ROBOT.simulation.excitation.model_copy(update={"share": 1.0, "amplitude": (0.2, 0.4)})
    simulation = ROBOT.simulation.model_copy(update={"excitation": excitation})
    robot = ROBOT.model_copy(update={"simulation": simulation})
    data = generate_model_episodes(robot, 4, 40, np.random.default_rng(1))
    assert 0.0 < np.abs(data.action).max() <= 0.4 * 4  # of noise signals the amplitude is a deviation
    assert (data.action != data.expert_action).any(axis=-1).mean() > 0.9
