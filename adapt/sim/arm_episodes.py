"""Episodes of simulated arms: many different ones at once, good and bad actions, the expert's opinion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from adapt.robot.specification import RobotSpecification
from adapt.sim.arms import Arms, draw_arms
from adapt.sim.data import Dataset, rewards
from adapt.sim.excitation import excite
from adapt.sim.expert import correct, feed_forward, within_limits
from adapt.sim.reference import ReferencePath, ReferenceSettings
from adapt.sim.simulator import COMMANDS_PER_TICK, Simulator
from adapt.stream.tick import FloatArray

SETTLING_TICKS = 15
"""Run before the first tick that is kept, so that delays and friction have a past."""

BEHAVIOURS = {
    "expert": 0.2,
    "disturbed_expert": 0.25,
    "reference": 0.1,
    "disturbed_reference": 0.15,
    "excitation": 0.3,
}
"""Shares of the arms that act in each way."""


@dataclass(frozen=True, slots=True, eq=False)
class Conduct:
    """What E arms are told over T ticks.

    Attributes:
        start: shape (E, A), where they begin, rad.
        paths: what each should follow.
        expert: shape (E, T, A), what the expert would do, rad.
        sent: shape (E, T * COMMANDS_PER_TICK, A), what they are told, rad.
    """

    start: FloatArray
    paths: list[ReferencePath]
    expert: FloatArray
    sent: FloatArray


ARM_EXPERT = "inverse dynamics of the simulated arm, with feedback"


def generate_arm_episodes(
    spec: RobotSpecification, count: int, ticks: int, generator: np.random.Generator, arms: Arms | None = None
) -> Dataset:
    """Simulate `count` different arms for `ticks` ticks each, in as many threads as PyTorch is told to use.

    Args:
        spec: the robot.
        count: E.
        ticks: L.
        generator: of everything random.
        arms: E of them; None to draw them from the ranges of the robot file.

    Raises:
        UserError: see `load_model` and `draw_arms`.
    """
    arms = arms or draw_arms(spec, count, generator)
    simulator = Simulator(spec, arms, torch.get_num_threads())
    # One tick more than is kept: the last action is judged by what it led to.
    tick_times = np.arange(SETTLING_TICKS + ticks + 1, dtype=np.float64) * spec.period_s
    sampled = np.maximum(tick_times - spec.sampling_delay_s, 0.0)
    conduct = draw_conduct(spec, simulator.models, arms, tick_times, generator)
    motion = simulator.run(conduct.start, conduct.sent)
    observation = simulator.measure(motion, sampled, generator)
    action = conduct.sent.reshape(count, len(tick_times), COMMANDS_PER_TICK, -1).mean(axis=2)
    command = np.stack([path.position(sampled) for path in conduct.paths])
    wanted = np.stack([path.position(tick_times) for path in conduct.paths])
    arrays: dict[str, FloatArray] = {
        "observation": observation[:, :-1],
        "action": action[:, :-1],
        "command": command[:, :-1],
        "expert_action": correct(spec, conduct.expert, wanted, motion.position_at(tick_times))[:, :-1],
        "reward": rewards(spec, observation, action, command),
    }
    kept: Any = {name: values[:, SETTLING_TICKS:].astype(np.float32) for name, values in arrays.items()}
    return Dataset(**kept)


def draw_conduct(
    spec: RobotSpecification,
    models: Sequence[Any],
    arms: Arms,
    tick_times: FloatArray,
    generator: np.random.Generator,
) -> Conduct:
    """Draw how each of the E arms behaves.

    Args:
        spec: the robot.
        models: the MuJoCo model of each arm.
        arms: their parameters, as far as the expert knows them.
        tick_times: shape (T,), s.
        generator: of everything.
    """
    start = np.stack([_start_pose(spec, generator) for _ in models])
    behaviours = generator.choice(list(BEHAVIOURS), p=list(BEHAVIOURS.values()), size=len(models))
    paths = [
        _path(spec, pose, tick_times[-1] + 1.0, behaviour == "excitation", generator)
        for pose, behaviour in zip(start, behaviours, strict=True)
    ]
    expert = feed_forward(spec, models, arms, paths, tick_times)
    sent = np.stack(
        [
            _act(spec, str(behaviour), path, actions, generator)
            for behaviour, path, actions in zip(behaviours, paths, expert, strict=True)
        ]
    )
    return Conduct(start, paths, expert, sent)


def _start_pose(spec: RobotSpecification, generator: np.random.Generator) -> FloatArray:
    low, high = np.array([each.position for each in spec.action.limits.values()]).T
    # Poses near the middle are the more common ones on a real arm.
    pose: FloatArray = low + (high - low) * generator.beta(2.0, 2.0, size=len(low))
    return pose


def _path(
    spec: RobotSpecification, start: FloatArray, duration_s: float, near: bool, generator: np.random.Generator
) -> ReferencePath:
    settings = ReferenceSettings(
        velocity=generator.uniform(0.3, 2.5),
        acceleration=generator.uniform(3.0, 20.0),
        distance=generator.uniform(0.02, 0.3) if near else generator.uniform(0.1, 1.5),
        rest=generator.uniform(0.0, 0.4),
        margin=0.0,
    )
    return ReferencePath(spec, start, duration_s, generator, settings)


def _act(
    spec: RobotSpecification,
    behaviour: str,
    path: ReferencePath,
    expert: FloatArray,
    generator: np.random.Generator,
) -> FloatArray:
    """Commands of one arm, shape (T * COMMANDS_PER_TICK, A), rad."""
    times = np.arange(len(expert) * COMMANDS_PER_TICK) * spec.period_s / COMMANDS_PER_TICK
    held = np.repeat(expert, COMMANDS_PER_TICK, axis=0)
    if behaviour == "expert":
        return held
    if behaviour == "reference":
        return within_limits(spec, path.position(times))
    stirring = excite(times, spec.action_size, generator)
    if generator.uniform() < 0.5:
        # Half of what stirs the arm is itself held for a whole tick, as a planner's actions are.
        stirring = np.repeat(stirring[::COMMANDS_PER_TICK], COMMANDS_PER_TICK, axis=0)
    if behaviour == "excitation":
        # As on the bench: around one pose, not along the path, with a smooth beginning.
        return within_limits(spec, path.position(times[:1]) + stirring * np.minimum(times, 1.0)[:, None])
    base = held if behaviour == "disturbed_expert" else path.position(times)
    return within_limits(spec, base + 0.5 * stirring * _bursts(times, generator)[:, None])


def _bursts(times: FloatArray, generator: np.random.Generator) -> FloatArray:
    """1 during bursts of about half a second, 0 between them; shape (T,)."""
    edges = np.cumsum(generator.exponential(0.6, size=int(times[-1] / 0.3) + 4))
    return (np.searchsorted(edges, times) % 2).astype(np.float64)
