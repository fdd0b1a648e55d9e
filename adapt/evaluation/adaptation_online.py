"""Closed loop: a learner's ticks come from a hidden robot that its own versions drive, for some minutes.

What it has learned by then is measured on other paths, beside the reference sent straight to the servos,
the pretrained model, and an oracle: the same dynamics trained at length on that very robot.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from adapt.bags.replay import TickClock
from adapt.evaluation.closed_loop import START_NS, Controller, Trial, make_reference, run_episodes
from adapt.evaluation.statistics import Estimate, mean_interval, mean_ratio
from adapt.learning.event import Event
from adapt.learning.learner import Learner
from adapt.learning.ledger import Ledger
from adapt.learning.recipes import REAL_DATA_ALONE
from adapt.learning.settings import LearnerSettings
from adapt.learning.update import UpdateSettings, updated
from adapt.model.checkpoint import load_checkpoint, save_checkpoint
from adapt.model.windows import Windows, cut_windows
from adapt.model.world_model import WorldModel
from adapt.planning.pilot import Pilot
from adapt.planning.settings import PlannerSettings
from adapt.registry.registry import Registry
from adapt.robot.specification import RobotSpecification
from adapt.sim.closed_loop import drive
from adapt.sim.scenario import load_scenario
from adapt.sim.scenario_episodes import scenario_episodes
from adapt.sim.stand_in import make_stand_in
from adapt.stream.tick import Tick

LEDGER = "ledger.sqlite"
FIRST_LEARNING_SEED = 1000
"""Episodes that are measured have the seeds from 0 on: no path is both learned from and measured."""
WORK_TICKS = 4
"""The learner gets to work once in so many ticks: five steps of training take about 0.15 s of its share."""
IDENTIFYING_TICKS = 100
"""The same while it looks for simulators like the robot: a step of that takes two or three seconds."""
ORACLE = UpdateSettings(steps=2000, batch=128, learning_rate=1e-3, **REAL_DATA_ALONE)
ORACLE_EPISODE_S = 60.0
Report = Callable[[Tick, list[Event]], None]


@dataclass(frozen=True)
class Deployment:
    """A robot, and a learner that begins with a pretrained model.

    Attributes:
        specification: the robot, an arm of servos.
        scenario: its hidden effects, by name or path.
        checkpoint: the pretrained model.
        rehearsal: windows from simulation; None for none.
        minutes: how long the learner watches.
        seed: of the path, the hidden robot's noise, the splits and the batches.
        learning: settings of the learner.
        planning: settings of the planner.
    """

    specification: RobotSpecification
    scenario: str
    checkpoint: Path
    rehearsal: Windows | None
    minutes: float = 5.0
    seed: int = 0
    learning: LearnerSettings = field(default_factory=LearnerSettings)
    planning: PlannerSettings = field(default_factory=PlannerSettings)


def learn_online(
    deployment: Deployment, store: Path, report: Report = lambda tick, events: None
) -> tuple[Path, dict[str, Any]]:
    """Drive and learn: each version that is admitted drives from the next tick on.

    The learner works while the robot moves: a training takes its time, see `WORK_TICKS`.

    Args:
        deployment: what runs.
        store: a new folder, for registry and ledger.
        report: called after each tick.

    Returns:
        the checkpoint of the version that drives at the end, and the learner's status.
    """
    specification, seed = deployment.specification, FIRST_LEARNING_SEED + deployment.seed
    clock = TickClock(specification)
    with ExitStack() as stack:
        registry = Registry(store, specification, clock)
        stack.callback(registry.close)
        ledger = Ledger(store / LEDGER, specification, clock, seed)
        stack.callback(ledger.close)
        pretrained, _ = load_checkpoint(deployment.checkpoint, specification)
        settings, rehearsal = deployment.learning, deployment.rehearsal
        learner = Learner(specification, settings, registry, ledger, pretrained, rehearsal, seed, clock)
        driving = copy.deepcopy(pretrained)
        version, rests = learner.incumbent, 0
        for tick in _drive(deployment, driving, seed):
            clock.advance(tick)
            learner.feed(replace(tick, version=version))
            rests -= 1
            report(tick, learner.work() if rests <= 0 else [])
            if rests <= 0:
                rests = IDENTIFYING_TICKS if learner.status()["identifying"] else WORK_TICKS
            if learner.incumbent != version:
                version = learner.incumbent
                driving.load_state_dict(registry.load(version)[0].state_dict())
        return registry.path(version), learner.status()


def _drive(deployment: Deployment, model: WorldModel, seed: int) -> Iterator[Tick]:
    """The ticks of one long episode that a model drives; its weights may change on the way."""
    specification = deployment.specification
    seconds = 60.0 * deployment.minutes
    stand_in = make_stand_in(specification, deployment.scenario, seed, START_NS)
    trial = Trial(specification, deployment.scenario, "planner", seconds)
    _, reference = make_reference(trial, stand_in, seed)
    pilot = Pilot(specification, model, deployment.planning, seed)
    return drive(specification, stand_in, pilot, reference, round(seconds * specification.rate_hz))


def train_oracle(
    deployment: Deployment, minutes: float, settings: UpdateSettings | None = None
) -> WorldModel:
    """The dynamics trained at length on the robot as it is once all events are over.

    Its data are as wide as those of the pretraining: the arm under an expert, under commands at random, and
    under both.

    Args:
        deployment: whose robot.
        minutes: of data.
        settings: of the update; None for all weights, on these data alone.

    Raises:
        UserError: the robot is no arm of servos.
    """
    specification = deployment.specification
    scenario = load_scenario(specification, deployment.scenario).settled()
    generator = np.random.default_rng(deployment.seed)
    count = max(1, round(60.0 * minutes / ORACLE_EPISODE_S))
    ticks = round(ORACLE_EPISODE_S * specification.rate_hz)
    episodes = zip(*scenario_episodes(specification, scenario, count, ticks, generator), strict=True)
    history, horizon = specification.history_ticks, specification.horizon_ticks
    windows = Windows.join(
        [cut_windows(seen, applied, seen[:, :0], history, horizon) for seen, applied in episodes]
    )
    model, _ = load_checkpoint(deployment.checkpoint, specification)
    return updated(model, None, settings or ORACLE, windows, deployment.seed)


@dataclass(frozen=True, slots=True)
class Online:
    """What one scenario gave.

    Attributes:
        tracking: RMSE of each episode that was measured, rad, by who drove: direct, pretrained, adapted,
            oracle; the same paths for all.
        status: of the learner, at the end.
    """

    tracking: dict[str, list[float]]
    status: dict[str, Any]

    @property
    def gap_closed(self) -> Estimate:
        """The part of the way from the pretrained model to the oracle that was gone."""
        pretrained, adapted, oracle = (self.tracking[name] for name in ("pretrained", "adapted", "oracle"))
        gained = np.subtract(pretrained, adapted).tolist()
        return mean_ratio(gained, np.subtract(pretrained, oracle).tolist())

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "tracking_rmse_rad": {
                name: mean_interval(values).as_dict() for name, values in self.tracking.items()
            },
            "gap_closed": self.gap_closed.as_dict(),
            "ticks": {split: each["used"] for split, each in self.status["budget"].items()},
            "candidates": self.status["candidates"],
            "version": self.status["incumbent"],
        }


def measure_online(
    deployment: Deployment,
    store: Path,
    oracle_minutes: float,
    episodes: int,
    seconds: float,
    workers: int,
    report: Callable[[str, float], None] = lambda what, share: None,
) -> Online:
    """Learn, train the oracle, and let all of them drive the robot as it then is, on the same paths.

    Args:
        deployment: what runs.
        store: a new folder, for registry, ledger and the oracle.
        oracle_minutes: of the oracle's data.
        episodes: of each that drives, two or more.
        seconds: length of an episode.
        workers: processes that drive.
        report: told what is done, and how far it is, from 0 to 1.
    """
    total = round(60.0 * deployment.minutes * deployment.specification.rate_hz)
    adapted, status = learn_online(
        deployment, store, lambda tick, events: report("learning", (tick.index + 1) / total)
    )
    report("training the oracle", 0.0)
    oracle = store / "oracle.safetensors"
    save_checkpoint(oracle, train_oracle(deployment, oracle_minutes), deployment.specification)
    checkpoints = {"pretrained": deployment.checkpoint, "adapted": adapted, "oracle": oracle}

    def drives(name: str, controller: Controller, checkpoint: Path | None) -> list[float]:
        trial = Trial(
            deployment.specification,
            deployment.scenario,
            controller,
            seconds,
            checkpoint=checkpoint,
            settings=deployment.planning,
            settled=True,
        )
        told = run_episodes(trial, episodes, workers, lambda done: report(f"{name} drives", done / episodes))
        return [each.tracking_rmse for each in told if each.tracking_rmse is not None]

    tracking = {"direct": drives("direct", "direct", None)}
    for name, checkpoint in checkpoints.items():
        tracking[name] = drives(name, "planner", checkpoint)
    return Online(tracking, status)
