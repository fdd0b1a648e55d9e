"""The simulator itself as a forecast: what a robot of given parameters would do under the actions."""

from __future__ import annotations

import mujoco
import mujoco.rollout
import numpy as np
import torch
from torch import Tensor

from adapt.errors import UserError
from adapt.model.windows import Windows
from adapt.robot.specification import RobotSpecification
from adapt.sim.conditions import Conditions, apply_conditions
from adapt.sim.mechanics import load_mechanics
from adapt.sim.sensing import JOINT_STATE

STATE = mujoco.mjtState.mjSTATE_FULLPHYSICS


class RolloutForecast:
    """Sets a MuJoCo model to the last observation as it was measured, noise and all, and rolls it out."""

    def __init__(self, specification: RobotSpecification, conditions: Conditions) -> None:
        """Find the state in the observation.

        Raises:
            UserError: the observation does not hold the state (see `state_is_measured`); or see
                `load_mechanics` and `apply_conditions`.
        """
        if not state_is_measured(specification):
            raise UserError(f"robot {specification.name}: its observation does not hold its whole state")
        self._history = specification.history_ticks
        self._nominal = load_mechanics(specification)
        joints = [self._nominal.joint(number).name for number in range(self._nominal.njnt)]
        position, velocity = (_places(specification, field) for field in ("position", "velocity"))
        self._position = [position[name] for name in joints]
        self._velocity = [velocity[name] for name in joints]
        self._entries = [self._nominal.actuator(entry).id for entry in specification.action.entries]
        self._steps = round(specification.period_s / self._nominal.opt.timestep)
        self._data = mujoco.MjData(self._nominal)
        self.configure(conditions)

    def configure(self, conditions: Conditions) -> None:
        """Roll out a robot with other parameters; of a latency nothing is known here.

        Raises:
            UserError: see `apply_conditions`.
        """
        self._model = apply_conditions(self._nominal, conditions)

    def forecast(self, windows: Windows) -> Tensor:
        """Observations of the horizon, shape (B, T, O); what is no joint's state stays as it is now."""
        model, count = self._model, len(windows)
        now = windows.observation[:, self._history].double().numpy()
        action = windows.action[:, self._history :].double().numpy()
        state = np.zeros((count, mujoco.mj_stateSize(model, STATE)))
        state[:, 1 : 1 + model.nq] = now[:, self._position]
        state[:, 1 + model.nq : 1 + model.nq + model.nv] = now[:, self._velocity]
        control = np.zeros((count, action.shape[1] * self._steps, model.nu))
        control[..., self._entries] = np.repeat(action, self._steps, axis=1)
        states, _ = mujoco.rollout.rollout(model, self._data, state, control)
        kept = states[:, self._steps - 1 :: self._steps, 1 : 1 + model.nq + model.nv]
        forecast = np.repeat(now[:, None], action.shape[1], axis=1)
        forecast[..., [*self._position, *self._velocity]] = kept
        return torch.from_numpy(forecast.astype(np.float32))


def state_is_measured(specification: RobotSpecification) -> bool:
    """Whether the robot is its joints alone, without a free base, with all their positions and velocities.

    Servos of a bus have states of their own, such as their play, which nothing measures.

    Raises:
        UserError: see `load_mechanics`.
    """
    if specification.simulation is None or specification.simulation.actuators != "model":
        return False
    model = load_mechanics(specification)
    joints = {model.joint(number).name for number in range(model.njnt)}
    fixed = model.nq == model.nv == model.njnt
    return fixed and all(joints <= set(_places(specification, each)) for each in ("position", "velocity"))


def _places(specification: RobotSpecification, field: str) -> dict[str, int]:
    """Where the joints' positions or velocities are in the observation."""
    return {
        name: specification.channel_slice(key).start + offset
        for key, channel in specification.channels.items()
        if (channel.type, channel.field) == (JOINT_STATE, field)
        for offset, name in enumerate(channel.names)
    }
