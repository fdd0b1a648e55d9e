"""`adapt bench online`: how much of what there is to learn a learner learns while its versions drive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapt.commands import output
from adapt.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

    from adapt.evaluation.adaptation_online import Online


def online(
    scenario: Annotated[list[str], typer.Option(help="Hidden effects; may be repeated.")],
    robot: output.RobotName = "so101",
    minutes: Annotated[float, typer.Option(min=0.1, help="Real ticks of all splits together.")] = 5.0,
    oracle_minutes: Annotated[float, typer.Option(min=1.0, help="Data of the oracle.")] = 60.0,
    episodes: Annotated[int, typer.Option(min=2, help="Measured for each that drives.")] = 8,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of an episode.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Of the path that is learned from, splits and batches.")] = 0,
    settings: Annotated[
        Path | None, typer.Option("--learner-settings", help="YAML, keys as in LearnerSettings.")
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="World model; by default the shipped one.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that drive.")] = 2,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of versions, ledgers and oracles. [default: runs/online/ROBOT]"),
    ] = None,
    json: output.Json = False,
) -> None:
    """Tracking on a stand-in before and after minutes of learning, against an oracle, in simulated time.

    The learner's versions drive while it learns, with its ledger, gate and registry. Then the reference sent
    straight to the servos, the pretrained model, the version that was admitted last and an oracle drive other
    paths, all the same ones, under the conditions that hold once all events of the scenario are over.
    """
    from json import dumps

    import torch

    from adapt.bags.incident import free_folder
    from adapt.commands.replay import rehearsal_windows
    from adapt.evaluation.adaptation_online import Deployment, measure_online
    from adapt.files import write_text
    from adapt.learning.settings import LearnerSettings
    from adapt.model.checkpoint import load_card, shipped_checkpoint
    from adapt.robot.load import load_robot
    from adapt.settings import load_settings

    torch.set_num_threads(1)
    specification = load_robot(robot)
    checkpoint = checkpoint or shipped_checkpoint(specification)
    learning = LearnerSettings() if settings is None else load_settings(settings, LearnerSettings)
    rehearsal = rehearsal_windows(None, checkpoint, specification)
    out = out or free_folder(Path("runs/online"), specification.name)
    if taken := [name for name in scenario if (out / Path(name).stem).exists()]:
        raise UserError(f"{out / Path(taken[0]).stem}: is there already: give another folder with --out")
    results: dict[str, Online] = {}
    with output.progress() as bar:
        for name in scenario:
            task = bar.add_task(name, total=1.0, note="")
            deployment = Deployment(specification, name, checkpoint, rehearsal, minutes, seed, learning)
            results[name] = measure_online(
                deployment,
                out / Path(name).stem,
                oracle_minutes,
                episodes,
                seconds,
                workers,
                lambda what, share, task=task: bar.update(task, completed=share, note=what),  # type: ignore[misc]
            )
            # One scenario takes minutes: what is known stays, whatever becomes of the others.
            write_text(out / Path(name).stem / "online.json", dumps(results[name].as_dict(), indent=2) + "\n")
    output.console().print(_table(results))
    data = {
        "robot": specification.name,
        "version": load_card(checkpoint).version,
        "minutes": minutes,
        "oracle_minutes": oracle_minutes,
        "episodes": episodes,
        "seconds": seconds,
        "seed": seed,
        "scenarios": {name: result.as_dict() for name, result in results.items()},
    }
    output.finish(data, json, f"versions, ledgers and oracles: {out}")


def _table(results: dict[str, Online]) -> Table:
    names = list(next(iter(results.values())).tracking)
    table = output.table(
        "tracking RMSE, rad; in brackets the 95 % interval",
        "",
        *(f">{name}" for name in names),
        ">gap closed",
    )
    for scenario, result in results.items():
        found = result.as_dict()
        cells = [_interval(found["tracking_rmse_rad"][name], 4) for name in names]
        table.add_row(scenario, *cells, _interval(found["gap_closed"], 2))
    return table


def _interval(estimate: dict[str, float], digits: int) -> str:
    mean, low, high = (f"{estimate[key]:.{digits}f}" for key in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"
