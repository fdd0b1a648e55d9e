"""A tracking expert that knows the simulated arm: what a perfect model could do."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from adapt.robot.specification import RobotSpecification
from adapt.sim.reference import ReferencePath
from adapt.stream.tick import FloatArray

FEEDBACK = 0.7
"""Share of the present tracking error added to the command."""
LARGEST_CORRECTION = 0.1
"""Bound on that addition, rad."""


def feed_forward(
    spec: RobotSpecification,
    model: Any,
    path: ReferencePath,
    tick_times: FloatArray,
    delay_s: float,
    calibration: FloatArray,
) -> FloatArray:
    """Actions that make the servo follow `path`, from the inverse dynamics of its own arm.

    An action is held for a period and acts `delay_s` late, so it aims at the middle of the time in
    which it acts. There the servo must give the torque tau (gravity, inertia, friction, back-EMF), which
    a position servo does at the set-point r + tau / stiffness.

    Args:
        spec: the robot.
        model: the MuJoCo model of this arm.
        path: what to follow, rad.
        tick_times: shape (T,), when each action is sent, s.
        delay_s: dead time of this arm, s.
        calibration: shape (A,), angle of the mechanics where the servo reads zero, rad.

    Returns:
        shape (T, A), rad, within the position limits.
    """
    times = tick_times + delay_s + spec.period_s / 2
    position, velocity = path.position(times), path.velocity(times)
    acceleration = path.acceleration(times)
    data = mujoco.MjData(model)
    torque = np.empty_like(position)
    for row in range(len(times)):
        data.qpos[:] = position[row] + calibration
        data.qvel[:] = velocity[row]
        data.qacc[:] = acceleration[row]
        mujoco.mj_inverse(model, data)
        torque[row] = data.qfrc_inverse
    return within_limits(spec, position + torque / model.actuator_gainprm[:, 0])


def correct(
    spec: RobotSpecification, actions: FloatArray, wanted: FloatArray, actual: FloatArray
) -> FloatArray:
    """The expert's actions for an arm that is at `actual`, not at `wanted` (all (..., A), rad)."""
    correction = np.clip(FEEDBACK * (wanted - actual), -LARGEST_CORRECTION, LARGEST_CORRECTION)
    return within_limits(spec, actions + correction)


def within_limits(spec: RobotSpecification, actions: FloatArray) -> FloatArray:
    """Clip actions (..., A) to the robot's position limits."""
    low, high = np.array([each.position for each in spec.action.limits.values()]).T
    return np.clip(actions, low, high)
