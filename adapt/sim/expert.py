"""A tracking expert that knows the simulated arm: what a perfect model could do."""

from __future__ import annotations

from collections.abc import Sequence
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
    spec: RobotSpecification,
    models: Sequence[Any],
    arms: Arms,
    paths: Sequence[ReferencePath],
    tick_times: FloatArray,
) -> FloatArray:
    """Actions that make simulated arms follow their paths, from their own inverse dynamics.

    An action is held for a period and acts late, so it aims at the middle of the time in which it acts.
    There the motor must give the torque tau (gravity, inertia, friction, back-EMF). A servo whose
    set-point is r + x gives stiffness * (x + lead * dx/dt), so x is tau / stiffness after a low-pass of
    that lead. Last, the profile takes sqrt(speed * period / acceleration) on average to reach the
    set-point, by which the action goes ahead, and the play is taken up on the side of the movement.

    Args:
        spec: the robot.
        models: the MuJoCo model of each of the E arms.
        arms: their parameters.
        paths: what each follows, rad.
        tick_times: shape (T,), when each action is sent, s.

    Returns:
        shape (E, T, A), rad, within the position limits.
    """
    times = tick_times + arms.delay_s[:, None] + spec.period_s / 2
    each = list(zip(paths, times, strict=True))
    position = np.stack([path.position(when) for path, when in each])
    velocity = np.stack([path.velocity(when) for path, when in each])
    acceleration = np.stack([path.acceleration(when) for path, when in each])
    torque = np.stack(
        [
            _inverse_dynamics(model, *motion)
            for model, *motion in zip(
                models, position + arms.calibration[:, None], velocity, acceleration, strict=True
            )
        ]
    )
    offset = torque / arms.stiffness[:, None]
    keep = np.exp(-spec.period_s / np.maximum(arms.lead_s, 1e-6))
    for tick in range(1, len(tick_times)):
        offset[:, tick] = keep * offset[:, tick - 1] + (1 - keep) * offset[:, tick]
    ahead = np.sqrt(np.abs(velocity) * spec.period_s / arms.profile_acceleration[:, None])
    taken_up = arms.play[:, None] / 2 * np.tanh(velocity / SLOW)
    return within_limits(spec, position + offset + velocity * ahead + taken_up)


def _inverse_dynamics(
    model: Any, position: FloatArray, velocity: FloatArray, acceleration: FloatArray
) -> FloatArray:
    """Torques of a motion, all of shape (T, A). The fields are looked up once: that is most of the time."""
    data = mujoco.MjData(model)
    qpos, qvel, qacc, needed = data.qpos, data.qvel, data.qacc, data.qfrc_inverse
    torque = np.empty_like(position)
    for row in range(len(position)):
        qpos[:], qvel[:], qacc[:] = position[row], velocity[row], acceleration[row]
        mujoco.mj_inverse(model, data)
        torque[row] = needed
    return torque


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
