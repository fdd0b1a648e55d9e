"""What real data are worth, as a page and as JSON."""

from __future__ import annotations

from typing import Any

from adapt.evaluation import plots
from adapt.evaluation.adaptation_curves import Curves
from adapt.evaluation.report import Report
from adapt.evaluation.statistics import Estimate

LABELS = {
    "none": "as pretrained",
    "hold_last": "hold last",
    "command_plus_offset": "command plus offset",
    "prior": "simulator, not randomised",
    "identified": "simulator, identified",
    "low_rank": "low rank",
    "simdist": "SimDist's recipe",
    "scratch": "from scratch",
}


def adaptation_report(curves: Curves, data: dict[str, Any]) -> Report:
    """The page.

    Args:
        curves: the errors.
        data: for JSON; it says the robot, version, seeds and folders.
    """
    version = "no pretrained model" if data["version"] is None else f"version {data['version']}"
    report = Report(f"Adaptation of {data['robot']}", f"{version}, {data['seeds']} draws of the real data")
    totals = curves.estimates(lambda error: error.total)
    learned = {LABELS.get(name, name): row for name, row in totals.items() if 0.0 not in row}
    fixed = {LABELS.get(name, name): row[0.0] for name, row in totals.items() if 0.0 in row}
    report.text(
        f"Open loop over {data['horizon_s']:g} s on {data['windows']} windows of motions in {data['test']}, "
        f"after learning from pieces of up to {data['piece_s']:g} s of those in {data['train']}. Every "
        "method trained on all of the minutes, and has the same pieces."
    )
    if learned:
        shown = {LABELS[name] for name in ("none", "prior")}
        baseline = {name: estimate for name, estimate in fixed.items() if name in shown}
        report.figure(
            plots.bands(learned, baseline, "real data, minutes", f"RMS error, {curves.unit}"),
            "RMS over windows, steps and entries; the band is the 95 % interval of the mean over the draws.",
        )
    report.heading("All figures")
    report.table(*_rows(totals), f"RMS over windows, steps and entries, {curves.unit}.")
    for ahead_s in data.get("distance_rad", data.get("distance", {})):
        rows = _rows(curves.estimates(curves.distance(float(ahead_s))))
        report.table(*rows, f"RMS distance over all entries {ahead_s} s ahead, {curves.unit}.")
    return report


def _rows(estimates: dict[str, dict[float, Estimate]]) -> tuple[list[str], list[list[object]]]:
    lengths = sorted({minutes for row in estimates.values() for minutes in row})
    columns = ["", *(f"{length:g} min" for length in lengths)]
    rows: list[list[object]] = []
    for name, row in estimates.items():
        cells = [_cell(row.get(length)) for length in lengths]
        rows.append([LABELS.get(name, name), *cells])
    return columns, rows


def _cell(estimate: Estimate | None) -> str | None:
    if estimate is None:
        return None
    mean, low, high = (f"{value:.4f}" for value in (estimate.mean, estimate.low, estimate.high))
    return mean if estimate.n == 1 else f"{mean} ({low} to {high})"
