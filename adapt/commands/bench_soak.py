"""`adapt bench soak`: faults at random on the whole stack, and what came of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapt.commands import output, ros


def soak(
    robot: output.RobotName = "so101",
    minutes: Annotated[float, typer.Option(min=0.2, help="How long.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Of the order of the faults.")] = 0,
    store: Annotated[
        Path | None,
        typer.Option(help="Folder for what the nodes write, logs too. [default: a temporary one]"),
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="World model; by default the shipped one.")] = None,
    json: output.Json = False,
) -> None:
    """Kill, freeze, starve and deceive the nodes that drive a stand-in, one fault after another.

    The exit code is 1 where a limit was broken, a node raised, or something happened that no fault explains.
    """
    import os
    from tempfile import TemporaryDirectory

    node_table = ros.live("node_table")
    ros.live("environment").stay_on_this_machine(os.environ)
    with TemporaryDirectory() as temporary, output.progress() as bar:
        options = node_table.Options(robot, store or Path(temporary), checkpoint=checkpoint, sim=True)
        task = bar.add_task("driving", total=1.0, note="")
        found = ros.live("soak").soak(
            options, minutes, seed, lambda done, fault: bar.update(task, completed=done, note=fault)
        )
    console = output.console()
    faults = output.table(
        f"{found.minutes:.1f} minutes", "fault", ">times", ">fallbacks", ">ends", ">driven again after, s"
    )
    for name, tally in sorted(found.faults.items()):
        row = (tally.times, tally.fallbacks, tally.deaths, f"{tally.slowest_s:.1f}")
        faults.add_row(name, *(str(each) for each in row))
    console.print(faults)
    nodes = output.table("growth of each node's longest life", "node", ">memory, MB", ">open files")
    for name, memory in found.memory_mb.items():
        nodes.add_row(name, f"{memory:+.1f}", f"{found.open_files[name]:+.0f}")
    console.print(nodes)
    interventions = output.table("what the safety node did", "", ">times")
    for name, times in found.interventions.items():
        interventions.add_row(name, str(times))
    console.print(interventions)
    broken = sum(found.limits_broken.values())
    for line in found.by_others:
        console.print(line, style="yellow", markup=False, soft_wrap=True)
    for line in (*found.exceptions, *found.unexplained):
        console.print(line, style="red", markup=False, soft_wrap=True)
    output.finish(
        {"robot": robot, "seed": seed, **found.as_dict()},
        json,
        f"{found.commands} commands, {broken} limits broken, {len(found.exceptions)} exceptions,"
        f" {len(found.by_others)} nodes late while other work had the processors,"
        f" {len(found.unexplained)} things unexplained",
    )
    if broken or found.exceptions or found.unexplained:
        raise typer.Exit(output.PROBLEMS)
