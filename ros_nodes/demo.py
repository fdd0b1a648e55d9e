"""The main job, shown end to end on a stand-in: measure, adapt, fail, record, replay."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from adapt.bags.incident import IncidentCard, load_incident
from adapt.bags.replay import bag_ticks
from adapt.errors import UserError
from adapt.evaluation.demo_picture import draw_picture
from adapt.evaluation.demo_report import LABELS, DemoResult, demo_data, demo_report, liveliest
from adapt.evaluation.open_loop import open_loop_error
from adapt.evaluation.statistics import mean_interval
from adapt.model.checkpoint import load_card, load_checkpoint, shipped_checkpoint
from adapt.model.windows import Windows, cut_windows
from adapt.registry.registry import Registry
from adapt.robot.load import load_robot
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import Tick
from ros_nodes.environment import stay_on_this_machine
from ros_nodes.exercises import Exercises, ExerciseSettings
from ros_nodes.node_table import Options
from ros_nodes.operator import Operator
from ros_nodes.up import Stack

GATE_EVENTS = ("candidate_made", "gate_decision", "admitted", "rejected")
PARTS = {
    "start": "starting the nodes",
    "direct": f"measuring: {LABELS['direct']}",
    "pretrained": f"measuring: {LABELS['pretrained']}",
    "adapt": "adapting while it runs",
    "adapted": f"measuring: {LABELS['adapted']}",
    "fault": "a fault in mid-motion",
    "replay": "replaying the incident offline",
}


def demonstrate(robot: str, store: Path, scenario: str | None, settings: ExerciseSettings) -> int:
    """Run everything on this machine only, and write `report.html` and `report.json` into `store`.

    Args:
        robot: name or path of the robot file.
        store: a folder without a registry: the demonstration begins with the pretrained model.
        scenario: of the hidden robot; None for the robot file's own.
        settings: length of the parts.

    Returns:
        0; 1 where the report says that something was not shown.

    Raises:
        UserError: `store` has been used, or a node does not start or dies.
    """
    if (store / "versions").exists():
        raise UserError(f"{store}: holds versions of an earlier run: remove it, or give another --store")
    stay_on_this_machine(os.environ)
    specification = load_robot(robot)
    pretrained = load_card(shipped_checkpoint(specification)).version
    if specification.simulation is None:
        raise UserError(f"robot '{robot}': key 'simulation' is missing: the demonstration needs a stand-in")
    console = Console()
    with _progress(console) as shown:
        tasks = {name: shown.add_task(text, total=1.0, start=False) for name, text in PARTS.items()}
        report = _Parts(shown, tasks)
        report("start", 0.0)
        # The paths are given by the exercises.
        alone = frozenset({"reference"})
        # Turns would take a minute or two more, and how both versions drive is measured afterwards.
        quick = {"learner": {"closed_loop": False}}
        options = Options(robot, store, sim=True, scenario=scenario, without=alone, overrides=quick)
        with Stack(options) as stack:
            stack.start()
            operator = Operator(specification)
            try:
                result = _exercise(specification, settings, stack, operator, report, pretrained)
            finally:
                operator.close()
        report("replay", 0.0)
        incident, fault, live = result["incident"], result["fault"], result.pop("live")
        if incident is not None:
            result["replay"] = _replay(
                specification, store, incident, fault["stamp_ns"], live, result["versions"]
            )
        report("replay", 1.0)
    shown_result = DemoResult(scenario=scenario or specification.simulation.scenario or "ideal", **result)
    data = demo_data(specification, shown_result)
    page = demo_report(specification, shown_result, data).write(store, data)
    errors = {name: mean_interval(values) for name, values in data["episodes"].items()}
    joint = liveliest(specification, shown_result.episodes["direct"][0])
    draw_picture(store / "demo.svg", specification, shown_result.episodes, errors, joint)
    _say(console, specification, shown_result, data, page)
    return int(bool(data["problems"]))


class _Parts:
    """Moves the bars: a part that begins ends those before it."""

    def __init__(self, progress: Progress, tasks: Mapping[str, TaskID]):
        self._progress = progress
        self._tasks = tasks

    def __call__(self, part: str, done: float) -> None:
        for name, task in self._tasks.items():
            if name == part:
                self._progress.start_task(task)
                self._progress.update(task, completed=min(done, 1.0))
                return
            self._progress.update(task, completed=1.0)


def _exercise(
    specification: RobotSpecification,
    settings: ExerciseSettings,
    stack: Stack,
    operator: Operator,
    report: _Parts,
    pretrained: str,
) -> dict[str, Any]:
    exercises = Exercises(specification, settings, operator, report)
    exercises.settle()
    stack.arm()
    episodes, versions = {}, {}
    versions["direct"], episodes["direct"] = exercises.measure("direct", "direct", pretrained)
    versions["pretrained"], episodes["pretrained"] = exercises.measure("pretrained", "planner", pretrained)
    adaptation = exercises.adapt()
    versions["adapted"], episodes["adapted"] = exercises.measure("adapted", "planner", "")
    fault_ns, live, card = exercises.fail(stack.options.store)
    for death in stack.deaths():
        raise UserError(str(death))
    return {
        "episodes": episodes,
        "versions": versions | {"direct": "none"},
        "adaptation": adaptation,
        "control": _control(operator.diagnostics["planner"]),
        "budget": operator.budget(),
        "gate": [
            {"kind": event["kind"], "stamp_ns": event["stamp_ns"], **event["detail"]}
            for event in operator.events
            if event["kind"] in GATE_EVENTS
        ],
        "fault": {"field": settings.fault_field, "value": settings.fault_value, "stamp_ns": fault_ns},
        "incident": None if card is None else _incident(stack.options.store, card, fault_ns),
        "live": live,
        "replay": None,
    }


def _control(said: Mapping[str, str]) -> dict[str, Any]:
    """The planner's last diagnostics as figures."""
    spread = {
        f"{name}_ms": {key: float(said[f"{name}_{key}_ms"]) for key in ("p50", "p99", "max")}
        for name in ("jitter", "planning")
    }
    counts = {name: round(float(said[name])) for name in ("ticks", "missed")}
    rates = {name: float(said[name]) for name in ("configured_hz", "kept_hz")}
    return {**rates, **counts, **spread}


def _incident(store: Path, card: IncidentCard, fault_ns: int) -> dict[str, Any]:
    first = next(trigger for trigger in card.triggers if trigger.stamp_ns > fault_ns)
    return {
        "id": card.id,
        "path": str(load_incident(store, card.id).bag),
        "trigger": first.kind,
        "delay_s": (first.stamp_ns - fault_ns) * 1e-9,
    }


def _replay(
    specification: RobotSpecification,
    store: Path,
    incident: Mapping[str, Any],
    fault_ns: int,
    live: Sequence[Tick],
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """What the bag tells offline: the ticks again, and what each version foretells of them."""
    ticks = list(bag_ticks(load_incident(store, incident["id"]).bag, specification))
    seen = {tick.index: tick for tick in live}
    both = [tick for tick in ticks if tick.index in seen]
    registry = Registry(store, specification, lambda: 0)
    errors = {}
    for name in ("pretrained", "adapted"):
        model = (
            load_checkpoint(shipped_checkpoint(specification), specification)[0]
            if name == "pretrained"
            else registry.load(versions[name])[0]
        )
        parts = {
            "before_fault": [tick for tick in ticks if tick.stamp_ns < fault_ns],
            "after_fault": [tick for tick in ticks if tick.stamp_ns >= fault_ns],
        }
        errors[name] = {
            part: open_loop_error(model, _windows(specification, some)).total for part, some in parts.items()
        }
    registry.close()
    return {
        "ticks": len(ticks),
        "same_ticks": bool(both) and all(_same(tick, seen[tick.index]) for tick in both),
        f"open_loop_rmse_{specification.task.command.unit}": errors,
    }


def _windows(specification: RobotSpecification, ticks: Sequence[Tick]) -> Windows:
    """All windows of complete ticks, none across a gap."""
    windows, run = [], list[Tick]()
    for tick in [*ticks, None]:
        if tick is not None and tick.complete and (not run or tick.index == run[-1].index + 1):
            run.append(tick)
            continue
        if run:
            names = ("observation", "applied", "command")
            columns = [np.stack([getattr(each, name) for each in run]) for name in names]
            windows.append(cut_windows(*columns, specification.history_ticks, specification.horizon_ticks))
        run = [] if tick is None or not tick.complete else [tick]
    return Windows.join(windows)


def _same(first: Tick, second: Tick) -> bool:
    return all(
        np.array_equal(getattr(first, name), getattr(second, name), equal_nan=True)
        for name in ("observation", "valid", "command", "proposed", "applied")
    ) and (first.stamp_ns, first.version) == (second.stamp_ns, second.version)


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console)


def _say(
    console: Console,
    specification: RobotSpecification,
    result: DemoResult,
    data: Mapping[str, Any],
    page: Path,
) -> None:
    unit = specification.task.command.unit
    for name, ticks in result.episodes.items():
        figure = data[f"tracking_rmse_{unit}"][name]
        interval = f"{figure['low']:.4f} to {figure['high']:.4f}"
        console.print(f"{figure['mean']:.4f} {unit} ({interval}, {len(ticks)} episodes): {LABELS[name]}")
    for problem in data["problems"]:
        console.print(f"not shown: {problem}", style="red")
    console.print(f"report: {page}")
