"""`adapt redistil`: bring a model back by teaching it again, in simulators like the robot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapt.commands import output
from adapt.commands.pretrain import RayAddress, WorkerCount, crew

if TYPE_CHECKING:
    from rich.table import Table

    from adapt.distillation.redistillation import Redistilled

MODEL = "model.safetensors"


def redistil(
    robot: output.RobotName,
    posterior: Annotated[
        Path | None,
        typer.Option(help="What 'adapt identify' found. [default: the robot file's ranges]"),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="The student as it is now; by default the shipped one.")
    ] = None,
    expert: Annotated[
        Path | None, typer.Option(help="Weights (.npz) of the expert, where the robot file's is a policy.")
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="YAML, keys as in RedistillationSettings.")] = None,
    at_once: Annotated[
        bool,
        typer.Option(
            "--at-once", help="Of a policy that acts in the tick in which it plans, not a dead time later."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Of simulated robots and training.")] = 0,
    workers: WorkerCount = None,
    ray: RayAddress = None,
    threads: Annotated[int | None, typer.Option(help="For training. [default: one per core]", min=1)] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder; the same one again goes on. [default: runs/redistil/ROBOT]"),
    ] = None,
    json: output.Json = False,
) -> None:
    """Let the student drive simulators like the robot, and learn what the expert would have done there.

    Dynamics and policy learn; encoders, reward and value stay. The best round counts, on simulators that none
    learned from. Killed at any instant, the same command goes on where it was.
    """
    import torch

    from adapt.commands.dependents import note_dependent
    from adapt.distillation.posterior import Posterior, load_posterior
    from adapt.distillation.redistillation import Redistillation, RedistillationSettings
    from adapt.learning.rehearsal import beside, load_windows, save_windows
    from adapt.model.checkpoint import load_checkpoint, save_checkpoint, shipped_checkpoint
    from adapt.robot.load import load_robot
    from adapt.settings import load_settings

    specification = load_robot(robot)
    torch.set_num_threads(threads or os.cpu_count() or 1)
    chosen = RedistillationSettings() if settings is None else load_settings(settings, RedistillationSettings)
    checkpoint = checkpoint or shipped_checkpoint(specification)
    model, card = load_checkpoint(checkpoint, specification)
    kept = beside(checkpoint)  # what the student must not forget, its successors must not either
    rehearsal = load_windows(kept, specification) if kept.is_file() else None
    known = Posterior.prior(specification) if posterior is None else load_posterior(posterior, specification)
    out = out or Path("runs/redistil") / specification.name
    with output.progress() as bar:
        task = bar.add_task("", total=1.0, note="")
        found = Redistillation(
            specification,
            known,
            model,
            expert,
            chosen,
            out / "rounds",
            crew(workers, ray),
            seed,
            lambda what, share: bar.update(task, description=what, completed=share),
            at_once,
        ).run()
    lineage = {
        "posterior": known.name,
        "identified": known.lineage,
        "settings": chosen.model_dump(mode="json"),
        "seed": seed,
        **found.as_dict(),
    }
    acts_as = specification.at_once() if at_once else specification
    made = save_checkpoint(out / MODEL, found.model, acts_as, card.version, lineage)
    if rehearsal is not None:
        save_windows(beside(out / MODEL), rehearsal)
    note_dependent(checkpoint, card.version, "re-distillation", str(out / MODEL))
    output.console().print(_table(found))
    better = f"round {found.best} is kept" if found.best else "no round was better than the student as it was"
    output.finish(
        {"robot": specification.name, "version": made.version, "parent": card.version, **lineage},
        json,
        f"{better}: version {made.version}, {out / MODEL}",
    )


def _table(found: Redistilled) -> Table:
    table = output.table("simulators that nobody learned from", "", ">fall", ">of", ">reward")
    for name, score in [
        ("expert", found.expert),
        *((f"round {n}", each) for n, each in enumerate(found.rounds)),
    ]:
        table.add_row(name, str(score.falls), str(score.robots), f"{score.reward:.3f}")
    return table
