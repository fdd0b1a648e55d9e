"""`adapt identify`: which simulators a robot may be one of, from its logs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapt.commands import output
from adapt.commands.models import open_registry
from adapt.commands.pretrain import RayAddress, WorkerCount, crew
from adapt.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

    from adapt.distillation.posterior import Posterior

POSTERIOR = "posterior.json"
LEDGER = "ledger.sqlite"


def identify(
    robot: output.RobotName,
    bags: Annotated[list[Path] | None, typer.Argument(help="Bags of the robot, one after the other.")] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            help="Instead of bags: the store of a run, whose ledger holds what may be learned from."
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="The version that drove; by default the shipped one.")
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="YAML, keys as in IdentificationSettings.")] = None,
    seed: Annotated[int, typer.Option(help="Of splits, simulated robots and training.")] = 0,
    workers: WorkerCount = None,
    ray: RayAddress = None,
    msg_dir: output.MessageFolder = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of posterior and ledger; the same one again goes on."
            " [default: runs/identify/BAG, or STORE/identify]"
        ),
    ] = None,
    json: output.Json = False,
) -> None:
    """A posterior over the parameters that the robot file randomises, from the adapt split of the logs alone.

    Bags are spent on a ledger of their own. With --store the ledger of a run is read, as it is by now, and
    the version that drives there is taken for the driver.

    It says what the data tell and what they do not, and how far the robot is from all simulators.
    """
    import numpy as np
    import torch

    from adapt.bags.replay import TickClock, bag_ticks, one_after_the_other
    from adapt.commands.dependents import note_dependent
    from adapt.distillation.arms import identify_arm
    from adapt.distillation.identification import Identification, IdentificationSettings
    from adapt.distillation.logs import gather
    from adapt.evaluation.replay_report import bag_name
    from adapt.learning.ledger import Ledger
    from adapt.model.checkpoint import load_card, shipped_checkpoint
    from adapt.robot.load import load_robot
    from adapt.settings import load_settings

    torch.set_num_threads(1)
    specification = load_robot(robot)
    chosen = IdentificationSettings() if settings is None else load_settings(settings, IdentificationSettings)
    if bool(bags) == (store is not None):
        raise UserError("give bags, or the store of a run with --store")
    if store is not None:
        checkpoint = checkpoint or driving_version(store)
    driver = checkpoint or shipped_checkpoint(specification)
    version = load_card(driver).version
    out = out or (store / "identify" if store else Path("runs/identify") / bag_name(str((bags or [])[0])))
    out.mkdir(parents=True, exist_ok=True)
    if store is not None:
        copy_ledger(store, out)
    clock = TickClock(specification)
    ledger = Ledger(out / LEDGER, specification, clock, seed)
    try:
        with output.progress() as bar:
            task = bar.add_task("logs are read", total=1.0, note="")
            ticks = one_after_the_other(bag_ticks(each, specification, msg_dir) for each in bags or ())
            logs = gather(specification, ticks, ledger, clock)
            if specification.can_be_identified:
                bar.update(task, description="arms are simulated")
                found = identify_arm(specification, logs.windows)
            else:
                found = Identification(
                    specification,
                    logs.commands,
                    driver,
                    chosen,
                    out / "simulated",
                    crew(workers, ray),
                    seed,
                    lambda what, share: bar.update(task, description=what, completed=share),
                ).identify(logs.pieces)
        lineage = {
            "driver": version,
            "logs": [str(store)] if store else [str(each) for each in bags or []],
            "segments": {each.number: each.content for each in logs.segments},
            "settings": chosen.model_dump(mode="json"),
            "seed": seed,
        }
        found = replace(found, lineage=lineage)
        ledger.record_identification(found.name, logs.segments)
        found.save(out / POSTERIOR, specification)
        note_dependent(driver, version, "posterior", str(out / POSTERIOR))
    finally:
        ledger.close()
    summary = found.summary(np.random.default_rng(0))
    console = output.console()
    console.print(_table(found, summary, specification.name))
    if found.diagnostics.get("strange"):
        worst = ", ".join(f"{each['name']} ({each['deviations']:.0f})" for each in found.diagnostics["worst"])
        console.print(
            f"something is going on that no simulator has; deviations from those most like it: {worst}",
            style="yellow",
        )
    data = {"robot": specification.name, "version": version, "posterior": found.name, "parameters": summary}
    output.finish({**data, "diagnostics": found.diagnostics}, json, f"posterior: {out / POSTERIOR}")


def driving_version(store: Path) -> Path:
    """The checkpoint of the version that drives in a store.

    Raises:
        UserError: there is none.
    """
    with open_registry(store) as registry:
        current = registry.current()
        if current is None:
            raise UserError(f"{store}: no version drives there")
        return registry.path(current)


def copy_ledger(store: Path, out: Path) -> None:
    """The ledger of a run as it is now, also while a learner writes to it; a copy from before is kept, so
    that what was begun from it goes on.

    Raises:
        UserError: there is none.
    """
    import sqlite3
    from contextlib import closing

    from adapt.files import replacing

    source = store / LEDGER
    if not source.is_file():
        raise UserError(f"{source}: no such file: give the store of a run with --store")
    if (out / LEDGER).is_file():
        return
    with (
        replacing(out / LEDGER) as temporary,
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as theirs,
        closing(sqlite3.connect(temporary)) as ours,
    ):
        theirs.backup(ours)


def _table(posterior: Posterior, summary: dict[str, dict[str, Any]], robot: str) -> Table:
    table = output.table(
        f"robot {robot}, middle 90 %", "parameter", ">from", ">median", ">to", "in the range", ""
    )
    for name, each in summary.items():
        low, high = posterior.ranges[name]
        told = "" if each["told"] else "not told by these logs"
        numbers = (f"{each[key]:.4g}" for key in ("low", "median", "high"))
        table.add_row(name, *numbers, f"{low:g} to {high:g}", told)
    return table
