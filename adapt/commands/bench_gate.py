"""`adapt bench gate`: how often the gate is wrong, by simulation."""

from __future__ import annotations

from typing import Annotated

import typer

from adapt.commands import output

TRUTHS = {
    "no_difference": "forecast and drive as well as the incumbent",
    "drives_worse": "forecast better, drive worse by the margin",
    "better": "forecast and drive better by one standard deviation",
}
MEDIANS = ("median_segments", "median_pairs")


def gate(
    runs: Annotated[int, typer.Option(min=1, help="Simulated deployments of each kind.")] = 1000,
    candidates: Annotated[int, typer.Option(min=1, help="Of each deployment that should admit none.")] = 5,
    forecast_scatter: Annotated[
        float, typer.Option(min=1e-6, help="Deviation of the log ratio of forecast errors, of one segment.")
    ] = 0.1,
    driving_scatter: Annotated[
        float, typer.Option(min=1e-6, help="Deviation of the log ratio of task errors, of one pair of turns.")
    ] = 0.17,
    seed: Annotated[int, typer.Option(help="Of the simulation.")] = 0,
    json: output.Json = False,
) -> None:
    """False and true admissions, where the gate looks after every segment and every pair of turns."""
    from functools import partial

    from adapt.evaluation.gate_simulation import simulate, summary, truths
    from adapt.learning.gate import GateSettings

    settings, results = GateSettings(), {}
    with output.progress() as bar:
        for name, truth in truths(settings, forecast_scatter, driving_scatter).items():
            task = bar.add_task(TRUTHS[name], total=runs, note="")
            count = 1 if name == "better" else candidates
            step = partial(bar.advance, task)
            results[name] = simulate(settings, truth, runs, count, seed, step)
    table = output.table(
        f"{runs} deployments of each kind, error rate {settings.error_rate:.0%}",
        "candidates that",
        ">in each",
        ">admitted any",
        ">95 % interval",
        ">segments",
        ">pairs",
    )
    for name, result in results.items():
        interval = f"{result['admitted_low']:.1%} to {result['admitted_high']:.1%}"
        medians = [
            "" if result[key] is None else f"{result[key]:g}" for key in ("median_segments", "median_pairs")
        ]
        count = 1 if name == "better" else candidates
        table.add_row(TRUTHS[name], str(count), f"{result['admitted']:.1%}", interval, *medians)
    console, figures = output.console(), summary(results)
    console.print(table)
    console.print(
        f"false admissions {figures['false_admissions']:.1%}; of those better "
        f"{figures['admitted_within_40']:.1%} were let in within 40 segments and 40 pairs"
    )
    output.finish({**figures, "candidates": candidates, "error_rate": settings.error_rate, **results}, json)
