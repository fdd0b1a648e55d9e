"""`adapt bench identification`: whether the intervals that it states hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapt.commands import output
from adapt.commands.bench_way_back import COMMAND
from adapt.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table


def identification(
    robot: output.RobotName,
    robots: Annotated[int, typer.Option(min=1, help="Drawn at random from the robot file's ranges.")] = 20,
    minutes: Annotated[float, typer.Option(min=0.1, help="Of logs of each.")] = 2.0,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Whose policy drives; by default the shipped one.")
    ] = None,
    command: Annotated[str, typer.Option(help="What is commanded.")] = COMMAND,
    seed: Annotated[int, typer.Option(help="Of robots, splits, simulated robots and training.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that simulate.")] = 2,
    out: Annotated[
        Path | None, typer.Option(help="Folder; the same one again goes on. [default: runs/adaptation/ROBOT]")
    ] = None,
    json: output.Json = False,
) -> None:
    """Robots drawn at random are driven as stand-ins, and identified from the adapt split of their logs.

    How often does the middle 90 % of what is found hold the truth, and of how many robots can a parameter be
    told?
    """
    import torch

    from adapt.evaluation.identification_coverage import measure_coverage
    from adapt.evaluation.way_back import Case
    from adapt.model.checkpoint import load_card, shipped_checkpoint
    from adapt.robot.load import load_robot

    torch.set_num_threads(1)
    specification = load_robot(robot)
    if specification.can_be_identified:
        raise UserError(f"robot {specification.name}: is an arm of servos, of which this is not measured")
    checkpoint = checkpoint or shipped_checkpoint(specification)
    case = Case(
        specification,
        "",
        "",
        output.numbers(command),
        checkpoint,
        None,
        minutes,
        seed=seed,
        workers=workers,
    )
    folder = (out or Path("runs/adaptation") / specification.name) / "robots"
    with output.progress() as bar:
        task = bar.add_task("", total=1.0, note="")
        found = measure_coverage(
            case, robots, folder, lambda what, share: bar.update(task, description=what, completed=share)
        )
    output.console().print(_table(found))
    version = load_card(checkpoint).version
    output.finish({"robot": specification.name, "version": version, "seed": seed, **found}, json)


def _table(found: dict[str, Any]) -> Table:
    table = output.table(
        f"{found['robots']} robots, {found['minutes']:g} minutes each, middle 90 %",
        "parameter",
        ">holds the truth",
        ">told",
    )
    for name, each in found["parameters"].items():
        table.add_row(name, f"{each['covered']} of {found['robots']}", f"{each['told']} of {found['robots']}")
    return table
