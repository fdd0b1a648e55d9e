"""The training simulator: many different arms driven open loop through MuJoCo at once."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import mujoco.rollout
import numpy as np

from adapt.robot.specification import RobotSpecification
from adapt.sim.arms import Arms, arm_models, load_model
from adapt.stream.tick import FloatArray

COMMANDS_PER_TICK = 2
"""Commands may change this often within a tick, evenly spaced."""
MESSAGES_PER_TICK = 2


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """What E arms truly did, at every physics step, in the servos' own angles.

    Attributes:
        step_s: time between two rows, in s; row 0 is time 0.
        position: shape (E, N, A), rad.
        velocity: shape (E, N, A), rad/s.
    """

    step_s: float
    position: FloatArray
    velocity: FloatArray

    def position_at(self, times: FloatArray) -> FloatArray:
        """Positions at `times` (s; shape (T,) or (E, T)), linear between steps. Shape (E, T, A)."""
        arms, steps = self.position.shape[:2]
        at = np.broadcast_to(np.clip(times / self.step_s, 0, steps - 1.001), (arms, np.shape(times)[-1]))
        before = at.astype(np.int64)
        share = (at - before)[..., None]
        rows = np.arange(arms)[:, None]
        return self.position[rows, before] * (1 - share) + self.position[rows, before + 1] * share


class Simulator:
    """E arms of one robot, each with its own parameters."""

    def __init__(self, spec: RobotSpecification, arms: Arms, threads: int, runs: int = 1) -> None:
        """Make one MuJoCo model per arm.

        Args:
            spec: the robot.
            arms: E / runs of them.
            threads: that simulate; the motions do not depend on how many.
            runs: each arm moves so many times at once, in rows that follow each other.

        Raises:
            UserError: see `load_model`.
        """
        self.spec = spec
        self.arms = arms.repeated(runs)
        self.model = load_model(spec)
        self.models = [model for model in arm_models(self.model, arms) for _ in range(runs)]
        self.step_s = float(self.model.opt.timestep)
        self._threads = threads

    def run(self, start: FloatArray, commands: FloatArray) -> Motion:
        """Drive the arms from rest.

        Args:
            start: shape (E, A), the servos' angles at time 0, rad.
            commands: shape (E, H, A), rad; command h is sent at h * period / COMMANDS_PER_TICK.
        """
        interval_s = self.spec.period_s / COMMANDS_PER_TICK
        steps = round(commands.shape[1] * interval_s / self.step_s)
        sent = ((np.arange(steps) * self.step_s - self.arms.delay_s[:, None]) / interval_s + 1e-9) // 1
        sent = np.clip(sent.astype(np.int64), 0, commands.shape[1] - 1)
        wanted = _through_play(commands, self.arms.play)[np.arange(len(self.arms))[:, None], sent]
        set_points, rates = self._profile(start, wanted)
        offset = self.arms.calibration[:, None]
        initial = np.zeros((len(self.arms), 1 + 2 * self.spec.action_size))
        initial[:, 1 : 1 + self.spec.action_size] = start + self.arms.calibration
        states = self._roll_out(initial, set_points + self.arms.lead_s[:, None] * rates + offset)
        size = self.spec.action_size
        position = np.concatenate([start[:, None], states[:, :, 1 : 1 + size] - offset], axis=1)
        velocity = np.concatenate([np.zeros_like(start)[:, None], states[:, :, 1 + size :]], axis=1)
        return Motion(self.step_s, position, velocity)

    def _profile(self, start: FloatArray, wanted: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The servos' own set-points and their rates, shapes (E, N, A), on the way to `wanted`."""
        step = self.step_s
        reach, fastest = self.arms.profile_acceleration, self.arms.profile_velocity
        points, rates = np.empty_like(wanted), np.empty_like(wanted)
        point, rate = start, np.zeros_like(start)
        for index in range(wanted.shape[1]):
            point, rate = profile_step(point, rate, wanted[:, index], reach, fastest, step)
            points[:, index], rates[:, index] = point, rate
        return points, rates

    def _roll_out(self, initial: FloatArray, control: FloatArray) -> FloatArray:
        data = [mujoco.MjData(self.model) for _ in range(self._threads)]
        with mujoco.rollout.Rollout(nthread=self._threads) as pool:
            states, _ = pool.rollout(self.models, data, initial, control)
        return np.asarray(states)

    def measure(self, motion: Motion, ticks: FloatArray, generator: np.random.Generator) -> FloatArray:
        """What the tick assembler would see at the instants `ticks`. Shape (E, T, A).

        Each arm's sensor has its own phase, age, noise and steps; between two messages the assembler
        interpolates.
        """
        interval_s = self.spec.period_s / MESSAGES_PER_TICK
        phase = generator.uniform(0, interval_s, size=(len(self.arms), 1))
        count = int(np.ceil(ticks[-1] / interval_s)) + 2
        stamps = phase + (np.arange(count) - 1) * interval_s
        values = motion.position_at(stamps - self.arms.sensor_delay_s[:, None])
        values = _as_measured(self.spec, values, generator)
        at = (ticks - stamps[:, :1]) / interval_s
        before = at.astype(np.int64)
        share = (at - before)[..., None]
        rows = np.arange(len(self.arms))[:, None]
        return values[rows, before] * (1 - share) + values[rows, before + 1] * share


def profile_step(
    point: FloatArray,
    rate: FloatArray,
    wanted: FloatArray,
    acceleration: FloatArray,
    velocity: FloatArray,
    step_s: float,
) -> tuple[FloatArray, FloatArray]:
    """One step of a set-point of limited acceleration and speed that comes to rest at `wanted`.

    The speed aimed at is the one from which it can still brake in time, reckoned in whole steps so that
    it neither overshoots nor chatters. All arrays have one shape (rad, rad/s, rad/s^2).
    """
    gap = wanted - point
    brake = acceleration * step_s
    # v such that v * step + v^2 / (2 a) covers the gap.
    safe = np.sqrt((0.5 * brake) ** 2 + 2 * acceleration * np.abs(gap)) - 0.5 * brake
    aimed = np.sign(gap) * np.minimum(np.minimum(safe, velocity), np.abs(gap) / step_s)
    rate = np.minimum(np.maximum(aimed, rate - brake), rate + brake)  # np.clip takes twice as long
    return point + rate * step_s, rate


def _as_measured(spec: RobotSpecification, values: FloatArray, generator: np.random.Generator) -> FloatArray:
    channel = spec.channels[spec.action.targets or ""]
    noisy = values + generator.normal(size=values.shape) * channel.noise
    if channel.resolution > 0:
        noisy = np.round(noisy / channel.resolution) * channel.resolution
    return noisy


def _through_play(commands: FloatArray, width: FloatArray) -> FloatArray:
    """Commands (E, H, A) after the play operator: the output moves only when pushed by half the width."""
    moved = np.empty_like(commands)
    output = commands[:, 0]
    for index in range(commands.shape[1]):
        output = np.clip(output, commands[:, index] - width / 2, commands[:, index] + width / 2)
        moved[:, index] = output
    return moved
