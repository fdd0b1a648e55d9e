"""What workers do for a re-distillation: robots are driven to learn from, or to examine a student."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import load, save

from adapt.distillation.arms import arms_of, drive_arms
from adapt.distillation.motions import repeat_motions
from adapt.distillation.posterior import Posterior
from adapt.distillation.simulated_logs import given_commands
from adapt.distillation.student import Drives, roll_out
from adapt.learning.update import forecast_error
from adapt.model.checkpoint import load_checkpoint
from adapt.model.windows import Windows, cut_windows
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification
from adapt.settings import Settings
from adapt.sim.conditions import Conditions, make_conditions
from adapt.sim.experts import make_expert
from adapt.sim.mechanics import simulation_of
from adapt.stream.tick import FloatArray

EXAMINED_EVERY = 5
"""Ticks between windows on which an arm's model is examined."""


class DrivingSettings(Settings):
    """Which robots are driven, and for how long."""

    robots: int = Field(default=96, gt=0)
    """That the student drives in each round."""
    examined: int = Field(default=24, gt=0)
    """That each round's student is judged on, the same for all; it never learns from them."""
    robots_at_once: int = Field(default=12, gt=0)
    """In one job of a worker."""
    episode_s: float = Field(default=5.0, gt=0)
    """Short ones: setting off is what is hard on slippery ground, and each begins at rest."""
    examined_s: float = Field(default=10.0, gt=0)
    """Length of the episodes that students are judged on."""
    nominal_share: float = Field(default=0.2, ge=0, le=1)
    """Of the robots are those of the pretraining, so that what was known is not forgotten."""
    fallen_share: float = Field(default=0.5, ge=0, le=1)
    """Of the others are such as the student fell with in the round before, if there were any: of robots that
    it masters there is little to learn."""
    as_logged: float = Field(default=0.7, ge=0, le=1)
    """Of the episodes are under the commands of the logs, the others under those of the robot file."""
    disturbance: float = Field(default=0.05, ge=0)
    """See `roll_out`."""
    insistence: float = Field(default=1.5, ge=0)
    """See `Teacher`."""


@dataclass(frozen=True, slots=True)
class Score:
    """What came of robots that a student or the expert was examined on.

    Attributes:
        falls: how many of them fell.
        robots: how many there were.
        reward: mean over robots of that before a fall; of an arm, less the error of the model's forecasts.
        error: its standard error; 0 where it is not known.
    """

    falls: int
    robots: int
    reward: float
    error: float = 0.0

    def better_than(self, other: Score) -> bool:
        """Fewer falls, and between equals the higher reward."""
        return (-self.falls, self.reward) > (-other.falls, other.reward)

    def told_from(self, other: Score) -> bool:
        """Whether the examination tells which of the two is better."""
        return self.falls != other.falls or abs(self.reward - other.reward) > max(self.error, other.error)

    @staticmethod
    def of(drives: Drives, rewards: FloatArray) -> Score:
        """Of robots with these rewards, shape (E,) or fewer."""
        if not len(rewards):
            return Score(int(drives.has_fallen.sum()), len(drives), float("-inf"))
        error = float(rewards.std() / np.sqrt(len(rewards)))
        return Score(int(drives.has_fallen.sum()), len(drives), float(rewards.mean()), error)

    @staticmethod
    def join(parts: list[Score]) -> Score:
        """Of all robots together."""
        robots = np.array([each.robots for each in parts])
        reward = float(np.average([each.reward for each in parts], weights=robots))
        error = float(np.linalg.norm(robots * [each.error for each in parts]) / robots.sum())
        return Score(sum(each.falls for each in parts), int(robots.sum()), reward, error)


@dataclass(frozen=True)
class Drive:
    """Some robots of a posterior, driven.

    Attributes:
        spec: the robot.
        posterior: from which they are drawn.
        settings: how many, and how.
        seed: of all.
        expert: its weights, where it is a policy.
        student: the checkpoint that drives; None for the expert.
        round: which one this is for.
        examines: whether these are the robots that students are judged on.
        fallen: robots that the student fell with in the round before.
        pace: see `Teacher`.
    """

    spec: RobotSpecification
    posterior: Posterior
    settings: DrivingSettings
    seed: int
    expert: Path | None
    student: Path | None
    round: int
    examines: bool
    fallen: tuple[Conditions, ...] = ()
    pace: float = 1.0

    def __call__(self, number: int) -> bytes:
        """Part `number` of the robots: drives with labels (`pack_drives`), or a score as JSON."""
        torch.set_num_threads(1)
        generator = self._generator(number)
        student = None if self.student is None else load_checkpoint(self.student, self.spec)[0]
        if simulation_of(self.spec).actuators == "servos":
            drives = self._drive_arms(number, generator)
            score = Score(
                0, len(drives), 0.0 if student is None else -self._error(student, drives, generator)
            )
        else:
            drives = self._roll_out(number, student, generator)
            score = Score.of(drives, drives.rewards(self.spec, self.pace))
        return json.dumps(asdict(score)).encode() if self.examines else pack_drives(drives)

    def conditions(self, number: int) -> list[Conditions]:
        """The robots of part `number`, where they are not arms."""
        return self._conditions(self._count(number), self._generator(number))

    def _generator(self, number: int) -> np.random.Generator:
        # All students, and the expert, are examined on the same robots.
        key = (0, number) if self.examines else (1 + self.round, number)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def _count(self, number: int) -> int:
        total = self.settings.examined if self.examines else self.settings.robots
        return min(self.settings.robots_at_once, total - number * self.settings.robots_at_once)

    @property
    def _ticks(self) -> int:
        seconds = self.settings.examined_s if self.examines else self.settings.episode_s
        return round(seconds * self.spec.rate_hz)

    def _drive_arms(self, number: int, generator: np.random.Generator) -> Drives:
        ticks, count = self._ticks, self._count(number)
        share = 1.0 if self.posterior.covariance is None else self.settings.nominal_share
        usual = int(generator.binomial(count, share))
        numbers = [(None, usual), (self.posterior, count - usual)]
        return Drives.join(
            [drive_arms(self.spec, each, some, ticks, generator) for each, some in numbers if some]
        )

    def _roll_out(self, number: int, student: WorldModel | None, generator: np.random.Generator) -> Drives:
        spec, settings, count = self.spec, self.settings, self._count(number)
        conditions = self._conditions(count, generator)
        ticks = spec.history_ticks + self._ticks + 1 + spec.horizon_ticks
        as_logged = 1.0 if self.examines else settings.as_logged
        commands = given_commands(spec, self.posterior.commands, as_logged, count, ticks, generator)
        labelled = student is None or not self.examines
        expert = make_expert(spec, self.expert, int(generator.integers(2**31))) if labelled else None
        disturbance = 0.0 if self.examines else settings.disturbance
        insistence = settings.insistence
        return roll_out(
            spec, conditions, commands, student, expert, generator, disturbance, self.pace, insistence
        )

    def _conditions(self, count: int, generator: np.random.Generator) -> list[Conditions]:
        drawn = self.posterior.draw(self.spec, count, generator)
        if self.fallen:
            again = generator.uniform(size=count) < self.settings.fallen_share
            chosen = generator.integers(len(self.fallen), size=count)
            drawn = [self.fallen[at] if on else new for on, at, new in zip(again, chosen, drawn, strict=True)]
        as_usual = generator.uniform(size=count) < self.settings.nominal_share
        return [self._usual if each else other for each, other in zip(as_usual, drawn, strict=True)]

    def _error(self, model: WorldModel, drives: Drives, generator: np.random.Generator) -> float:
        """Of an arm's forecasts of what is judged on, RMS, in units of its usual change: in the drives, and
        where arms of the posterior repeat motions of the logs.
        """
        spec, motions = self.spec, self.posterior.motions
        parts = [
            cut_windows(seen, action, seen[:, :0], spec.history_ticks, spec.horizon_ticks, EXAMINED_EVERY)
            for seen, action in zip(drives.observation, drives.action, strict=True)
        ]
        if motions is not None:
            arms = arms_of(spec, self.posterior, len(drives), generator)
            runs = -(-sum(map(len, parts)) // len(drives))
            parts.append(repeat_motions(spec, arms, motions.for_examination(), runs, generator))
        return forecast_error(model, Windows.join(parts))

    @property
    def _usual(self) -> Conditions:
        return make_conditions(dict(simulation_of(self.spec).parameters))


@dataclass(frozen=True)
class Repeat:
    """Motions of the logs, repeated by arms of the posterior.

    Attributes:
        spec: the robot.
        posterior: one with motions.
        arms: in one part.
        runs: of each arm.
        seed: of all.
    """

    spec: RobotSpecification
    posterior: Posterior
    arms: int
    runs: int
    seed: int

    def __call__(self, number: int) -> bytes:
        """Part `number` of the windows, in the safetensors layout."""
        torch.set_num_threads(1)
        assert self.posterior.motions is not None
        generator = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(0, 0, number)))
        arms = arms_of(self.spec, self.posterior, self.arms, generator)
        motions = self.posterior.motions.for_learning()
        windows = repeat_motions(self.spec, arms, motions, self.runs, generator)
        return bytes(save({name: getattr(windows, name) for name in Windows.__slots__}))


def unpack_windows(content: bytes) -> Windows:
    """What a `Repeat` gives."""
    return Windows(**load(content))


def pack_drives(drives: Drives) -> bytes:
    """As the content of an .npz file, in single precision."""
    content = io.BytesIO()
    arrays: dict[str, Any] = {
        name: np.asarray(getattr(drives, name), dtype=None if name == "fell" else np.float32)
        for name in Drives.__slots__
        if getattr(drives, name) is not None
    }
    np.savez(content, **arrays)
    return content.getvalue()


def unpack_drives(content: bytes) -> Drives:
    """Undo `pack_drives`."""
    with np.load(io.BytesIO(content)) as arrays:
        return Drives(**{name: arrays.get(name) for name in Drives.__slots__})
