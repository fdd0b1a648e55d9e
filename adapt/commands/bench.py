"""`adapt bench`: measurements of the parts, each a program with a JSON result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapt.commands import output

app = typer.Typer(no_args_is_help=True, help="Measure the parts.")


@app.callback()
def _bench() -> None:
    """Measure the parts."""


@app.command("stand-in")
def stand_in(
    logs: Annotated[Path, typer.Option(help="Folder of .npz logs of the real arm.")],
    robot: output.RobotName = "so101",
    scenario: Annotated[
        list[str] | None, typer.Option(help="Scenario to judge; may be repeated. [default: ideal, real_arm]")
    ] = None,
    json: output.Json = False,
) -> None:
    """How well stand-ins follow a real arm, open loop over whole motions that no fit has seen."""
    from adapt.robot.load import load_robot
    from adapt.sim.following import compare_with_real
    from adapt.sim.logs import read_logs

    specification = load_robot(robot)
    with output.console().status("driving the stand-ins with the commands of the real arm"):
        errors = compare_with_real(
            specification, read_logs(specification, logs), scenario or ("ideal", "real_arm")
        )
    joints = specification.action.entries
    unit = specification.action.unit
    table = output.table(
        f"RMS distance from the real arm, {unit}", "scenario", ">total", *(f">{each}" for each in joints)
    )
    for name, error in errors.items():
        table.add_row(name, *(f"{value:.4f}" for value in (error.total, *error.joints)))
    output.console().print(table)
    output.finish(
        {
            "unit": unit,
            "motions": sorted(next(iter(errors.values())).motions),
            "rmse": {
                name: {
                    "total": error.total,
                    "joints": dict(zip(joints, error.joints.tolist(), strict=True)),
                    "motions": error.motions,
                }
                for name, error in errors.items()
            },
        },
        json,
    )
