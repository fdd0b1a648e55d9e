"""What the demonstration has shown, as a page and as JSON, and whether it has shown it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from adapt.evaluation import plots
from adapt.evaluation.report import Report
from adapt.evaluation.statistics import mean_interval, paired_difference
from adapt.evaluation.tracking import tracking_error, tracking_rmse
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray, Tick

LABELS = {
    "direct": "the reference sent straight to the servos",
    "pretrained": "planned with the model from simulation",
    "adapted": "planned with the model adapted on the robot",
}
"""The controllers that are compared, the worst expected first."""


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Everything that the demonstration saw.

    Attributes:
        episodes: ticks of each measured episode, by controller of `LABELS`; episode i of all
            controllers follows the same path.
        versions: the version that drove, by controller.
        adaptation: ticks while the learner learned.
        control: how the beat was kept, as in the report.
        budget: ticks used and remaining, by split.
        gate: the learner's events on candidates, in order.
        fault: what was injected and when.
        incident: path and card of the incident bag; None where there is none.
        replay: what its replay gave; None where there was none.
        scenario: the hidden robot's scenario.
    """

    episodes: Mapping[str, Sequence[Sequence[Tick]]]
    versions: Mapping[str, str]
    adaptation: Sequence[Tick]
    control: Mapping[str, Any]
    budget: Mapping[str, Mapping[str, int]]
    gate: Sequence[Mapping[str, Any]]
    fault: Mapping[str, Any]
    incident: Mapping[str, Any] | None
    replay: Mapping[str, Any] | None
    scenario: str


def demo_data(specification: RobotSpecification, result: DemoResult) -> dict[str, Any]:
    """All figures, for JSON; `problems` says what was not shown, and is empty where all was."""
    errors = {name: tracking_rmse(specification, ticks) for name, ticks in result.episodes.items()}
    unit = specification.task.command.unit
    data: dict[str, Any] = {
        "robot": specification.name,
        "scenario": result.scenario,
        "versions": dict(result.versions),
        f"tracking_rmse_{unit}": {name: mean_interval(values).as_dict() for name, values in errors.items()},
        "improvement": {
            f"{worse} - {better}": paired_difference(errors[worse], errors[better]).as_dict()
            for worse, better in pairwise(LABELS)
        },
        "episodes": errors,
        "control": dict(result.control),
        "budget": {split: dict(ticks) for split, ticks in result.budget.items()},
        "gate": [dict(event) for event in result.gate],
        "fault": dict(result.fault),
        "incident": None if result.incident is None else dict(result.incident),
        "replay": None if result.replay is None else dict(result.replay),
    }
    data["problems"] = list(_problems(errors, result))
    return data


def _problems(errors: Mapping[str, Sequence[float]], result: DemoResult) -> list[str]:
    problems = [
        f"the tracking error of '{better}' ({np.mean(errors[better]):.4f}) is not below that of "
        f"'{worse}' ({np.mean(errors[worse]):.4f})"
        for worse, better in pairwise(LABELS)
        if not np.mean(errors[better]) < np.mean(errors[worse])
    ]
    if result.versions["adapted"] == result.versions["pretrained"]:
        problems.append("the gate let no version in: what is called adapted is the pretrained model")
    if result.incident is None:
        problems.append("the fault did not become an incident bag")
    elif result.replay is None or not result.replay["same_ticks"]:
        problems.append("the replay of the incident did not give the ticks that were seen live")
    return problems


def demo_report(specification: RobotSpecification, result: DemoResult, data: Mapping[str, Any]) -> Report:
    """The page; `data` is that of `demo_data`."""
    unit = specification.task.command.unit
    report = Report(
        f"{specification.name}: measured, adapted, broken, recorded, replayed",
        f"Hidden robot: scenario '{result.scenario}'. The agent knew only the simulator's ranges.",
    )
    for problem in data["problems"]:
        report.text(f"Not shown: {problem}.")
    _add_tracking(report, specification, result, data, unit)
    _add_adaptation(report, specification, result)
    _add_control(report, result)
    _add_incident(report, specification, result, unit)
    return report


def _add_tracking(
    report: Report,
    specification: RobotSpecification,
    result: DemoResult,
    data: Mapping[str, Any],
    unit: str,
) -> None:
    report.heading("How well the arm follows")
    summary = data[f"tracking_rmse_{unit}"]
    report.table(
        ["controller", f"tracking RMSE, {unit}", "low", "high", "episodes", "version"],
        [
            [LABELS[name], each["mean"], each["low"], each["high"], each["n"], result.versions[name]]
            for name, each in summary.items()
        ],
        "Mean over episodes with its 95 % interval. All controllers followed the same paths, and nothing "
        "was learned from these episodes.",
    )
    report.figure(
        plots.estimates(
            {LABELS[name]: mean_interval(values) for name, values in data["episodes"].items()},
            f"tracking RMSE, {unit}",
        ),
        f"Tracking error in {unit}: means and 95 % intervals.",
    )
    shown = {LABELS[name]: ticks[0] for name, ticks in result.episodes.items()}
    joint = liveliest(specification, result.episodes["direct"][0])
    length = min(len(ticks) for ticks in shown.values())
    times: FloatArray = np.arange(length, dtype=np.float64) * specification.period_s
    position = {name: _column(specification, ticks[:length], joint) for name, ticks in shown.items()}
    wanted = np.array([tick.command[joint] for tick in shown[LABELS["direct"]][:length]])
    name = specification.task.command.names[joint]
    report.figure(
        plots.lines(
            times, {"the reference": wanted, **position}, "time, s", f"{name}, {unit}", from_zero=False
        ),
        f"The first measured episode, joint {name}: what was wanted, and where the joint was.",
    )


def _add_adaptation(report: Report, specification: RobotSpecification, result: DemoResult) -> None:
    report.heading("What it cost, and what was let in")
    minutes = len(result.adaptation) / specification.rate_hz / 60
    report.text(
        f"The arm moved for {minutes:.1f} minutes to learn. Each segment of two seconds was assigned to a "
        "split before it was seen: to be trained on, to judge candidates, or sealed for an audit."
    )
    report.figure(
        plots.budget_bars(result.budget, specification.rate_hz), "Real samples used and left, by split."
    )
    judgements = [event for event in result.gate if event["kind"] == "gate_decision"]
    if judgements:
        report.figure(
            plots.gate_evidence(judgements),
            "The gate: evidence for and against each candidate after each judged segment; the dashes are "
            "what it takes. The test may be looked at after every segment without spending its error rate.",
        )
    rows = [
        [event["kind"].replace("_", " "), event.get("version"), event.get("reason", "")]
        for event in result.gate
        if event["kind"] != "gate_decision"
    ]
    report.table(["event", "version", "reason"], rows, "Candidates, in order.")


def _add_control(report: Report, result: DemoResult) -> None:
    report.heading("The beat")
    control = result.control
    jitter, planning = control["jitter_ms"], control["planning_ms"]
    report.table(
        ["", "p50, ms", "p99, ms", "max, ms"],
        [
            ["jitter of the control thread", jitter["p50"], jitter["p99"], jitter["max"]],
            ["time to plan", planning["p50"], planning["p99"], planning["max"]],
        ],
        f"{control['kept_hz']:.2f} Hz kept of {control['configured_hz']:g} Hz configured, over "
        f"{control['ticks']} ticks; {control['missed']} deadlines missed, with the learner training on the "
        "same machine.",
    )


def _add_incident(report: Report, specification: RobotSpecification, result: DemoResult, unit: str) -> None:
    report.heading("The fault")
    fault = result.fault
    told = f"In mid-motion the stand-in's {fault['field']} became {fault['value']:g}. "
    if result.incident is None:
        report.text(told + "No incident was recorded.")
        return
    report.text(
        told + f"The incident was triggered by '{result.incident['trigger']}' "
        f"{result.incident['delay_s']:.1f} s later and lies in {result.incident['path']}."
    )
    if result.replay is None:
        return
    replay = result.replay
    report.table(
        ["version", f"before the fault, {unit}", f"after the fault, {unit}"],
        [
            [name, errors["before_fault"], errors["after_fault"]]
            for name, errors in replay[f"open_loop_rmse_{unit}"].items()
        ],
        f"The bag, replayed offline: open-loop error over the next "
        f"{specification.horizon_ticks * specification.period_s:.2f} s of what each version foretells. "
        f"{replay['ticks']} ticks, bit for bit those seen live: {'yes' if replay['same_ticks'] else 'no'}.",
    )


def liveliest(specification: RobotSpecification, ticks: Sequence[Tick]) -> int:
    """The command entry with the largest direct error: where there is most to see."""
    return int(np.square(tracking_error(specification, ticks)).mean(axis=0).argmax())


def _column(specification: RobotSpecification, ticks: Sequence[Tick], joint: int) -> FloatArray:
    return np.array([tick.observation[specification.command_anchor[joint]] for tick in ticks])
