"""`adapt doctor`: does the robot file fit what arrives?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapt.commands import output, ros
from adapt.errors import UserError

if TYPE_CHECKING:
    from adapt.bags.agreement import Agreement


def doctor(
    robot: output.RobotName,
    bag: Annotated[Path | None, typer.Option(help="Check against this bag.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Check against the live topics.")] = False,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long to listen to the live topics.")] = 5.0,
    msg_dir: output.MessageFolder = None,
    json: output.Json = False,
) -> None:
    """Check a robot file, and hold it against a bag or the live topics."""
    from adapt.bags.agreement import compare_with_live
    from adapt.bags.inspection import inspect_bag
    from adapt.bags.tables import print_inspection
    from adapt.robot.load import load_robot

    if live and bag is not None:
        raise UserError("options --bag and --live: give one of the two")
    specification = load_robot(robot)
    agreement: Agreement | None = None
    if bag is not None:
        inspection = inspect_bag(specification, bag, msg_dir)
        agreement = None if inspection.problems else compare_with_live(bag, specification, msg_dir)
    elif live:
        inspection = ros.live("doctor").inspect_live(specification, seconds)
    else:
        console = output.console()
        console.print(f"The robot file '{specification.name}' is valid (schema {specification.schema_hash}).")
        console.print("To hold it against data, add --bag BAG or --live.")
        output.finish({"robot": specification.name, "schema_hash": specification.schema_hash}, json)
        return
    print_inspection(inspection, output.console())
    if agreement is not None:
        differ = ", ".join(f"{part} {count}" for part, count in agreement.different.items())
        output.console().print(
            f"{agreement.same} of {agreement.ticks} ticks made live come out the same from the raw messages"
            + (f" (different: {differ})" if differ else "")
        )
    live_ticks = None if agreement is None else agreement.as_dict()
    output.finish({**inspection.as_dict(), "live_ticks": live_ticks}, json)
    if inspection.problems:
        raise typer.Exit(output.PROBLEMS)
