"""`adapt bench recorder`: does the recorder keep up with a busy robot?"""

from __future__ import annotations

from typing import Annotated

import typer

from adapt.commands import output, ros


def recorder(
    robot: output.RobotName = "so101",
    rate: Annotated[float, typer.Option(min=1, help="Messages a second.")] = 2500.0,
    seconds: Annotated[float, typer.Option(min=2, help="How long.")] = 75.0,
    json: output.Json = False,
) -> None:
    """A recorder as a process of its own over DDS; after four fifths its whole ring is written meanwhile."""
    import os

    load = ros.live("recorder_load")
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    with output.console().status(f"sending for {seconds:g} s"):
        found = load.burden(robot, rate, seconds)
    table = output.table(f"{rate:g} messages a second for {seconds:g} s", "", ">found", ">wanted")
    table.add_row("sent", str(found.sent), "")
    table.add_row("recorded", str(found.recorded), str(found.sent))
    table.add_row("in the incident", str(found.incident), str(found.incident_due))
    table.add_row("dropped from memory", str(found.dropped), "0")
    table.add_row("part of one core", f"{found.cpu_fraction:.0%}", "30%")
    output.console().print(table)
    output.finish({"robot": robot, "rate_hz": rate, "seconds": seconds, **found.as_dict()}, json)
    if found.recorded < found.sent or found.incident < found.incident_due:
        raise typer.Exit(output.PROBLEMS)
