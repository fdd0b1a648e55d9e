"""Identification from logs: which of all simulators the robot file speaks of the real robot may be."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from adapt.distillation.inference import InferenceNetwork, InferenceSettings, train_inference
from adapt.distillation.pieces import PIECE_S, Float32Array, Reader
from adapt.distillation.posterior import Posterior
from adapt.distillation.simulated_logs import (
    EPISODE_S,
    EPISODES,
    ROBOTS_AT_ONCE,
    STOPPED_WITHIN_S,
    LogsJob,
    SimulatedLogs,
)
from adapt.errors import UserError
from adapt.model.checkpoint import load_card
from adapt.robot.specification import RobotSpecification
from adapt.settings import Settings
from adapt.sim.resumption import claim_folder
from adapt.sim.workers import Workers, kept_jobs
from adapt.stream.tick import FloatArray

STRANGE = 3.0
"""Of the deviation between logs of simulators like the robot: further away, something else is going on."""
FITS_NONE = 12.0
"""Further away, no simulator is like the robot at all."""
WORST = 5
"""Numbers that are named where something else is going on."""
Progress = Callable[[str, float], None]
"""Told what is done, and how much of all is over, from 0 to 1."""


class IdentificationSettings(Settings):
    """How much is simulated, and how the network is trained."""

    robots: int = Field(default=480, gt=0)
    """Simulated from the ranges of the robot file; whole jobs of so many at once."""
    disturbance: float = Field(default=0.05, ge=0)
    """Of the simulated robots' actions, so that what drives them need not be the very same."""
    least_s: float = Field(default=5.0, gt=0)
    """Of real motion; less tells nothing."""
    inference: InferenceSettings = InferenceSettings()


class Identification:
    """Whoever drove a robot under some commands: what its logs say of it. The network that reads them is
    trained once, on simulated logs of that driver, when it is first asked.
    """

    def __init__(
        self,
        spec: RobotSpecification,
        commands: tuple[tuple[float, ...], ...],
        driver: Path,
        settings: IdentificationSettings,
        folder: Path,
        workers: Callable[[], AbstractContextManager[Workers]],
        seed: int,
        progress: Progress = lambda what, share: None,
    ) -> None:
        """Prepare; nothing is simulated yet.

        Args:
            spec: the robot.
            commands: that it was given.
            driver: the checkpoint whose policy drove it, or one like it.
            settings: how much.
            folder: where simulated logs are kept: after a kill the same call goes on there.
            workers: who simulates.
            seed: of all that is random.
            progress: told what is done, and how much of all is over, from 0 to 1.
        """
        self._spec, self._commands, self._driver, self._seed = spec, commands, driver, seed
        self._settings, self._folder, self._workers, self._progress = settings, folder, workers, progress
        self._prior = Posterior.prior(spec)

    def identify(self, pieces: Float32Array) -> Posterior:
        """The posterior, and how well simulators drawn from it do what the robot did.

        Args:
            pieces: of its logs, shape (N, D, ticks); see `Reader.pieces`.

        Raises:
            UserError: the logs are too short or too still, a number in them never changes, or they fit no
                simulator; or see `posterior`.
        """
        _refuse_poor(self._spec, pieces, self._settings)
        found = self.posterior(pieces)
        diagnostics = {
            "pieces": len(pieces),
            "seconds": len(pieces) * PIECE_S,
            "inference": self._trained[1],
            **self._compared(pieces, found),
        }
        if diagnostics["distance"] > FITS_NONE:
            names = ", ".join(each["name"] for each in diagnostics["worst"])
            raise UserError(
                f"robot {self._spec.name}: these logs fit no simulator: they lie"
                f" {diagnostics['distance']:.1f} deviations from those of the best ones, most of all in"
                f" {names}: look at these, or widen 'simulation.randomisation'"
            )
        return replace(found, diagnostics=diagnostics)

    def posterior(self, pieces: Float32Array) -> Posterior:
        """What the pieces (N, D, ticks) of a robot's logs say, whatever they are worth.

        Raises:
            UserError: the folder holds what was simulated for others.
        """
        mean, covariance = self._trained[0].infer(pieces, self._settings.inference.pieces)
        return Posterior(self._prior.ranges, mean, covariance, commands=self._commands)

    @cached_property
    def _trained(self) -> tuple[InferenceNetwork, dict[str, float]]:
        """See `train_inference`."""
        origin = {
            "schema_hash": self._spec.schema_hash,
            "ranges": self._prior.ranges,
            "driver": load_card(self._driver).version,
            "commands": self._commands,
            "disturbance": self._settings.disturbance,
            "seed": self._seed,
            "episodes": [EPISODES, EPISODE_S, STOPPED_WITHIN_S],
        }
        claim_folder(self._folder, origin)
        known = self._logs(self._prior, self._settings.robots, "simulated", 0.0, 0.7)
        inference = self._settings.inference

        def report(step: int) -> None:
            self._progress("the network learns", 0.7 + 0.25 * step / inference.steps)

        return train_inference(known, inference, self._seed, report)

    def _compared(self, pieces: Float32Array, found: Posterior) -> dict[str, Any]:
        like = self._logs(found, ROBOTS_AT_ONCE, f"like-{found.name}", 0.95, 1.0)
        return compared(pieces, like, Reader(self._spec).names)

    def _logs(self, posterior: Posterior, robots: int, name: str, begin: float, end: float) -> SimulatedLogs:
        job = LogsJob(
            self._spec, posterior, self._driver, self._commands, self._seed, self._settings.disturbance
        )
        count = math.ceil(robots / ROBOTS_AT_ONCE)
        paths = [self._folder / f"{name}-{number}.npz" for number in range(count)]

        def report(done: int) -> None:
            self._progress("simulated robots are driven", begin + (end - begin) * done / count)

        parts = kept_jobs(paths, job, self._workers, report)
        return SimulatedLogs.join([SimulatedLogs.unpacked(each) for each in parts])


def compared(pieces: Float32Array, like: SimulatedLogs, names: list[str]) -> dict[str, Any]:
    """How far a robot's logs lie from those of simulators that should be like it.

    Mean and deviation of each number over a log are compared, in units of their deviation from simulator to
    simulator; `distance` is the root mean square of all, about 1 for logs of such simulators, whose largest
    is `usual`.
    """
    own = _statistics(pieces)
    others = np.stack(
        [_statistics(like.pieces[row, : int(like.counts[row])]) for row in np.flatnonzero(like.counts)]
    )
    spread = others.std(axis=0) + 1e-2 * np.abs(others).mean(axis=0) + 1e-9
    away = np.abs(own - others.mean(axis=0)) / spread
    usual = np.sqrt(np.square((others - others.mean(axis=0)) / spread).mean(axis=1)).max()
    distance = float(np.sqrt(np.square(np.minimum(away, 100.0)).mean()))
    both = [f"{part} of {name}" for part in ("mean", "deviation") for name in names]
    order = np.argsort(-away)[:WORST]
    return {
        "distance": distance,
        "usual": float(usual),
        "strange": distance > STRANGE,
        "worst": [{"name": both[place], "deviations": float(away[place])} for place in order],
    }


def _statistics(pieces: Float32Array) -> FloatArray:
    """Shape (2 D,)."""
    values = pieces.astype(np.float64).transpose(1, 0, 2).reshape(pieces.shape[1], -1)
    return np.concatenate([values.mean(axis=1), values.std(axis=1)])


def _refuse_poor(spec: RobotSpecification, pieces: Float32Array, settings: IdentificationSettings) -> None:
    seconds = len(pieces) * PIECE_S
    if seconds < settings.least_s:
        raise UserError(
            f"robot {spec.name}: the logs hold {seconds:g} s of motion, and less than {settings.least_s:g} s"
            " tell nothing: record more, or let it move more"
        )
    if not np.isfinite(pieces).all():
        raise UserError(f"robot {spec.name}: the logs hold numbers that are not finite")
    frozen = np.ptp(pieces, axis=(0, 2)) == 0.0
    names = np.array(Reader(spec).names)[frozen]
    if len(names):
        raise UserError(f"robot {spec.name}: '{names[0]}' never changes while the robot moves: is it broken?")
