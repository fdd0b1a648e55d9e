"""The simulator fitted to what a simulated robot did."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("mujoco")

from robots import CART_POLE

from adapt.errors import UserError
from adapt.model.windows import Windows, cut_windows
from adapt.robot.load import load_robot
from adapt.robot.specification import RobotSpecification
from adapt.sim.conditions import make_conditions
from adapt.sim.fleet import Fleet
from adapt.sim.identification import identify
from adapt.sim.rollout_forecast import RolloutForecast, state_is_measured
from adapt.sim.simulated_robot import simulated_robots

PENDULUM = load_robot("double_pendulum")
TRUE = {
    "joint/shoulder/frictionloss": 0.2,
    "joint/elbow/frictionloss": 0.1,
    "joint/shoulder/damping": 0.02,
    "joint/elbow/damping": 0.01,
    "armature": 0.003,
    "mass_scale": 1.05,
    "body/lower/ipos/2": -0.25,
    "actuator/shoulder/gainprm/0": 0.95,
    "actuator/elbow/gainprm/0": 1.1,
}
POSITIONS = slice(0, 2)


def motion(robot: RobotSpecification, values: dict[str, float], ticks: int, noise: bool) -> Windows:
    """Windows of a simulated robot under slow random torques."""
    generator = np.random.default_rng(0)
    fleet = Fleet(robot, simulated_robots(robot, [make_conditions(values)]))
    times = np.arange(ticks)[:, None] * robot.period_s
    action = np.sin(times * generator.uniform(3, 12, robot.action_size) + np.arange(robot.action_size))
    observation = np.empty((ticks, robot.observation_size))
    for tick in range(ticks):
        observation[tick] = (fleet.measure(generator) if noise else fleet.observe())[0]
        fleet.step(action[tick : tick + 1])
    history, horizon = robot.history_ticks, robot.horizon_ticks
    return cut_windows(observation, action, np.empty((ticks, 0)), history, horizon, 2)


@pytest.mark.parametrize("robot", [PENDULUM, CART_POLE], ids=["pendulum", "cart_pole"])
def test_rollouts_of_the_same_robot_are_what_it_does(robot: RobotSpecification) -> None:
    values = TRUE if robot is PENDULUM else {}
    windows = motion(robot, values, 80, noise=False)
    forecast = RolloutForecast(robot, make_conditions(values)).forecast(windows)
    seen = windows.observation[:, robot.history_ticks + 1 :]
    assert torch.allclose(forecast, seen, atol=1e-4)


def test_parameters_that_matter_are_found_from_noisy_measurements() -> None:
    windows = motion(PENDULUM, TRUE, 240, noise=True)
    assert PENDULUM.simulation is not None
    unknown = dict(list(PENDULUM.simulation.randomisation.items())[:3])
    simulation = PENDULUM.simulation.model_copy(update={"randomisation": unknown, "parameters": TRUE})
    errors: list[float] = []
    found = identify(
        PENDULUM.model_copy(update={"simulation": simulation}), windows, POSITIONS, errors.append
    )
    assert set(found) == set(TRUE) and all(found[name] == TRUE[name] for name in set(TRUE) - set(unknown))
    assert found["joint/shoulder/frictionloss"] == pytest.approx(0.2, abs=0.04)
    assert found["joint/elbow/frictionloss"] == pytest.approx(0.1, abs=0.04)
    seen = windows.observation[:, PENDULUM.history_ticks + 1 :, POSITIONS]

    def error(values: dict[str, float]) -> float:
        forecast = RolloutForecast(PENDULUM, make_conditions(values)).forecast(windows)[..., POSITIONS]
        return float((forecast - seen).square().mean().sqrt())

    assert error(found) < 1.1 * error(TRUE)
    assert error(found) < 0.3 * error({})
    assert min(errors) < 0.7 * errors[0]


def test_what_cannot_be_rolled_out_or_identified_is_told() -> None:
    assert state_is_measured(PENDULUM) and state_is_measured(CART_POLE)
    arm = load_robot("so101")
    assert not state_is_measured(arm)
    with pytest.raises(UserError, match="whole state"):
        RolloutForecast(arm, make_conditions({}))
    assert PENDULUM.simulation is not None
    simulation = PENDULUM.simulation.model_copy(update={"randomisation": {}})
    known = PENDULUM.model_copy(update={"simulation": simulation})
    with pytest.raises(UserError, match="names nothing to identify"):
        identify(known, motion(PENDULUM, {}, 60, noise=False), POSITIONS)
