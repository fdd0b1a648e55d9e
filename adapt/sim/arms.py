"""Simulated arms that differ from each other: parameters, how they are drawn, their MuJoCo models."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import mujoco
import numpy as np

from adapt.errors import UserError
from adapt.robot.interface import Interval
from adapt.robot.specification import RobotSpecification
from adapt.sim.mechanics import find_model, simulation_of
from adapt.stream.tick import FloatArray

PAYLOAD_BODY = "payload"


@dataclass(frozen=True, slots=True, eq=False)
class Arms:
    """Parameters of E simulated arms with A servos each.

    A servo turns what it is told into a set-point s of limited acceleration and speed (its profile),
    and drives a DC motor by the error e = s - q: the torque is
    clip(stiffness * (e + lead_s * de/dt), +-torque_limit) - damping * dq/dt,
    the damping being back-EMF and grease.

    Attributes:
        stiffness: shape (E, A), N m/rad.
        lead_s: shape (E, A), derivative gain over proportional gain.
        profile_acceleration: shape (E, A), rad/s^2.
        profile_velocity: shape (E, A), rad/s.
        damping: shape (E, A), N m s/rad.
        friction: shape (E, A), Coulomb friction, N m.
        armature: shape (E, A), rotor inertia seen at the joint, kg m^2.
        torque_limit: shape (E, A), stall torque at full voltage, N m.
        play: shape (E, A), width of the dead zone and backlash between command and motor, rad.
        calibration: shape (E, A), angle of the mechanics when the servo reports zero, rad.
        mass_scale: shape (E, A), factor on mass and inertia of the link behind each joint.
        payload: shape (E,), mass between the jaws, kg.
        delay_s: shape (E,), from sending a command to the motor's first response.
        sensor_delay_s: shape (E,), age of a measurement at its stamp.
    """

    stiffness: FloatArray
    lead_s: FloatArray
    profile_acceleration: FloatArray
    profile_velocity: FloatArray
    damping: FloatArray
    friction: FloatArray
    armature: FloatArray
    torque_limit: FloatArray
    play: FloatArray
    calibration: FloatArray
    mass_scale: FloatArray
    payload: FloatArray
    delay_s: FloatArray
    sensor_delay_s: FloatArray

    def __len__(self) -> int:
        return len(self.payload)

    def repeated(self, times: int) -> Arms:
        """Each arm so many times in a row."""
        return Arms(
            **{each.name: np.repeat(getattr(self, each.name), times, axis=0) for each in fields(self)}
        )


_NOMINAL: dict[str, Interval] = {
    "stiffness": (10.0, 10.0),
    "lead_s": (0.0, 0.0),
    "profile_acceleration": (1000.0, 1000.0),
    "profile_velocity": (10.0, 10.0),
    "damping": (0.6, 0.6),
    "friction": (0.05, 0.05),
    "armature": (0.025, 0.025),
    "torque_limit": (3.0, 3.0),
    "play": (0.0, 0.0),
    "calibration": (0.0, 0.0),
    "mass_scale": (1.0, 1.0),
    "payload": (0.0, 0.0),
    "delay_s": (0.01, 0.01),
    "sensor_delay_s": (0.0, 0.0),
}
"""What the randomisation of a robot file may name, and the values without it."""

RATIOS = frozenset(
    {
        "stiffness",
        "profile_acceleration",
        "profile_velocity",
        "damping",
        "friction",
        "armature",
        "torque_limit",
    }
)
"""Drawn log-uniformly; the others uniformly."""

PER_ARM = frozenset({"payload", "delay_s", "sensor_delay_s"})
"""What an arm has once, not for each joint."""


def draw_arms(spec: RobotSpecification, count: int, generator: np.random.Generator) -> Arms:
    """Draw `count` arms from the ranges in the robot file; a parameter without a range is nominal.

    The joints of one arm are alike: each value is half of the arm, half of its joint (in the logarithm
    for ratios). Half of all payloads are zero.

    Raises:
        UserError: see `arms_at`.
    """
    drawn: dict[str, FloatArray] = {}
    for name in ranges_of(spec):
        share = generator.uniform(size=(count, 1))
        if name not in PER_ARM:
            share = 0.5 * (share + generator.uniform(size=(count, spec.action_size)))
            # The mean of two uniform shares crowds the middle; this stretches it back over the range.
            share = np.where(share < 0.5, 2 * share**2, 1 - 2 * (1 - share) ** 2)
        drawn[name] = share
    arms = arms_at(spec, count, drawn)
    return replace(arms, payload=arms.payload * (generator.uniform(size=count) < 0.5))


def ranges_of(spec: RobotSpecification) -> dict[str, Interval]:
    """The ranges of all parameters, by name; the nominal value twice where the robot file has none.

    Raises:
        UserError: `simulation.randomisation` names an unknown parameter, or a ratio is not positive.
    """
    given = spec.simulation.randomisation if spec.simulation else {}
    for name in given:
        if name not in _NOMINAL:
            known = ", ".join(_NOMINAL)
            raise UserError(
                f"robot {spec.name}: simulation.randomisation.{name}: unknown; there are: {known}"
            )
    ranges = {**_NOMINAL, **given}
    for name, (low, high) in ranges.items():
        if low > high or (name in RATIOS and low <= 0):
            raise UserError(
                f"robot {spec.name}: simulation.randomisation.{name}: [{low}, {high}] is no range"
            )
    return ranges


def arms_at(spec: RobotSpecification, count: int, shares: Mapping[str, FloatArray]) -> Arms:
    """Arms within the ranges of the robot file.

    Args:
        spec: the robot.
        count: E.
        shares: how far from its low end to its high end each parameter is, in the logarithm for ratios;
            shape (E, A), or (E, 1) of what an arm has once. What is missing is in the middle.

    Raises:
        UserError: see `ranges_of`.
    """
    values: dict[str, FloatArray] = {}
    for name, (low, high) in ranges_of(spec).items():
        size = 1 if name in PER_ARM else spec.action_size
        share = np.asarray(shares.get(name, np.full((count, size), 0.5)))
        value = low * (high / low) ** share if name in RATIOS else low + (high - low) * share
        values[name] = value[:, 0] if name in PER_ARM else value
    return Arms(**values)


def load_model(spec: RobotSpecification) -> Any:
    """The robot's MuJoCo model, with the robot file's physics step.

    Raises:
        UserError: the robot file names no model, the model cannot be read, or its joints and actuators
            are not those of the action, in that order.
    """
    simulation = simulation_of(spec)
    path = find_model(simulation.model)
    try:
        model = mujoco.MjModel.from_xml_path(str(path))
    except ValueError as error:
        raise UserError(f"{path}: not a MuJoCo model: {' '.join(str(error).split())}") from error
    joints = tuple(model.joint(index).name for index in range(model.njnt))
    actuators = tuple(model.actuator(index).name for index in range(model.nu))
    if joints != spec.action.entries or actuators != spec.action.entries:
        raise UserError(
            f"{path}: its joints and actuators must be {', '.join(spec.action.entries)}, in this order"
        )
    model.opt.timestep = simulation.physics_step_s
    return model


def arm_models(model: Any, arms: Arms) -> list[Any]:
    """One MuJoCo model per arm, E in all, each a changed copy of `model`."""
    return [_arm_model(model, arms, index) for index in range(len(arms))]


def _arm_model(model: Any, arms: Arms, index: int) -> Any:
    own = copy.copy(model)
    own.actuator_gainprm[:, 0] = arms.stiffness[index]
    own.actuator_biasprm[:, 1] = -arms.stiffness[index]
    own.actuator_biasprm[:, 2] = -arms.stiffness[index] * arms.lead_s[index]
    own.actuator_forcerange[:] = arms.torque_limit[index][:, None] * (-1.0, 1.0)
    own.dof_damping[:] = arms.damping[index]
    own.dof_frictionloss[:] = arms.friction[index]
    own.dof_armature[:] = arms.armature[index]
    links = own.jnt_bodyid
    own.body_mass[links] *= arms.mass_scale[index]
    own.body_inertia[links] *= arms.mass_scale[index][:, None]
    payload = own.body(PAYLOAD_BODY).id
    own.body_mass[payload] += arms.payload[index]
    mujoco.mj_setConst(own, mujoco.MjData(own))
    return own
