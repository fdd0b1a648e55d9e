"""How well the beat is kept while everything else runs: the stack on a stand-in, for minutes, under load."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from adapt.errors import UserError
from ros_nodes.busy_processes import busy_processes
from ros_nodes.node_table import Options
from ros_nodes.signals import signals_interrupt_once
from ros_nodes.up import Stack

LOOK_S = 1.0
"""Between two looks at the diagnostics, which come as often."""
SETTLE_S = 5.0
"""Left out at the beginning: the nodes that started last still load the processor."""


@dataclass(frozen=True)
class Endurance:
    """What the planner kept up, from the end of the start-up on.

    Attributes:
        seconds: how long.
        configured_hz: the robot file's rate.
        kept_hz: ticks a second.
        ticks: beats.
        missed: deadlines.
        missed_share: of all.
        planning_p50_ms: from waking to the plan.
        planning_p99_ms: likewise.
        planning_p99_share: of the period.
        samples: in the median, what the planner found time for.
        fewest_samples: the least of them.
        most_samples: what it was asked for.
        real_time_priority: of the control thread; 0 for none.
        memory_mb: the planner's peak, when the measurement began and when it ended.
        candidates: that the learner made meanwhile.
        counts: where proposals came from, and why not from a plan.
    """

    seconds: float
    configured_hz: float
    kept_hz: float
    ticks: int
    missed: int
    missed_share: float
    planning_p50_ms: float
    planning_p99_ms: float
    planning_p99_share: float
    samples: float
    fewest_samples: int
    most_samples: int
    real_time_priority: int
    memory_mb: tuple[float, float]
    candidates: int
    counts: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """As numbers by name."""
        return asdict(self)


def endure(options: Options, seconds: float, hogs: int, progress: Callable[[float], None]) -> Endurance:
    """Run the stack that `options` ask for, and `hogs` processes that take a core each.

    Raises:
        UserError: a node does not start, dies, or says nothing.
    """
    with signals_interrupt_once(), Stack(options) as stack:
        stack.start()
        stack.arm()
        with busy_processes(hogs):
            _wait(stack, SETTLE_S, lambda done: None)
            first = _said(stack)
            samples = [int(each["samples"]) for each in _wait(stack, seconds, progress)]
            last = _said(stack)
        learner = stack.diagnostics.get("learner", {})
    ticks, span_s = (_gained(first, last, read) for read in (_ticks, _span_s))
    missed = int(_gained(first, last, lambda said: float(said["missed"])))
    configured_hz = float(last["configured_hz"])
    p99_ms = float(last["planning_p99_ms"])
    return Endurance(
        seconds=span_s,
        configured_hz=configured_hz,
        kept_hz=ticks / span_s,
        ticks=round(ticks),
        missed=missed,
        missed_share=missed / (ticks + missed),
        planning_p50_ms=float(last["planning_p50_ms"]),
        planning_p99_ms=p99_ms,
        planning_p99_share=p99_ms * 1e-3 * configured_hz,
        samples=median(samples),
        fewest_samples=min(samples),
        most_samples=int(last["most_samples"]),
        real_time_priority=int(last["real_time_priority"]),
        memory_mb=(float(first["memory_peak_mb"]), float(last["memory_peak_mb"])),
        candidates=int(learner.get("candidates", 0)),
        counts={
            key.removeprefix("count/"): int(value) for key, value in last.items() if key.startswith("count/")
        },
    )


def _wait(stack: Stack, seconds: float, progress: Callable[[float], None]) -> list[dict[str, str]]:
    """Look at the planner's diagnostics until the time is over."""
    start, seen = time.monotonic(), []
    while (gone := time.monotonic() - start) < seconds:
        time.sleep(min(LOOK_S, seconds - gone))
        for death in stack.deaths():
            raise UserError(str(death))
        seen.append(_said(stack))
        progress(min(1.0, (time.monotonic() - start) / seconds))
    return seen


def _said(stack: Stack) -> dict[str, str]:
    said = stack.diagnostics.get("planner")
    if said is None or "samples" not in said:
        raise UserError("topic /diagnostics: nothing from the planner; see its log")
    return said


def _ticks(said: Mapping[str, str]) -> float:
    return float(said["ticks"])


def _span_s(said: Mapping[str, str]) -> float:
    return (_ticks(said) - 1.0) / float(said["kept_hz"])


def _gained(
    first: Mapping[str, str], last: Mapping[str, str], read: Callable[[Mapping[str, str]], float]
) -> float:
    return read(last) - read(first)
