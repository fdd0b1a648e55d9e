"""`adapt bench deadlines`: how well the planner keeps its beat while everything else runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapt.commands import output, ros

REAL_TIME = ("planner", "safety")


def deadlines(
    robot: output.RobotName = "so101",
    minutes: Annotated[float, typer.Option(min=0.1, help="How long.")] = 10.0,
    hogs: Annotated[int, typer.Option(min=0, help="Processes beside it that take a core each.")] = 0,
    real_time: Annotated[
        bool, typer.Option(help="Real-time priority for safety node and planner, where the user may have it.")
    ] = True,
    scenario: Annotated[str | None, typer.Option(help="Of the stand-in. [default: the robot file's]")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="World model; by default the shipped one.")] = None,
    command: Annotated[str | None, typer.Option(help='Set-point, such as "0.5 0 0".')] = None,
    json: output.Json = False,
) -> None:
    """The whole stack on a stand-in over ROS 2, the learner on: rate, missed deadlines, planning time."""
    import os
    from tempfile import TemporaryDirectory

    node_table, endurance = ros.live("node_table"), ros.live("endurance")
    ros.live("environment").stay_on_this_machine(os.environ)
    with TemporaryDirectory() as store, output.progress() as bar:
        options = node_table.Options(
            robot,
            Path(store),
            checkpoint=checkpoint,
            sim=True,
            command=command,
            scenario=scenario,
            overrides={} if real_time else {name: {"real_time_priority": 0} for name in REAL_TIME},
        )
        task = bar.add_task("driving", total=1.0, note="")
        kept = endurance.endure(options, minutes * 60.0, hogs, lambda done: bar.update(task, completed=done))
    title = f"{robot}, {minutes:g} minutes, {hogs} cores taken by others"
    table = output.table(title, "", ">kept", ">wanted")
    table.add_row("rate, Hz", f"{kept.kept_hz:.3f}", f"{kept.configured_hz:g}")
    table.add_row("deadlines missed", f"{kept.missed} of {kept.ticks} ({kept.missed_share:.2%})", "0.10%")
    p99 = f"{kept.planning_p99_ms:.1f} ({kept.planning_p99_share:.0%} of the period)"
    table.add_row("planning, p99, ms", p99, "60%")
    table.add_row("planning, median, ms", f"{kept.planning_p50_ms:.1f}", "")
    table.add_row(
        "samples, median and least", f"{kept.samples:g}, {kept.fewest_samples}", str(kept.most_samples)
    )
    table.add_row("real-time priority", str(kept.real_time_priority), "")
    table.add_row("peak memory, MB", " to ".join(f"{each:.0f}" for each in kept.memory_mb), "")
    table.add_row("candidates of the learner", str(kept.candidates), "")
    output.console().print(table)
    output.finish({"robot": robot, "hogs": hogs, **kept.as_dict()}, json)
