"""`adapt recover`: what to do where updates of the dynamics do not suffice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapt.commands import output
from adapt.commands.identify import POSTERIOR, driving_version, identify
from adapt.commands.offer import offer
from adapt.commands.pretrain import RayAddress, WorkerCount
from adapt.commands.redistil import MODEL, redistil
from adapt.errors import UserError


def recover(
    robot: output.RobotName,
    store: output.Store = output.DEFAULT_STORE,
    why: Annotated[
        str, typer.Option(help="What is wrong with the robot; it is written down with the offer.")
    ] = "updates do not suffice",
    expert: Annotated[
        Path | None, typer.Option(help="Weights (.npz) of the expert, where the robot file's is a policy.")
    ] = None,
    at_once: Annotated[
        bool,
        typer.Option(
            "--at-once", help="Of a policy that acts in the tick in which it plans, not a dead time later."
        ),
    ] = False,
    settings: Annotated[Path | None, typer.Option(help="YAML, keys as in RedistillationSettings.")] = None,
    seed: Annotated[int, typer.Option(help="Of simulated robots and training.")] = 0,
    workers: WorkerCount = None,
    ray: RayAddress = None,
    threads: Annotated[int | None, typer.Option(help="For training. [default: one per core]", min=1)] = None,
    json: output.Json = False,
) -> None:
    """Identify the robot from the ledger of its run, teach the version that drives it again in simulators
    like it, and offer what comes of that to the learner's gate.

    The run may go on meanwhile. Killed at any instant, the same command goes on where it was.
    """
    from adapt.model.checkpoint import load_card

    driver = driving_version(store)
    out = store / "recover" / driver.parent.name
    identify(robot, None, store, driver, None, seed, workers, ray, None, out / "identified", False)
    posterior = out / "identified" / POSTERIOR
    taught = out / "taught"
    redistil(robot, posterior, driver, expert, settings, at_once, seed, workers, ray, threads, taught, False)
    if load_card(taught / MODEL).version == driver.parent.name:
        raise UserError(
            f"robot {robot}: no round was better than version {driver.parent.name}, so nothing is offered;"
            f" what was identified: {posterior}"
        )
    offer(taught / MODEL, why, store, robot, json)
