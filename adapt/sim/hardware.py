"""Servos and arm with the effects of a scenario, for one robot or many at once."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np

from adapt.robot.specification import RobotSpecification
from adapt.sim.arms import PAYLOAD_BODY, load_model
from adapt.sim.scenario import PER_JOINT, Scenario
from adapt.sim.simulator import profile_step
from adapt.stream.tick import FloatArray

LOWEST_VOLTAGE = 0.3
"""The supply never sags below this share."""


class Hardware:
    """E robots that start at rest at a pose; every call of `step` takes them one physics step further.

    All arrays have shape (E, A) and are in the servos' own angles unless said otherwise, rad.

    Attributes:
        encoder: what the encoders see, before steps and noise.
    """

    def __init__(self, spec: RobotSpecification, scenarios: Sequence[Scenario], pose: FloatArray) -> None:
        """Start E = len(scenarios) robots at `pose`, shape (E, A).

        Raises:
            UserError: see `load_model`.
        """
        self._size = spec.action_size
        self._nominal = load_model(spec)
        self._nominal.actuator_gainprm[:, 0] = 1.0
        self._nominal.actuator_biasprm[:] = 0.0
        self._nominal.actuator_forcelimited[:] = 0
        self.step_s = float(self._nominal.opt.timestep)
        self._models = [copy.copy(self._nominal) for _ in scenarios]
        self._datas = [mujoco.MjData(model) for model in self._models]
        self._values: dict[str, FloatArray] = {}
        self.configure(scenarios)
        self.encoder = pose.astype(np.float64)
        self._point, self._rate = self.encoder, np.zeros_like(self.encoder)
        self._velocity = np.zeros_like(self.encoder)
        self._load = np.zeros((len(scenarios), 1))
        for data, start in zip(self._datas, self.encoder + self._values["calibration"], strict=True):
            data.qpos[:] = start

    def configure(self, scenarios: Sequence[Scenario]) -> None:
        """Give the robots other parameters; their motion goes on."""
        self.replace(
            {name: np.stack([self._row(getattr(each, name)) for each in scenarios]) for name in PER_JOINT}
        )
        self._sag = np.array([[each.supply_sag] for each in scenarios])
        for model, scenario in zip(self._models, scenarios, strict=True):
            body = model.body(PAYLOAD_BODY).id
            model.body_mass[body] = self._nominal.body_mass[body] + scenario.payload_mass
            model.body_pos[body] = self._nominal.body_pos[body] + scenario.payload_place
            mujoco.mj_setConst(model, mujoco.MjData(model))

    def replace(self, values: Mapping[str, FloatArray]) -> None:
        """Give some of the per-joint fields of a scenario other values, each of shape (E, A)."""
        self._values.update(values)
        links = self._nominal.jnt_bodyid
        for row, model in enumerate(self._models):
            model.dof_damping[:] = self._values["damping"][row]
            model.dof_armature[:] = self._values["armature"][row]
            scale = self._values["mass_scale"][row]
            model.body_mass[links] = self._nominal.body_mass[links] * scale
            model.body_inertia[links] = self._nominal.body_inertia[links] * scale[:, None]

    def _row(self, value: Any) -> FloatArray:
        return np.broadcast_to(np.asarray(value, dtype=np.float64), (self._size,))

    @property
    def position(self) -> FloatArray:
        """True angles of the links, shape (E, A)."""
        return np.stack([data.qpos for data in self._datas]) - self._values["calibration"]

    @property
    def velocity(self) -> FloatArray:
        """True speeds, shape (E, A), rad/s."""
        return self._velocity

    def step(self, wanted: FloatArray) -> None:
        """One physics step while the servos are told `wanted`, shape (E, A)."""
        value = self._values
        self._point, self._rate = profile_step(
            self._point,
            self._rate,
            wanted,
            value["profile_acceleration"],
            value["profile_velocity"],
            self.step_s,
        )
        error = self._point - self.encoder
        ignored = value["dead_zone"] / 2
        error = error - np.clip(error, -ignored, ignored)
        drive = value["stiffness"] * (error + value["lead_s"] * (self._rate - self._velocity))
        voltage = np.maximum(1.0 - self._sag * self._load, LOWEST_VOLTAGE)
        torque = np.clip(drive, -value["torque_limit"], value["torque_limit"]) * voltage
        self._load = np.abs(torque).sum(axis=1, keepdims=True)
        extra = value["static_friction"] - value["coulomb_friction"]
        friction = (
            value["coulomb_friction"]
            + extra * np.exp(-((self._velocity / value["stribeck_velocity"]) ** 2))
            + value["load_friction"] * np.abs(torque)
        )
        for row, (model, data) in enumerate(zip(self._models, self._datas, strict=True)):
            model.dof_frictionloss[:] = friction[row]
            data.ctrl[:] = torque[row]
            mujoco.mj_step(model, data)
        self._velocity = np.stack([data.qvel for data in self._datas])
        play = value["backlash"] / 2
        position = self.position
        self.encoder = np.clip(self.encoder, position - play, position + play)
