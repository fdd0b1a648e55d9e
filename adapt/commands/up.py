"""`adapt up`: all nodes of one robot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapt.commands import output, ros


def up(
    robot: output.RobotName,
    store: output.Store = output.DEFAULT_STORE,
    sim: Annotated[bool, typer.Option("--sim", help="Start the stand-in in place of the hardware.")] = False,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Model to begin with; by default the one that comes with the robot.")
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(help='With --sim: the set-point to follow, such as "0.5 0 0"; by default random ones.'),
    ] = None,
    scenario: Annotated[str | None, typer.Option(help="The stand-in's scenario, a name or a path.")] = None,
    simulated_time: Annotated[
        bool, typer.Option("--simulated-time", help="The stand-in's time instead of the wall's, on /clock.")
    ] = False,
    bag: Annotated[Path | None, typer.Option(help="Play this bag in place of the hardware.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Start everything, move nothing.")] = False,
    without: Annotated[list[str] | None, typer.Option(help="Leave this node out; may be repeated.")] = None,
    no_restart: Annotated[
        list[str] | None,
        typer.Option(
            "--no-restart",
            help="When this node dies, stop the robot instead of starting it again; may be repeated.",
        ),
    ] = None,
    params_file: Annotated[
        Path | None, typer.Option("--params-file", help="ROS parameter file over the defaults.")
    ] = None,
) -> None:
    """Start the robot's nodes and watch them, until Ctrl-C; the robot is brought to rest first."""
    table, run = ros.live("node_table"), ros.live("up").up
    options = table.Options(
        robot=robot,
        store=store,
        checkpoint=checkpoint,
        sim=sim,
        command=command,
        scenario=scenario,
        simulated_time=simulated_time,
        bag=bag,
        dry_run=dry_run,
        without=frozenset(without or ()),
        no_restart=frozenset(no_restart or ()),
        overrides={} if params_file is None else table.read_parameter_file(params_file),
    )
    raise typer.Exit(run(options, console=output.console()))
