"""What a replay has shown, as a page and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adapt.evaluation import plots
from adapt.evaluation.adaptation import Learned, run_windows
from adapt.evaluation.replay_comparison import Comparison
from adapt.evaluation.report import Report
from adapt.learning.sufficiency import UPDATES_DO_NOT_SUFFICE
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray

LABELS = {
    "before": "before",
    "admitted": "after, admitted by gate",
    "latest": "after, latest (unjudged)",
    "command_plus_offset": "command plus offset",
    "hold_last": "hold last",
}
BIN_S = 2.0


def replay_data(
    specification: RobotSpecification,
    version: str,
    bags: Sequence[str],
    learned_from: Sequence[str],
    comparison: Comparison,
    learned: Learned | None,
) -> dict[str, Any]:
    """All figures of a replay, for JSON.

    Args:
        specification: the robot.
        version: of the model before.
        bags: that were measured on.
        learned_from: bags of their own that were learned from; empty where it was the start of `bags`.
        comparison: the errors.
        learned: what was learned; None where nothing should be.
    """
    data: dict[str, Any] = {
        "robot": specification.name,
        "version": version,
        "bags": list(bags),
        "learned_from": list(learned_from),
        **comparison.as_dict(),
        "learning": None,
    }
    if learned is not None:
        decisions = [
            {"stamp_ns": each.stamp_ns, "kind": each.event.kind, **each.event.detail}
            for each in learned.events
            if each.event.kind in {"candidate_made", "gate_decision", "admitted", "rejected"}
        ]
        data["versions"] = {"before": version, "admitted": learned.status["incumbent"]}
        data["learning"] = {
            "ticks": learned.ticks,
            "minutes": learned.ticks / specification.rate_hz / 60,
            "budget": learned.status["budget"],
            "refused": learned.status["refused"],
            "candidates": learned.status["candidates"],
            "incumbent": learned.status["incumbent"],
            "gate": decisions,
            "updates_do_not_suffice": next(
                (each.event.detail for each in learned.events if each.event.kind == UPDATES_DO_NOT_SUFFICE),
                None,
            ),
        }
    return data


def replay_report(
    specification: RobotSpecification,
    data: dict[str, Any],
    comparison: Comparison,
    models: dict[str, WorldModel],
) -> Report:
    """The page; `data` is that of `replay_data`, `models` are those that were compared."""
    report = Report(
        f"Replay of {_names(data['bags'])}",
        f"Robot {specification.name}, model version {data['version']},"
        f" {data['windows']} windows of {data['horizon_s']:.2f} s",
    )
    add_comparison(report, comparison)
    if data["learning"] is not None:
        add_learning(report, specification, data["learning"])
    report.heading("Forecasts")
    add_forecasts(report, specification, comparison, models)
    return report


def add_comparison(report: Report, comparison: Comparison) -> None:
    """Errors by forecaster: a table, and how they grow with the horizon and go with time."""
    errors, unit = comparison.errors, comparison.unit
    report.heading("Open-loop error")
    report.text(
        "From the past half second and the actions to come, each forecaster foretells the whole horizon at"
        " once. The error is the root mean square over windows, joints and steps, on ticks that nothing was"
        " trained on."
    )
    rows: list[list[object]] = [["total", *(each.total for each in errors.values())]]
    for entry, name in enumerate(comparison.entries):
        rows.append([name, *(float(each.by_entry[entry]) for each in errors.values())])
    report.table(
        ["", *(LABELS.get(name, name) for name in errors)],
        rows,
        f"RMS error in {unit} over all steps of the horizon.",
    )
    labelled = {LABELS.get(name, name): errors[name] for name in _distinct(comparison)}
    steps: FloatArray = np.arange(1.0, len(next(iter(errors.values())).by_step) + 1.0) * comparison.step_s
    report.figure(
        plots.lines(
            steps,
            {name: each.by_step for name, each in labelled.items()},
            "time ahead, s",
            f"RMS error, {unit}",
            markers=True,
        ),
        "Error by how far ahead is foretold.",
    )
    bins = (comparison.time_s // BIN_S).astype(np.int64)
    filled = np.unique(bins)
    middle = np.asarray((filled + 0.5) * BIN_S, dtype=np.float64)
    over_time = {
        name: np.array([np.sqrt(np.mean(each.by_window[bins == number] ** 2)) for number in filled])
        for name, each in labelled.items()
    }
    report.figure(
        plots.lines(middle, over_time, "time since the first measured tick, s", f"RMS error, {unit}"),
        f"Error over the measured time, in bins of {BIN_S:g} s.",
    )


def add_learning(report: Report, specification: RobotSpecification, learning: dict[str, Any]) -> None:
    """What the learner spent, made and was allowed."""
    report.heading("Learning")
    made, admitted = learning["candidates"], sum(each["kind"] == "admitted" for each in learning["gate"])
    report.text(
        f"The learner was fed {learning['ticks']} ticks ({learning['minutes']:.1f} minutes). It made {made}"
        f" candidate{'' if made == 1 else 's'}, of which the gate admitted {admitted}."
        f" Version {learning['incumbent']} drives at the end."
    )
    report.figure(
        plots.budget_bars(learning["budget"], specification.rate_hz),
        "The budget of real ticks by split: used in colour, left in grey.",
    )
    judgements = [each for each in learning["gate"] if each["kind"] == "gate_decision"]
    if judgements:
        report.figure(
            plots.gate_evidence(judgements),
            "Evidence of the gate after each segment: that the candidate is better (solid), that it is worse"
            " (dotted), and what it takes to decide (dashed).",
        )
    else:
        report.text("No candidate came before the gate: there were too few ticks for one, or none after it.")
    refused = learning["refused"]
    if refused:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(refused.items()))
        report.text(f"Ticks that were not learned from: {reasons}.")


def add_forecasts(
    report: Report, specification: RobotSpecification, comparison: Comparison, models: dict[str, WorldModel]
) -> None:
    """The liveliest stretch of the measured time, with what each model foretold, where that can be read."""
    if not all(model.settings.readable for model in models.values()):
        report.text("The latents of these models cannot be read as observations: there is nothing to draw.")
        return
    run = comparison.liveliest
    windows = run_windows(specification, run, specification.horizon_ticks)
    channel = specification.action.targets
    entries = slice(None) if channel is None else specification.channel_slice(channel)
    history, horizon = specification.history_ticks, specification.horizon_ticks
    start_ns = run.stamp_ns[0]
    times = (run.stamp_ns - start_ns) * 1e-9
    rows = (np.arange(len(windows)) * horizon + history)[:, None] + np.arange(1, horizon + 2)
    foretold: dict[str, tuple[FloatArray, FloatArray]] = {}
    for name in _distinct(comparison):
        if name not in models:
            continue
        with torch.no_grad():
            forecast = models[name].forecast(windows)[..., entries].double().numpy()
        # A row of NaN between two forecasts keeps them apart.
        broken = np.concatenate([forecast, np.full_like(forecast[:, :1], np.nan)], axis=1)
        at = times[np.minimum(rows, len(times) - 1)]
        foretold[LABELS.get(name, name)] = at.reshape(-1), broken.reshape(-1, broken.shape[-1])
    report.figure(
        plots.traces(comparison.entries, times, run.observation[:, entries], foretold, comparison.unit),
        f"The {times[-1]:.0f} s in which the robot moves most: what was seen, and forecasts of"
        f" {horizon * specification.period_s:.2f} s, each begun where the one before ends.",
    )


def _distinct(comparison: Comparison) -> list[str]:
    """Forecasters to draw: without those that equal one before, as where the gate has admitted nothing."""
    names: dict[float, str] = {}
    for name, error in comparison.errors.items():
        names.setdefault(error.total, name)
    return list(names.values())


def bag_name(bag: str) -> str:
    """How to call a bag; that of an incident is always called `bag`, so that its folder says more."""
    path = Path(bag).resolve()
    return path.parent.name if path.name == "bag" else path.name


def _names(bags: Sequence[str]) -> str:
    name = bag_name(bags[0])
    return name if len(bags) == 1 else f"{name} and {len(bags) - 1} more"
