"""The stand-in of any robot with an MJCF model."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from adapt.robot.specification import RobotSpecification
from adapt.sim.conditions import strengthen
from adapt.sim.hidden_robot import HiddenRobot
from adapt.sim.robot_scenario import RobotScenario
from adapt.sim.sensing import Sensing
from adapt.sim.simulated_robot import simulated_robots
from adapt.stream.tick import FloatArray


class ModelStandIn(HiddenRobot[RobotScenario]):
    """One robot of a scenario.

    An action is in force until the next one; until the first, the motors hold the robot file's rest, or
    do nothing where there is none, and the base is held.

    Attributes:
        robot: the simulated robot itself, for those who may know the truth.
    """

    def __init__(
        self, spec: RobotSpecification, scenario: RobotScenario, seed: int, start_ns: int = 0
    ) -> None:
        """Start where the robot file says.

        Raises:
            UserError: see `load_mechanics`, `SimulatedRobot` and `Sensing`.
        """
        self._spec = spec
        self.robot = simulated_robots(spec, [scenario])[0]
        self._wear(scenario)
        rest = spec.rest_action
        wanted = np.zeros(spec.action_size) if rest is None else np.array(rest)
        super().__init__(scenario, wanted, self.robot.step_s, seed, start_ns)
        if scenario.start_spread:
            self._return()
        self._topics = list(dict.fromkeys(channel.topic for channel in spec.channels.values()))
        self._sense(scenario)

    def _sense(self, scenario: RobotScenario) -> None:
        self._sensing = Sensing(self._spec, [self.robot])
        self._bias = np.zeros(self._spec.observation_size)
        for key, value in scenario.sensor_bias.items():
            if key in self._spec.channels:
                self._bias[self._spec.channel_slice(key)] += value
            else:
                self._bias[self._spec.observation_names.index(key)] += value

    @property
    def base_position(self) -> FloatArray:
        """Where the root body truly is, shape (3,), m."""
        return np.array(self.robot.data.xpos[1])

    @property
    def base_rotation(self) -> FloatArray:
        """How the root body truly stands, shape (3, 3): its axes as columns."""
        return np.array(self.robot.data.xmat[1]).reshape(3, 3)

    @property
    def fallen(self) -> bool:
        """Whether it has fallen since the start, or since it was put back."""
        return self.robot.fallen

    def measure(self) -> dict[str, tuple[int, FloatArray]]:
        """Stamp in ns and values by channel, as measured now; messages are lost topic by topic."""
        values = self._sensing.blur(
            self._sensing.read() + self._bias, self._noise, self.scenario.sensor_noise
        )[0]
        draws = self._losses.uniform(size=len(self._topics))
        arrived = {
            topic
            for topic, draw in zip(self._topics, draws, strict=True)
            if draw >= self.scenario.lost_measurements
        }
        return {
            key: (self.now_ns, values[self._spec.channel_slice(key)])
            for key, channel in self._spec.channels.items()
            if channel.topic in arrived
        }

    def _delay_and_jitter_s(self) -> tuple[float, float]:
        return self.scenario.latency_s, self.scenario.latency_jitter_s

    def _wear(self, scenario: RobotScenario) -> None:
        """Give the robot the effects that the simulators of the pretraining do not have."""
        model: Any = self.robot.model
        factors = np.ones(model.nu)
        for entry, factor in scenario.motor_strengths.items():
            factors[self.robot.entries[self._spec.action.entries.index(entry)]] = factor
        strengthen(model, factors)
        if scenario.contact_time_s is not None:
            model.geom_solref[:, 0] = scenario.contact_time_s
        self._dofs = np.flatnonzero(model.jnt_type[model.dof_jntid] != mujoco.mjtJoint.mjJNT_FREE)
        self._sliding = np.array(model.dof_frictionloss[self._dofs])

    def _step(self) -> None:
        scenario = self.scenario
        if scenario.breakaway:
            slow = np.exp(-((self.robot.data.qvel[self._dofs] / scenario.stribeck_velocity) ** 2))
            self.robot.model.dof_frictionloss[self._dofs] = self._sliding * (1.0 + scenario.breakaway * slow)
        if self._commanded:
            self.robot.run(self._wanted, 1)
        else:
            self.robot.wait(self._wanted, 1)

    def _return(self) -> None:
        self.robot.reset(self._start if self.scenario.start_spread else None)

    def _configure(self, scenario: RobotScenario) -> None:
        self.robot.configure(scenario)
        self._wear(scenario)
        self._sense(scenario)
