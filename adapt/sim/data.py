"""Simulated experience for pretraining: many arms, good and bad actions, the expert's opinion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from adapt.errors import UserError
from adapt.files import replacing
from adapt.robot.specification import RobotSpecification
from adapt.sim.arms import draw_arms
from adapt.sim.excitation import excite
from adapt.sim.expert import correct, feed_forward, within_limits
from adapt.sim.reference import ReferencePath, ReferenceSettings
from adapt.sim.simulator import COMMANDS_PER_TICK, Simulator
from adapt.stream.tick import FloatArray

BATCH = 64
"""Arms simulated at once; bounds memory, and the data do not depend on the number of threads."""
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
class Dataset:
    """Episodes of E arms, L ticks each, in the units and order of the robot file (see `Tick`).

    Attributes:
        observation: shape (E, L, O), at s_k = t_k - sampling_delay_s.
        action: shape (E, L, A), average command in force in [t_k, t_k + period).
        command: shape (E, L, C), the reference at s_k.
        expert_action: shape (E, L, A), what the expert would have sent at t_k, seeing the true state.
    """

    observation: npt.NDArray[np.float32]
    action: npt.NDArray[np.float32]
    command: npt.NDArray[np.float32]
    expert_action: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.observation)

    def save(self, path: Path) -> None:
        """Write all arrays to one .npz file, whole or not at all."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **{each.name: getattr(self, each.name) for each in fields(self)})

    @staticmethod
    def load(path: Path) -> Dataset:
        """Read what `save` wrote.

        Raises:
            UserError: the file is missing, is no data set, or lacks an array.
        """
        try:
            with np.load(path) as content:
                return Dataset(**{each.name: content[each.name] for each in fields(Dataset)})
        except FileNotFoundError:
            raise UserError(f"{path}: no such file") from None
        except (ValueError, KeyError, OSError, BadZipFile) as error:
            raise UserError(f"{path}: not a data set: {error}; generate it again") from error


def generate(
    spec: RobotSpecification,
    arms: int,
    ticks: int,
    seed: int,
    threads: int = 2,
    progress: Callable[[int], None] | None = None,
) -> Dataset:
    """Simulate `arms` different arms for `ticks` ticks each; `progress` is told how many arms are done.

    The same specification, sizes and seed give the same arrays bit for bit, whatever the threads.

    Raises:
        UserError: see `load_model` and `draw_arms`.
    """
    counts = [min(BATCH, arms - first) for first in range(0, arms, BATCH)]
    seeds = np.random.SeedSequence(seed).spawn(len(counts))
    parts = []
    for count, each in zip(counts, seeds, strict=True):
        parts.append(_generate_batch(spec, count, ticks, np.random.default_rng(each), threads))
        if progress is not None:
            progress(sum(len(part) for part in parts))
    return Dataset(
        **{each.name: np.concatenate([getattr(p, each.name) for p in parts]) for each in fields(Dataset)}
    )


def _generate_batch(
    spec: RobotSpecification, count: int, ticks: int, generator: np.random.Generator, threads: int
) -> Dataset:
    arms = draw_arms(spec, count, generator)
    simulator = Simulator(spec, arms, threads)
    tick_times = np.arange(SETTLING_TICKS + ticks, dtype=np.float64) * spec.period_s
    sampled = np.maximum(tick_times - spec.sampling_delay_s, 0.0)
    start = np.stack([_start_pose(spec, generator) for _ in range(count)])
    behaviours = generator.choice(list(BEHAVIOURS), p=list(BEHAVIOURS.values()), size=count)
    paths = [
        _path(spec, pose, tick_times[-1] + 1.0, behaviour == "excitation", generator)
        for pose, behaviour in zip(start, behaviours, strict=True)
    ]
    expert = np.stack(
        [
            feed_forward(spec, model, arms, index, path, tick_times)
            for index, (model, path) in enumerate(zip(simulator.models, paths, strict=True))
        ]
    )
    sent = np.stack(
        [
            _act(spec, str(behaviour), path, actions, generator)
            for behaviour, path, actions in zip(behaviours, paths, expert, strict=True)
        ]
    )
    motion = simulator.run(start, sent)
    observation = simulator.measure(motion, sampled, generator)
    wanted = np.stack([path.position(tick_times) for path in paths])
    arrays: dict[str, FloatArray] = {
        "observation": observation,
        "action": sent.reshape(count, len(tick_times), COMMANDS_PER_TICK, -1).mean(axis=2),
        "command": np.stack([path.position(sampled) for path in paths]),
        "expert_action": correct(spec, expert, wanted, motion.position_at(tick_times)),
    }
    kept: Any = {name: values[:, SETTLING_TICKS:].astype(np.float32) for name, values in arrays.items()}
    return Dataset(**kept)


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
