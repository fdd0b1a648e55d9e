"""What differs between simulated robots: parameters over any MJCF model, and how they are drawn."""

from __future__ import annotations

import copy
from typing import Annotated, Any

import mujoco
import numpy as np
from pydantic import Field, ValidationError

from adapt.errors import UserError
from adapt.robot.interface import Positive
from adapt.robot.specification import RobotSpecification
from adapt.settings import Settings
from adapt.stream.tick import FloatArray

NotNegative = Annotated[float, Field(ge=0)]

ELEMENTS = ("body", "joint", "geom", "actuator", "tendon", "opt")


class Conditions(Settings):
    """Body and surroundings of one simulated robot. None, 0 or 1 leave the MJCF model as it is.

    Besides the names here, a parameter may name one number of the MJCF model as
    element/name/field or element/name/field/index, such as body/pole/mass or geom/ramp/friction/0.
    """

    friction: NotNegative | None = None
    """Sliding friction of the terrain, which is every geom that is fixed to the world."""
    slope_degrees: float = 0.0
    """The terrain rises by this angle along x, and the robot starts on it as on level ground."""
    payload_mass: NotNegative = 0.0
    """Added to the root body, kg."""
    payload_x: float = 0.0
    payload_y: float = 0.0
    payload_z: float = 0.0
    """Where it sits, in the frame of the root body, m."""
    mass_scale: Positive = 1.0
    """Factor on all masses and inertias."""
    motor_strength: Positive = 1.0
    """Factor on the torque limits; the gains belong to the controller."""
    latency_s: NotNegative = 0.0
    """From the beat of an action to its effect; whole physics steps count."""
    joint_friction: NotNegative | None = None
    """Coulomb friction of all joints, N m or N."""
    joint_damping: NotNegative | None = None
    """N m s/rad or N s/m."""
    armature: NotNegative | None = None
    """Rotor inertia at the joint, kg m^2 or kg."""
    model: dict[str, float] = {}
    """Numbers of the MJCF model by their path."""


def make_conditions(values: dict[str, float]) -> Conditions:
    """Conditions from numbers by parameter name.

    Raises:
        UserError: a name is unknown, or a value out of its range.
    """
    paths = {name: value for name, value in values.items() if "/" in name}
    try:
        return Conditions.model_validate(
            {**{name: value for name, value in values.items() if "/" not in name}, "model": paths}
        )
    except ValidationError as error:
        problem = error.errors()[0]
        known = ", ".join(name for name in Conditions.model_fields if name != "model")
        raise UserError(
            f"parameter '{problem['loc'][0]}' of simulated robots: {problem['msg']}; there are: {known}, and"
            " element/name/field of the MJCF model"
        ) from error


def draw_conditions(spec: RobotSpecification, count: int, generator: np.random.Generator) -> list[Conditions]:
    """Draw `count` robots, uniformly from the ranges in the robot file.

    Raises:
        UserError: see `make_conditions`.
    """
    simulation = spec.simulation
    if simulation is None:
        return [Conditions()] * count
    drawn = []
    for _ in range(count):
        nominal = generator.uniform() < simulation.nominal_share
        values = {name: generator.uniform(*ends) for name, ends in simulation.randomisation.items()}
        drawn.append(make_conditions({**simulation.parameters, **({} if nominal else values)}))
    return drawn


def apply_conditions(model: Any, conditions: Conditions) -> Any:
    """A copy of the MuJoCo model under `conditions`.

    Raises:
        UserError: a path in `conditions.model` leads nowhere.
    """
    own = copy.copy(model)
    terrain = own.geom_bodyid == 0
    if conditions.friction is not None:
        own.geom_friction[terrain, 0] = conditions.friction
    for geom in np.flatnonzero(terrain):
        own.geom_pos[geom], own.geom_quat[geom] = on_slope(
            own.geom_pos[geom], own.geom_quat[geom], conditions.slope_degrees
        )
    joints = own.jnt_dofadr[own.jnt_type != mujoco.mjtJoint.mjJNT_FREE]
    for field, value in (
        (own.dof_frictionloss, conditions.joint_friction),
        (own.dof_damping, conditions.joint_damping),
        (own.dof_armature, conditions.armature),
    ):
        if value is not None:
            field[joints] = value
    own.body_mass[:] *= conditions.mass_scale
    own.body_inertia[:] *= conditions.mass_scale
    if conditions.payload_mass > 0:
        _load(own, conditions)
    strengthen(own, np.full(own.nu, conditions.motor_strength))
    for path, value in conditions.model.items():
        _set(own, path, value)
    mujoco.mj_setConst(own, mujoco.MjData(own))
    return own


def on_slope(position: FloatArray, quaternion: FloatArray, degrees: float) -> tuple[FloatArray, FloatArray]:
    """A pose (3,), (4,) turned about the world's y axis, so that what was level along x rises."""
    half = np.radians(-degrees) / 2
    turn = np.array([np.cos(half), 0.0, np.sin(half), 0.0])
    moved, turned = np.empty(3), np.empty(4)
    mujoco.mju_rotVecQuat(moved, np.array(position), turn)
    mujoco.mju_mulQuat(turned, turn, np.array(quaternion))
    return moved, turned


def _load(model: Any, conditions: Conditions) -> None:
    """Add a point mass to the root body: mass, centre and inertia of the two together."""
    mass, added = float(model.body_mass[1]), conditions.payload_mass
    place = np.array([conditions.payload_x, conditions.payload_y, conditions.payload_z])
    centre = model.body_ipos[1].copy()
    flat = np.empty(9)
    mujoco.mju_quat2Mat(flat, model.body_iquat[1])
    axes = flat.reshape(3, 3)
    inertia = axes @ np.diag(model.body_inertia[1]) @ axes.T
    away = place - centre
    inertia += mass * added / (mass + added) * (away @ away * np.eye(3) - np.outer(away, away))
    values, vectors = np.linalg.eigh(inertia)
    vectors[:, 2] *= np.sign(np.linalg.det(vectors))
    model.body_mass[1] = mass + added
    model.body_ipos[1] = centre + away * added / (mass + added)
    model.body_inertia[1] = values
    mujoco.mju_mat2Quat(model.body_iquat[1], np.ascontiguousarray(vectors).ravel())


def strengthen(model: Any, factors: FloatArray) -> None:
    """Multiply the torque limits of a model's actuators, shape (nu,)."""
    motors = model.actuator_gaintype == mujoco.mjtGain.mjGAIN_DCMOTOR
    # Of a DC motor: the voltage that its controller has, and with it the speed at which torque ends.
    model.actuator_gainprm[motors, 7] *= factors[motors]
    model.actuator_forcerange[:] *= factors[:, None]


def _set(model: Any, path: str, value: float) -> None:
    element, *names = path.split("/")
    try:
        if element not in ELEMENTS:
            raise KeyError(element)
        name, field, *index = names
        target = getattr(getattr(model, element)(name), field)
        if target.size > 1 and not index:
            raise ValueError(f"it holds {target.size} numbers: add /index")
        target.reshape(-1)[int(index[0]) if index else 0] = value
    except (KeyError, ValueError, AttributeError, IndexError, TypeError) as error:
        raise UserError(
            f"parameter '{path}' of simulated robots: the MJCF model has no such number: {error}"
        ) from error
