"""adapt pretrain: a world model for a robot file, from simulation alone."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


def pretrain(
    robot: Annotated[str, typer.Option(help="Name or path of a robot file.")],
    out: Annotated[
        Path | None, typer.Option(help="Checkpoint to write (.safetensors); by default the one that ships.")
    ] = None,
    arms: Annotated[int | None, typer.Option(help="Simulated robots.")] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the robots, the weights and the order of the data.")] = 0,
    threads: Annotated[int, typer.Option(help="Threads for simulation and training.")] = 2,
    json_output: Annotated[bool, typer.Option("--json", help="End with one line of JSON.")] = False,
) -> None:
    """Simulate robots drawn from the robot file's ranges and train a world model on them."""
    import mujoco
    import torch

    from adapt.commands.output import finish
    from adapt.learning.rehearsal import save_windows
    from adapt.model.checkpoint import CHECKPOINT_FOLDER, save_checkpoint
    from adapt.model.settings import ModelSettings
    from adapt.robot.load import load_robot
    from adapt.sim.data import generate
    from adapt.sim.pretraining import PretrainingSettings, draw_rehearsal
    from adapt.sim.pretraining import pretrain as train

    specification = load_robot(robot)
    given = {"arms": arms, "steps": steps}
    settings = PretrainingSettings(**{key: value for key, value in given.items() if value is not None})
    path = out or CHECKPOINT_FOLDER / f"{specification.name}.safetensors"
    torch.set_num_threads(threads)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        simulating = progress.add_task("robots simulated", total=settings.arms, note="")
        dataset = generate(
            specification,
            settings.arms,
            settings.ticks,
            seed,
            threads,
            lambda done: progress.update(simulating, completed=done),
        )
        training = progress.add_task("training steps", total=settings.steps, note="")

        def report(point: dict[str, float]) -> None:
            note = f"open-loop RMSE {point['open_loop_rmse']:.4f} on unseen simulated robots"
            progress.update(training, completed=int(point["step"]), note=note)

        model, lineage = train(specification, ModelSettings(), settings, dataset, seed, report)
    digest = hashlib.sha256(dataset.observation.tobytes() + dataset.action.tobytes()).hexdigest()[:16]
    assert specification.simulation is not None
    lineage |= {
        "simulator": f"mujoco {mujoco.__version__}",
        "randomisation": specification.simulation.randomisation,
        "data_hash": digest,
    }
    card = save_checkpoint(path, model, specification, lineage=lineage)
    save_windows(
        path.with_name(f"{path.stem}.rehearsal.safetensors"),
        draw_rehearsal(specification, dataset, settings.rehearsal, seed),
    )
    result: dict[str, Any] = {"version": card.version, "path": str(path), **lineage["curve"][-1]}
    finish(result, json_output, f"version {card.version} written to {path}")
