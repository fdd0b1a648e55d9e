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
from adapt.evaluation.open_loop import (
    CommandPlusOffset,
    Forecaster,
    HoldLast,
    OpenLoopError,
    open_loop_error,
)
from adapt.learning.event import Event
from adapt.learning.learner import Learner
from adapt.learning.ledger import Ledger
from adapt.learning.settings import LearnerSettings
from adapt.learning.splits import Split
from adapt.learning.update import updated
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


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Open-loop errors on the same windows.

    Attributes:
        entries: names of the observation entries that were measured, all in `unit`.
        step_s: time between two steps of the horizon, s.
        time_s: shape (B,), "now" of each window since the first, s.
        errors: by forecaster: the models by their names, then command_plus_offset and hold_last.
        runs: the ticks that were measured on.
    """

    entries: tuple[str, ...]
    unit: str
    step_s: float
    time_s: FloatArray
    errors: dict[str, OpenLoopError]
    runs: list[Run]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "unit": self.unit,
            "windows": len(self.time_s),
            "stride_ticks": STRIDE,
            "horizon_s": self.step_s * len(next(iter(self.errors.values())).by_step),
            "open_loop_rmse": {
                name: {
                    "total": error.total,
                    "joints": dict(zip(self.entries, error.by_entry.tolist(), strict=True)),
                    "steps": error.by_step.tolist(),
                }
                for name, error in self.errors.items()
            },
        }


def learn_offline(
    specification: RobotSpecification,
    model: WorldModel,
    ticks: Iterable[Tick],
    store: Path,
    rehearsal: Windows | None,
    settings: LearnerSettings | None = None,
    seed: int = 0,
    report: Report = lambda tick, events: None,
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
        learner = Learner(specification, settings, registry, ledger, model, rehearsal, seed, clock)
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


def compare(
    specification: RobotSpecification, models: dict[str, WorldModel], ticks: Iterable[Tick]
) -> Comparison:
    """Open-loop errors of models, and of two forecasts that need none, on the same ticks.

    For what is measured see `measured_entries`.

    Raises:
        UserError: the ticks hold no unbroken run as long as a window.
    """
    runs = complete_runs(ticks)
    horizon, history = specification.horizon_ticks, specification.history_ticks
    length = history + 1 + horizon
    windows = Windows.join(
        [run_windows(specification, run, STRIDE) for run in runs] or [_no_windows(specification)]
    )
    if len(windows) == 0:
        raise UserError(
            f"nothing to measure on: no unbroken run of {length} complete ticks is left"
            f" ({length / specification.rate_hz:.2f} s): learn from fewer minutes, or give a longer bag"
        )
    stamps = np.concatenate([run.stamp_ns[history : len(run.stamp_ns) - horizon : STRIDE] for run in runs])
    entries = measured_entries(specification)
    forecasters: dict[str, Forecaster] = {
        **models,
        "command_plus_offset": CommandPlusOffset(specification),
        "hold_last": HoldLast(specification),
    }
    return Comparison(
        entries=_short_names(specification.observation_names[entries]),
        unit=measured_unit(specification),
        step_s=specification.period_s,
        time_s=(stamps - stamps[0]) * 1e-9,
        errors={name: open_loop_error(each, windows, entries) for name, each in forecasters.items()},
        runs=runs,
    )


def _short_names(names: Sequence[str]) -> tuple[str, ...]:
    """Without the channel, where that leaves them apart."""
    short = tuple(name.split("/")[-1] for name in names)
    return short if len(set(short)) == len(short) else tuple(names)


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
    return [
        Run(
            np.array([tick.stamp_ns for tick in run], dtype=np.int64),
            np.stack([tick.observation for tick in run]),
            np.stack([tick.applied for tick in run]),
        )
        for run in runs
    ]


def run_windows(specification: RobotSpecification, run: Run, stride: int) -> Windows:
    """Windows of a run, without commands."""
    empty = np.empty((len(run.stamp_ns), 0))
    history, horizon = specification.history_ticks, specification.horizon_ticks
    return cut_windows(run.observation, run.applied, empty, history, horizon, stride)


def _no_windows(specification: RobotSpecification) -> Windows:
    nothing = Run(
        np.empty(0, dtype=np.int64),
        np.empty((0, specification.observation_size)),
        np.empty((0, specification.action_size)),
    )
    return run_windows(specification, nothing, 1)


def _train_on_all(learner: Learner, rehearsal: Windows | None, seed: int) -> WorldModel | None:
    """What the learner would train next: the incumbent, on all adapt segments."""
    windows = learner.buffer.windows(learner.ledger.segments(Split.ADAPT))
    if len(windows) == 0:
        return None
    incumbent = learner.registry.load(learner.incumbent)[0]
    return updated(incumbent, rehearsal, learner.settings.update, windows, seed)
