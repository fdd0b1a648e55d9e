"""What brings back a robot that falls: one method after another, from the same logs, on the same seeds."""

from __future__ import annotations

import itertools
import json
import resource
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from adapt.bags.replay import TickClock
from adapt.distillation.identification import Identification, IdentificationSettings, Progress
from adapt.distillation.logs import Logs, gather
from adapt.distillation.posterior import Posterior
from adapt.distillation.redistillation import Redistillation, RedistillationSettings
from adapt.evaluation.closed_loop import (
    START_NS,
    Controller,
    Trial,
    make_driver,
    make_reference,
    run_episodes,
    summarise,
)
from adapt.files import write_text
from adapt.learning.ledger import Ledger
from adapt.learning.recipes import recipe
from adapt.learning.update import updated
from adapt.model.checkpoint import load_checkpoint, save_checkpoint
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification
from adapt.sim.closed_loop import drive
from adapt.sim.stand_in import make_stand_in
from adapt.sim.workers import ProcessWorkers, Workers
from adapt.stream.tick import Tick

Method = Literal["none", "simdist", "broad", "identified", "expert"]
METHODS: tuple[Method, ...] = get_args(Method)
FIRST_LOGGED_SEED = 1000
"""Episodes that are measured have the seeds from 0 on: none is both learned from and measured."""
LOGGED: tuple[Method, ...] = ("simdist", "identified")
"""Which methods look at the logs."""
RE_DISTILLED: tuple[Method, ...] = ("broad", "identified")
"""Which end in a policy that acts at once, as its expert does: see docs/redistillation.md."""
PAUSE_S = 1.0
"""Of the robot's clock, between two episodes of the logs."""


@dataclass(frozen=True)
class Case:
    """A hidden robot under one command, and who has driven it so far.

    Attributes:
        specification: the robot.
        scenario: its hidden effects, by name or path.
        usual: the scenario of the pretraining, in which nothing should be forgotten.
        command: shape (C,).
        checkpoint: whose policy drove it.
        expert: weights of the expert, where it is a policy.
        minutes: of logs, of all splits of the budget together.
        seconds: length of an episode.
        seeds: episodes that each method is measured on.
        seed: of everything else that is random.
        workers: processes.
        identification: settings.
        redistillation: settings.
    """

    specification: RobotSpecification
    scenario: str
    usual: str
    command: tuple[float, ...]
    checkpoint: Path
    expert: Path | None
    minutes: float = 4.0
    seconds: float = 10.0
    seeds: int = 20
    seed: int = 0
    workers: int = 2
    identification: IdentificationSettings = field(default_factory=IdentificationSettings)
    redistillation: RedistillationSettings = field(default_factory=RedistillationSettings)

    def crew(self) -> AbstractContextManager[Workers]:
        """Whoever simulates."""
        return ProcessWorkers(self.workers)

    def trial(self, scenario: str, method: Method, checkpoint: Path | None) -> Trial:
        """An episode of it in this scenario, under what a method has made."""
        controllers: dict[Method, Controller] = {"expert": "expert", "simdist": "planner"}
        return Trial(
            self.specification.at_once() if method in RE_DISTILLED else self.specification,
            scenario,
            controllers.get(method, "policy"),
            self.seconds,
            self.command,
            checkpoint,
            expert=self.expert,
        )


def logged_ticks(case: Case) -> Iterator[Tick]:
    """The ticks of as many minutes: it is put on its feet again and again, and driven until it falls."""
    spec = case.specification
    left, first, start_ns = round(60.0 * case.minutes * spec.rate_hz), 0, START_NS
    trial = case.trial(case.scenario, "none", case.checkpoint)
    longest = spec.history_ticks + round(case.seconds * spec.rate_hz)
    for seed in itertools.count(FIRST_LOGGED_SEED + 1000 * case.seed):
        stand_in = make_stand_in(spec, case.scenario, seed, start_ns)
        path, reference = make_reference(trial, stand_in, seed)
        driver = make_driver(trial, stand_in, path, seed)
        for tick in drive(spec, stand_in, driver, reference, min(left, longest), first):
            yield tick
            left, first = left - 1, tick.index + 1
            if stand_in.fallen:
                break
        if left <= 0:
            return
        first += round(PAUSE_S * spec.rate_hz)
        start_ns = START_NS + round(first * spec.period_s * 1e9)


def read_logs(case: Case, store: Path) -> Logs:
    """The adapt split of the logs, spent on a ledger in `store`."""
    clock = TickClock(case.specification)
    ledger = Ledger(store / "ledger.sqlite", case.specification, clock, case.seed)
    try:
        return gather(case.specification, logged_ticks(case), ledger, clock)
    finally:
        ledger.close()


class WayBack:
    """All methods of one case. What is finished is kept in a folder: the same call goes on there.

    Cases of a robot may share the folder: what does not depend on the scenario is made once, and counts as
    the time of the case that came first.
    """

    def __init__(self, case: Case, folder: Path, progress: Progress = lambda what, share: None) -> None:
        """`folder` gets one of its own for the case, by the name of the scenario."""
        self._shared, self._store = folder, folder / Path(case.scenario).stem
        self._store.mkdir(parents=True, exist_ok=True)
        self._case, self._progress = case, progress

    def measure(self, method: Method) -> dict[str, Any]:
        """What a method costs and what it is worth, for JSON.

        Raises:
            UserError: see `Identification.identify` and `Redistillation`.
        """
        kept = self._store / f"{method}.json"
        if kept.is_file():
            return dict(json.loads(kept.read_bytes()))
        before = _cpu_s()
        checkpoint = self._make(method)
        cpu_minutes = (_cpu_s() - before) / 60.0
        real_minutes = self._case.minutes if method in LOGGED else 0.0
        case = self._case
        found: dict[str, Any] = {"real_minutes": real_minutes, "cpu_minutes": cpu_minutes}
        for scenario in (case.scenario, case.usual):
            episodes = run_episodes(
                case.trial(scenario, method, checkpoint),
                case.seeds,
                case.workers,
                lambda done, scenario=scenario: self._progress(  # type: ignore[misc]
                    f"{method} drives in {Path(scenario).stem}", done / case.seeds
                ),
            )
            summary = summarise(episodes)
            found = {**found, **summary} if scenario == case.scenario else {**found, "usual": summary}
        write_text(kept, json.dumps(found, indent=2) + "\n")
        return found

    def _make(self, method: Method) -> Path | None:
        """The checkpoint of a method; None of the expert."""
        case, out = self._case, self._store / f"{method}-model.safetensors"
        if method in ("none", "expert"):
            return case.checkpoint if method == "none" else None
        model, card = load_checkpoint(case.checkpoint, case.specification)
        if method == "simdist":
            logs = self._logs()
            self._progress("SimDist's recipe learns", 0.0)
            settings = recipe("simdist", len(logs.windows))
            model = updated(model, None, settings, logs.windows, case.seed)
        else:
            broad = method == "broad"
            posterior = Posterior.prior(case.specification) if broad else self._identify(self._logs())
            model = self._redistil(method, posterior, model)
        save_checkpoint(out, model, case.specification, card.version)
        return out

    def _logs(self) -> Logs:
        self._progress("logs are made", 0.0)
        return read_logs(self._case, self._store)

    def _redistil(self, method: Method, posterior: Posterior, model: WorldModel) -> WorldModel:
        case, folder = self._case, (self._shared if method == "broad" else self._store) / method
        found = Redistillation(
            case.specification,
            posterior,
            model,
            case.expert,
            case.redistillation,
            folder,
            case.crew,
            case.seed,
            lambda what, share: self._progress(f"{method}: {what}", share),
            at_once=True,
        ).run()
        write_text(folder / "rounds.json", json.dumps(found.as_dict(), indent=2) + "\n")
        return found.model

    def _identify(self, logs: Logs) -> Posterior:
        case = self._case
        identification = Identification(
            case.specification,
            logs.commands,
            case.checkpoint,
            case.identification,
            self._shared / "simulated",
            case.crew,
            case.seed,
            self._progress,
        )
        found = identification.identify(logs.pieces)
        found.save(self._store / "posterior.json", case.specification)
        return found


def _cpu_s() -> float:
    """Time of the processor that this process and those which it has seen end have taken."""
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime
