"""Logs of simulated robots, each from simulators of its own: what an inference network learns from."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapt.distillation.pieces import Float32Array, Reader
from adapt.distillation.posterior import Posterior
from adapt.distillation.student import roll_out
from adapt.model.checkpoint import load_checkpoint
from adapt.robot.specification import RobotSpecification
from adapt.sim.commands import draw_commands
from adapt.stream.tick import FloatArray

ROBOTS_AT_ONCE = 24
EPISODES = 2
"""Of each robot."""
EPISODE_S = 10.0
"""Driven so long a robot comes to stand otherwise on a slope than when it began; logs hold that too."""
STOPPED_WITHIN_S = 1.0
"""After a fall; so long it goes on, and logs hold what of that does not look like lying."""
AS_LOGGED = 0.7
"""Share of the episodes under the commands of the logs; the others under those of the robot file."""


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedLogs:
    """Of R robots.

    Attributes:
        shares: shape (R, P), their parameters, in shares of the ranges.
        pieces: shape (R, N, D, ticks); zero where a robot has not so many.
        counts: shape (R,), how many pieces are known.
        driven_s: shape (R,), for how long an episode was driven until a fall, in the mean.
    """

    shares: FloatArray
    pieces: Float32Array
    counts: FloatArray
    driven_s: FloatArray

    def __len__(self) -> int:
        return len(self.shares)

    @staticmethod
    def join(parts: list[SimulatedLogs]) -> SimulatedLogs:
        """All robots of `parts`, in order."""
        most = max(part.pieces.shape[1] for part in parts)
        padded = [
            np.pad(part.pieces, ((0, 0), (0, most - part.pieces.shape[1]), (0, 0), (0, 0))) for part in parts
        ]
        return SimulatedLogs(
            np.concatenate([part.shares for part in parts]),
            np.concatenate(padded),
            np.concatenate([part.counts for part in parts]),
            np.concatenate([part.driven_s for part in parts]),
        )

    def packed(self) -> bytes:
        """As the content of an .npz file."""
        content = io.BytesIO()
        np.savez(content, shares=self.shares, pieces=self.pieces, counts=self.counts, driven_s=self.driven_s)
        return content.getvalue()

    @staticmethod
    def unpacked(content: bytes) -> SimulatedLogs:
        """Undo `packed`."""
        with np.load(io.BytesIO(content)) as arrays:
            return SimulatedLogs(**{name: arrays[name] for name in arrays.files})


@dataclass(frozen=True)
class LogsJob:
    """Simulates robots of one posterior (or of the prior) under one driver, so many at once.

    Attributes:
        spec: the robot.
        posterior: from which they are drawn.
        driver: the checkpoint whose policy drives.
        commands: of the logs; each episode has one of them.
        seed: of all.
        disturbance: see `roll_out`.
    """

    spec: RobotSpecification
    posterior: Posterior
    driver: Path
    commands: tuple[tuple[float, ...], ...]
    seed: int
    disturbance: float = 0.0

    def __call__(self, number: int) -> bytes:
        """Robots `number * ROBOTS_AT_ONCE` to the next multiple; see `SimulatedLogs.packed`."""
        import torch

        torch.set_num_threads(1)
        spec = self.spec
        generator = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(number,)))
        shares = self.posterior.shares(ROBOTS_AT_ONCE, generator)
        repeated = [each for each in self.posterior.robots(spec, shares) for _ in range(EPISODES)]
        driver, _ = load_checkpoint(self.driver, spec)
        waiting = spec.history_ticks
        ticks = waiting + round(EPISODE_S * spec.rate_hz) + 1 + spec.horizon_ticks
        commands = given_commands(spec, self.commands, AS_LOGGED, len(repeated), ticks, generator)
        drives = roll_out(spec, repeated, commands, driver, None, generator, self.disturbance)
        reader = Reader(spec)
        # Segments of a ledger begin anywhere in a step: were all of these to begin in one place, the network
        # would take another one for another robot.
        begins = waiting + generator.integers(reader.ticks, size=len(repeated))
        ends = drives.fell + generator.integers(round(STOPPED_WITHIN_S * spec.rate_hz), size=len(repeated))
        runs = [
            [
                (drives.observation[row, begin:end], drives.action[row, begin:end])
                for row in range(EPISODES * robot, EPISODES * (robot + 1))
                for begin, end in [(begins[row], ends[row])]
            ]
            for robot in range(ROBOTS_AT_ONCE)
        ]
        pieces = [reader.pieces(each) for each in runs]
        most = max(1, *(len(each) for each in pieces))
        padded = [np.pad(each, ((0, most - len(each)), (0, 0), (0, 0))) for each in pieces]
        driven = (drives.fell - waiting).reshape(ROBOTS_AT_ONCE, EPISODES).mean(axis=1) * spec.period_s
        counts = np.array([len(each) for each in pieces])
        return SimulatedLogs(shares, np.stack(padded), counts, driven).packed()


def given_commands(
    spec: RobotSpecification,
    logged: tuple[tuple[float, ...], ...],
    as_logged: float,
    count: int,
    ticks: int,
    generator: np.random.Generator,
) -> FloatArray:
    """Commands of `count` episodes, shape (count, ticks, C): one of the logged ones throughout, in a share
    `as_logged` of the episodes, or as the robot file draws them.
    """
    commands = draw_commands(spec, count, ticks, generator)
    if logged:
        chosen = np.array(logged)[generator.integers(len(logged), size=count)]
        as_before = generator.uniform(size=count) < as_logged
        commands[as_before] = chosen[as_before, None]
    return commands
