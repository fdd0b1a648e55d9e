"""Faults at random for as long as one likes, on the whole stack: what breaks, leaks, or goes unexplained."""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from adapt.errors import UserError
from ros_nodes.fault_stage import Stage
from ros_nodes.faults import TRIALS, Outcome, Trial, try_fault, unasked_fallbacks
from ros_nodes.footprint import Footprint
from ros_nodes.node_table import Options
from ros_nodes.own_network import has_own_network, own_network
from ros_nodes.signals import signals_interrupt_once

MOST_STUCK = 3
LONGEST_PEACE_S = 4.0
"""Between two faults."""
SETTLE_S = 5.0
EXCEPTION = re.compile(rb"^Traceback|terminate called|Segmentation fault", re.MULTILINE)


@dataclass
class Tally:
    """What came of one kind of fault.

    Attributes:
        times: how often it struck.
        fallbacks: how often the safety node fell back.
        deaths: processes that ended.
        slowest_s: until the robot was driven again.
    """

    times: int = 0
    fallbacks: int = 0
    deaths: int = 0
    slowest_s: float = 0.0


@dataclass
class Soak:
    """What came of all of them.

    Attributes:
        minutes: how long.
        commands: that reached the robot.
        limits_broken: by kind.
        exceptions: in the nodes' logs, but for those of processes that had to end.
        unexplained: interventions of the safety node, and ends of processes, that no fault accounts for.
        by_others: interventions while other work had the processors, each with how much.
        interventions: of the safety node, by kind and reason.
        faults: by name.
        memory_mb: by how much each node grew, in its longest life.
        open_files: likewise.
    """

    minutes: float = 0.0
    commands: int = 0
    limits_broken: dict[str, int] = field(default_factory=dict)
    exceptions: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    by_others: list[str] = field(default_factory=list)
    interventions: dict[str, int] = field(default_factory=dict)
    faults: dict[str, Tally] = field(default_factory=dict)
    memory_mb: dict[str, float] = field(default_factory=dict)
    open_files: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As numbers by name."""
        return asdict(self)


def soak(options: Options, minutes: float, seed: int, progress: Callable[[float, str], None]) -> Soak:
    """Drive a stand-in and let one fault after another strike, in an order that `seed` gives.

    Raises:
        UserError: the stack does not start.
    """
    with signals_interrupt_once(), own_network(), Stage(options) as stage:
        stage.wait(SETTLE_S)
        return soak_stage(stage, minutes, seed, progress)


def soak_stage(stage: Stage, minutes: float, seed: int, progress: Callable[[float, str], None]) -> Soak:
    """See `soak`; the stack runs already."""
    generator, result, footprint = random.Random(seed), Soak(), Footprint()
    trials = [each for each in TRIALS if has_own_network() or not each.own_network]
    logs, begin_s, begin_ns = _Logs(stage), time.monotonic(), time.time_ns()
    order: list[Trial] = []
    stuck = 0
    while (gone_s := time.monotonic() - begin_s) < 60.0 * minutes:
        # Each comes once before any comes again.
        order = order or generator.sample(trials, len(trials))
        trial = order.pop()
        progress(gone_s / (60.0 * minutes), trial.name)
        try:
            _peace(stage, generator, result)
            outcome = try_fault(stage, trial)
        except UserError as error:
            # What is stuck once may still come back; three times in a row it will not.
            result.unexplained.append(f"'{trial.name}': {error}")
            stuck += 1
            if stuck == MOST_STUCK:
                break
            continue
        stuck = 0
        _count(result, trial, outcome)
        _note(stage, trial, outcome)
        result.exceptions += logs.exceptions(f"after '{trial.name}'", trial.ends)
        running = {name: process.pid for name, process in stage.stack.processes.items()}
        footprint.look({**running, "this command": os.getpid()}, time.monotonic())
    result.minutes = (time.monotonic() - begin_s) / 60.0
    result.commands = stage.witness.limits.commands
    result.limits_broken = dict(stage.witness.limits.broken)
    result.interventions = _interventions(
        [event for event in stage.witness.events if event["stamp_ns"] >= begin_ns]
    )
    for node, growth in sorted(footprint.growth().items()):
        result.memory_mb[node], result.open_files[node] = growth.memory_mb, growth.open_files
    return result


def _peace(stage: Stage, generator: random.Random, result: Soak) -> None:
    """Nothing is done to the stack, and nothing may happen to it."""
    since_ns, dead = time.time_ns(), len(stage.deaths)
    stage.wait(generator.uniform(0.5, LONGEST_PEACE_S))
    stage.until_running()
    with stage.witness.news:
        events = [each for each in stage.witness.events if each["stamp_ns"] >= since_ns]
    unasked, by_others = unasked_fallbacks(stage, events)
    result.unexplained += [f"in peace: {each}" for each in unasked]
    result.by_others += [f"in peace: {each}" for each in by_others]
    result.unexplained += [f"in peace: {death}" for death in stage.deaths[dead:]]


def _count(result: Soak, trial: Trial, outcome: Outcome) -> None:
    tally = result.faults.setdefault(trial.name, Tally())
    tally.times += 1
    tally.fallbacks += len(outcome.fallbacks)
    tally.deaths += len(outcome.deaths)
    tally.slowest_s = max(tally.slowest_s, outcome.seconds)
    result.unexplained += [f"'{trial.name}': {each}" for each in outcome.broken]
    result.by_others += [f"'{trial.name}': {each}" for each in outcome.by_others]


def _note(stage: Stage, trial: Trial, outcome: Outcome) -> None:
    """A line of the soak's own log, in the store: what struck, and what came of it."""
    said = {"stamp_ns": time.time_ns(), "fault": trial.name, **asdict(outcome)}
    with (stage.stack.options.store / "soak.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(said, default=str) + "\n")


def _interventions(events: Sequence[dict[str, Any]]) -> dict[str, int]:
    """What the safety node said that it did other than proposed, and why; those held back are counted."""
    found: Counter[str] = Counter()
    for event in events:
        detail = event["detail"]
        if event["node"] == "safety" and event["kind"] not in ("safety_dry_run", "safety_armed"):
            reason = f": {detail['reason']}" if "reason" in detail else ""
            found[f"{event['kind']}{reason}"] += 1 + int(detail.get("held_back", 0))
    return dict(sorted(found.items()))


class _Logs:
    """Reads on in the nodes' logs."""

    def __init__(self, stage: Stage) -> None:
        self._paths = [process.log for process in stage.stack.processes.values()]
        self._read = {path: path.stat().st_size for path in self._paths}

    def exceptions(self, when: str, ends: frozenset[str]) -> list[str]:
        """New ones, but for those of nodes that may end by the fault."""
        found = []
        for path in self._paths:
            with path.open("rb") as log:
                log.seek(self._read[path])
                new = log.read()
            self._read[path] += len(new)
            if path.stem not in ends and EXCEPTION.search(new):
                found.append(f"{path.stem} {when}: {new.decode(errors='replace').strip().splitlines()[-1]}")
        return found
