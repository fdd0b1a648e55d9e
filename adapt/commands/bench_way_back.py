"""`adapt bench adaptation --scenario`: what brings back a robot that falls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.commands import output
from adapt.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

MINUTES = 4.0
COMMAND = "0.5 0 0"


def way_back(
    robot: str,
    scenario: str,
    minutes: list[float] | None,
    names: list[str] | None,
    episodes: int,
    command: str | None,
    checkpoint: Path | None,
    expert: Path | None,
    settings: Path | None,
    workers: int,
    out: Path | None,
    json: bool,
) -> None:
    """See `adapt.commands.bench_adaptation.adaptation`."""
    import torch

    from adapt.distillation.redistillation import RedistillationSettings
    from adapt.evaluation.way_back import METHODS, Case, WayBack
    from adapt.model.checkpoint import load_card, shipped_checkpoint
    from adapt.robot.load import load_robot
    from adapt.settings import load_settings
    from adapt.sim.mechanics import simulation_of

    # A sum over several threads depends on their number: one gives the same result on every run.
    torch.set_num_threads(1)
    specification = load_robot(robot)
    usual = simulation_of(specification).scenario
    if usual is None:
        raise UserError(
            f"robot {specification.name}: key 'simulation.scenario' is missing: name the usual one"
        )
    unknown = [name for name in names or () if name not in METHODS]
    if unknown:
        raise UserError(f"option --method: '{unknown[0]}' is none of {', '.join(METHODS)}")
    numbers = output.numbers(command or COMMAND)
    checkpoint = checkpoint or shipped_checkpoint(specification)
    known = RedistillationSettings() if settings is None else load_settings(settings, RedistillationSettings)
    case = Case(
        specification,
        scenario,
        usual,
        numbers,
        checkpoint,
        expert,
        minutes[0] if minutes else MINUTES,
        seeds=episodes,
        workers=workers,
        redistillation=known,
    )
    folder = out or Path("runs/adaptation") / specification.name
    found: dict[str, dict[str, Any]] = {}
    with output.progress() as bar:
        task = bar.add_task("", total=1.0, note="")
        work = WayBack(case, folder, lambda what, share: bar.update(task, description=what, completed=share))
        for method in METHODS:
            if names is None or method in names:
                found[method] = work.measure(method)
    output.console().print(_table(found, scenario))
    data = {
        "robot": specification.name,
        "version": load_card(checkpoint).version,
        "scenario": scenario,
        "command": list(numbers),
        "methods": found,
    }
    output.finish(data, json, f"logs, posterior and models: {folder / Path(scenario).stem}")


def _table(found: dict[str, dict[str, Any]], scenario: str) -> Table:
    table = output.table(
        f"{scenario}; in brackets the 95 % interval",
        "",
        ">progress, m",
        ">falls",
        ">usual, m",
        ">falls",
        ">real min",
        ">CPU min",
    )
    for name, each in found.items():
        cells = []
        for summary in (each, each["usual"]):
            way = summary["progress_m"]
            cells += [
                f"{way['mean']:.2f} ({way['low']:.2f} to {way['high']:.2f})",
                f"{summary['falls']} of {summary['episodes']}",
            ]
        table.add_row(name, *cells, f"{each['real_minutes']:g}", f"{each['cpu_minutes']:.1f}")
    return table
