"""adapt pretrain: a world model for a robot file, from simulation alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapt.commands import output

if TYPE_CHECKING:
    from adapt.sim.workers import Workers

DATA = Path("runs/data")

WorkerCount = Annotated[
    int | None,
    typer.Option(help="Processes that simulate, one thread each. [default: one per core]", min=1),
]
RayAddress = Annotated[
    str | None,
    typer.Option("--ray", help="Simulate on this Ray cluster instead; 'local' starts one of --workers."),
]


def pretrain(
    robot: Annotated[str, typer.Option(help="Name or path of a robot file.")],
    out: Annotated[
        Path | None, typer.Option(help="Checkpoint to write (.safetensors); by default the one that ships.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the data set. [default: a folder of its own in runs/data]")
    ] = None,
    episodes: Annotated[int | None, typer.Option(help="Simulated robots, an episode each.", min=2)] = None,
    episode_s: Annotated[float | None, typer.Option(help="Length of an episode.", min=0.1)] = None,
    expert: Annotated[
        Path | None, typer.Option(help="Weights (.npz) of the expert, where the robot file's is a policy.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps.", min=2)] = None,
    seed: Annotated[int, typer.Option(help="Seed of the robots, the weights and the order of the data.")] = 0,
    workers: WorkerCount = None,
    ray: RayAddress = None,
    threads: Annotated[int, typer.Option(help="Threads for training.", min=1)] = 2,
    json: output.Json = False,
) -> None:
    """Simulate robots drawn from the robot file's ranges and train a world model on them.

    Killed at any instant, the same command goes on where it was.
    """
    import torch

    from adapt.learning.rehearsal import beside, save_windows
    from adapt.model.checkpoint import save_checkpoint
    from adapt.model.content import CHECKPOINT_FOLDER
    from adapt.model.settings import ModelSettings
    from adapt.robot.load import load_robot
    from adapt.sim.generation import generate_data_set, plan_data_set
    from adapt.sim.pretraining import PretrainingSettings
    from adapt.sim.pretraining import pretrain as train
    from adapt.sim.sampling import Episodes, Sampler

    specification = load_robot(robot)
    given: dict[str, Any] = {"episodes": episodes, "episode_s": episode_s, "steps": steps}
    settings = PretrainingSettings(**{key: value for key, value in given.items() if value is not None})
    path = out or CHECKPOINT_FOLDER / f"{specification.name}.safetensors"
    state = path.with_name(f"{path.stem}.unfinished.pt")
    ticks = round(settings.episode_s * specification.rate_hz)
    plan = plan_data_set(specification, settings.episodes, ticks, seed, expert)
    folder = data or DATA / f"{specification.name}-{plan.fingerprint}"
    torch.set_num_threads(threads)
    with output.progress() as bar:
        simulating = bar.add_task("robots simulated", total=settings.episodes, note="")
        manifest = generate_data_set(
            folder,
            specification,
            plan,
            crew(workers, ray),
            lambda done: bar.update(simulating, completed=done),
            expert,
        )
        training = bar.add_task("training steps", total=settings.steps, note="")

        def report(step: int, curve: list[dict[str, float]]) -> None:
            note = f"open-loop RMSE {curve[-1]['open_loop_rmse']:.4f}, unseen robots" if curve else ""
            bar.update(training, completed=step, note=note)

        found = Episodes(folder, manifest, specification)
        model, curve = train(found, manifest.data_hash, ModelSettings(), settings, seed, state, report)
    lineage = {
        "simulator": manifest.simulator,
        "randomisation": manifest.randomisation,
        "expert": manifest.expert,
        "data_hash": manifest.data_hash,
        "seed": seed,
        "settings": settings.model_dump(mode="json"),
        "model_settings": model.settings.model_dump(mode="json"),
        "command": " ".join(["adapt", *sys.argv[1:]]),
        "curve": curve,
    }
    card = save_checkpoint(path, model, specification, lineage=lineage)
    sampler = Sampler(found, range(len(found)), model.settings.value_horizon_s)
    rehearsal = sampler.draw(settings.rehearsal, torch.Generator().manual_seed(seed)).windows
    save_windows(beside(path), rehearsal)
    state.unlink(missing_ok=True)
    result = {"version": card.version, "path": str(path), "data": str(folder), **curve[-1]}
    output.finish(result, json, f"version {card.version} written to {path}; its data are in {folder}")


def crew(workers: int | None, ray: str | None) -> Callable[[], AbstractContextManager[Workers]]:
    """Who simulates, to be called once there is something to do."""
    from adapt.sim.workers import ProcessWorkers, RayWorkers

    count = workers or os.cpu_count() or 1
    return (lambda: ProcessWorkers(count)) if ray is None else (lambda: RayWorkers(ray, count))
