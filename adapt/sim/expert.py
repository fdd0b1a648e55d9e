"""A tracking expert that knows the simulated arm: what a perfect model could do."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from adapt.robot.specification import RobotSpecification
from adapt.sim.arms import Arms
from adapt.sim.reference import ReferencePath
from adapt.stream.tick import FloatArray

FEEDBACK = 0.7
"""Share of the present tracking error added to the command."""
LARGEST_CORRECTION = 0.1
"""Bound on that addition, rad."""

SLOW = 0.05
"""Below this speed, in rad/s, the side on which the play lies is not trusted."""


def feed_forward(
    spec: RobotSpecification, model: Any, arms: Arms, index: int, path: ReferencePath, tick_times: FloatArray
) -> FloatArray:
    """Actions that make a simulated arm follow `path`, from its own inverse dynamics.

    An action is held for a period and acts late, so it aims at the middle of the time in which it acts.
    There the motor must give the torque tau (gravity, inertia, friction, back-EMF). A servo whose
    set-point is r + x gives stiffness * (x + lead * dx/dt), so x is tau / stiffness after a low-pass of
    that lead. Last, the profile takes sqrt(speed * period / acceleration) on average to reach the
    set-point, by which the action goes ahead, and the play is taken up on the side of the movement.

    Args:
        spec: the robot.
        model: the MuJoCo model of this arm.
        arms: the arms that it is one of.
        index: which of them.
        path: what to follow, rad.
        tick_times: shape (T,), when each action is sent, s.

    Returns:
        shape (T, A), rad, within the position limits.
    """
    times = tick_times + arms.delay_s[index] + spec.period_s / 2
    position, velocity, acceleration = path.position(times), path.velocity(times), path.acceleration(times)
    data = mujoco.MjData(model)
    offset = np.empty_like(position)
    for row in range(len(times)):
        data.qpos[:] = position[row] + arms.calibration[index]
        data.qvel[:] = velocity[row]
        data.qacc[:] = acceleration[row]
        mujoco.mj_inverse(model, data)
        offset[row] = data.qfrc_inverse / arms.stiffness[index]
    keep = np.exp(-spec.period_s / np.maximum(arms.lead_s[index], 1e-6))
    for row in range(1, len(times)):
        offset[row] = keep * offset[row - 1] + (1 - keep) * offset[row]
    ahead = np.sqrt(np.abs(velocity) * spec.period_s / arms.profile_acceleration[index])
    taken_up = arms.play[index] / 2 * np.tanh(velocity / SLOW)
    return within_limits(spec, position + offset + velocity * ahead + taken_up)


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
