"""`adapt demo`: the whole mission on a stand-in, over ROS 2, with a report at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapt.commands import ros


def demo(
    robot: Annotated[str, typer.Option(help="Robot file: a path, or a name in configs/robots.")] = "so101",
    store: Annotated[Path, typer.Option(help="New folder for the report and all that is recorded.")] = Path(
        "runs/demo"
    ),
    scenario: Annotated[str, typer.Option(help="Of the hidden robot, a name or a path.")] = "hard_used",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Remove what an earlier run left in the store.")
    ] = False,
) -> None:
    """Measure, adapt, break, record and replay, on an arm whose hidden hardware the model does not know."""
    import shutil

    run = ros.live("demo").demonstrate
    settings = ros.live("exercises").ExerciseSettings()
    if fresh and (store / "versions").is_dir():
        shutil.rmtree(store)
    raise typer.Exit(run(robot, store, scenario, settings))
