"""How much better a model foretells a robot after it has learned from some of its ticks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from adapt.bags.replay import ReplayEvent, TickClock, learn
from adapt.errors import UserError
from adapt.learning.event import Event
from adapt.learning.judging import Examine
from adapt.learning.learner import Learner
from adapt.learning.ledger import Ledger
from adapt.learning.round import learned
from adapt.learning.settings import LearnerSettings
from adapt.learning.splits import Split
from adapt.model.windows import Windows, cut_windows
from adapt.model.world_model import WorldModel
from adapt.registry.registry import Registry
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray, Tick

LEDGER = "ledger.sqlite"
STRIDE = 2
"""Ticks between two measured windows."""
Report = Callable[[Tick, list[Event]], None]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """L consecutive, complete ticks: stamps (L,), observation (L, O), applied (L, A)."""

    stamp_ns: npt.NDArray[np.int64]
    observation: FloatArray
    applied: FloatArray

    def part(self, ticks: slice) -> Run:
        """Some consecutive ticks of it."""
        return Run(self.stamp_ns[ticks], self.observation[ticks], self.applied[ticks])


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What a learner made of some ticks.

    Attributes:
        pretrained: the model before.
        admitted: the version that the gate let in last; `pretrained` where it let in none.
        latest: trained on all adapt segments, whatever the gate says of it; None without any.
        ticks: that were fed.
        events: what the learner did, and when.
        status: `Learner.status` at the end.
    """

    pretrained: WorldModel
    admitted: WorldModel
    latest: WorldModel | None
    ticks: int
    events: list[ReplayEvent]
    status: dict[str, Any]

    def models(self) -> dict[str, WorldModel]:
        """The models to compare, by name."""
        models = {"before": self.pretrained, "admitted": self.admitted}
        return models if self.latest is None else {**models, "latest": self.latest}


def learn_offline(
    specification: RobotSpecification,
    model: WorldModel,
    ticks: Iterable[Tick],
    store: Path,
    rehearsal: Windows | None,
    settings: LearnerSettings | None = None,
    seed: int = 0,
    report: Report = lambda tick, events: None,
    examine: Examine | None = None,
) -> Learned:
    """Let a learner with a new store go through ticks.

    Args:
        specification: the robot.
        model: the pretrained model.
        ticks: in order.
        store: a folder without a ledger; registry and ledger are left there to be looked at.
        rehearsal: windows from simulation, None to do without.
        settings: of the learner.
        seed: of splits and batches.
        report: called after each tick.
        examine: see `Learner`.

    Raises:
        UserError: `store` has a ledger already.
    """
    if (store / LEDGER).exists():
        raise UserError(f"{store}: there is a ledger in it already: give another folder, or remove this one")
    clock = TickClock(specification)
    settings = settings or LearnerSettings()
    registry = Registry(store, specification, clock)
    ledger = Ledger(store / LEDGER, specification, clock, seed)
    try:
        learner = Learner(
            specification, settings, registry, ledger, model, rehearsal, seed, clock, examine=examine
        )
        fed = 0

        def count(tick: Tick, events: list[Event]) -> None:
            nonlocal fed
            fed += 1
            report(tick, events)

        events = learn(learner, clock, ticks, count)
        admitted = registry.load(learner.incumbent)[0]
        return Learned(
            model, admitted, _train_on_all(learner, rehearsal, seed), fed, events, learner.status()
        )
    finally:
        ledger.close()
        registry.close()


def measured_entries(specification: RobotSpecification) -> slice:
    """The entries of the channel that the action targets, or else the command; without either, all."""
    name = _measured_channel(specification)
    return slice(0, specification.observation_size) if name is None else specification.channel_slice(name)


def measured_unit(specification: RobotSpecification) -> str:
    """The unit of the measured entries."""
    name = _measured_channel(specification)
    return "mixed" if name is None else specification.channels[name].unit


def _measured_channel(specification: RobotSpecification) -> str | None:
    tracked = specification.task.command.tracks
    return specification.action.targets or (tracked if isinstance(tracked, str) else None)


def complete_runs(ticks: Iterable[Tick]) -> list[Run]:
    """Unbroken runs of ticks that are complete; the others separate them."""
    runs: list[list[Tick]] = []
    last: int | None = None
    for tick in ticks:
        if not tick.complete:
            continue
        if last is None or tick.index != last + 1:
            runs.append([])
        runs[-1].append(tick)
        last = tick.index
    return [run_of(run) for run in runs]


def run_of(ticks: Sequence[Tick]) -> Run:
    """Consecutive, complete ticks as a run."""
    return Run(
        np.array([tick.stamp_ns for tick in ticks], dtype=np.int64),
        np.stack([tick.observation for tick in ticks]),
        np.stack([tick.applied for tick in ticks]),
    )


def run_windows(specification: RobotSpecification, run: Run, stride: int) -> Windows:
    """Windows of a run, without commands."""
    empty = np.empty((len(run.stamp_ns), 0))
    history, horizon = specification.history_ticks, specification.horizon_ticks
    return cut_windows(run.observation, run.applied, empty, history, horizon, stride)


def _train_on_all(learner: Learner, rehearsal: Windows | None, seed: int) -> WorldModel | None:
    """What the learner would train next: the incumbent, on all adapt segments."""
    windows = learner.buffer.windows(learner.ledger.segments(Split.ADAPT))
    if len(windows) == 0:
        return None
    incumbent, start = learner.registry.load(learner.incumbent)[0], learner.identified
    return learned(learner.specification, learner.update, incumbent, windows, rehearsal, seed, start)
