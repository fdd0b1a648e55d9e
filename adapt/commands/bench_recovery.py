"""`adapt bench recovery`: a robot falls until updates are said not to suffice, and is brought back, live."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapt.commands import output, ros
from adapt.commands.identify import LEDGER
from adapt.commands.pretrain import WorkerCount
from adapt.errors import UserError
from adapt.files import write_text

if TYPE_CHECKING:
    from rich.table import Table

MEASUREMENTS = 4
"""In each tick: what was measured half a tick ago is late for a policy that acts at once."""
AT_ONCE = "at_once.yaml"
"""The robot file without a dead time, as docs/redistillation.md tells to write it."""


def recovery(
    robot: output.RobotName,
    scenario: Annotated[str, typer.Option(help="The hidden robot, by name or path.")],
    store: Annotated[Path, typer.Option(help="New folder for what the nodes write.")] = Path("runs/recovery"),
    checkpoint: Annotated[Path | None, typer.Option(help="World model; by default the shipped one.")] = None,
    expert: Annotated[
        Path | None, typer.Option(help="Weights (.npz) of the expert, where the robot file's is a policy.")
    ] = None,
    command: Annotated[str, typer.Option(help="What is commanded.")] = "0.5 0 0",
    settings: Annotated[Path | None, typer.Option(help="YAML, keys as in RedistillationSettings.")] = None,
    most_minutes: Annotated[
        float, typer.Option(min=0.1, help="Of the robot's time, until it has to be told, and to be admitted.")
    ] = 15.0,
    speed: Annotated[
        float, typer.Option(min=0.05, help="Of simulated time, against the wall's: slower is more punctual.")
    ] = 0.3,
    attempts: Annotated[int, typer.Option(min=1, help="That are measured in the end.")] = 20,
    seconds: Annotated[float, typer.Option(min=1.0, help="Length of an attempt.")] = 10.0,
    workers: WorkerCount = None,
    json: output.Json = False,
) -> None:
    """Live, over ROS 2 in simulated time: a robot that falls is identified, taught again, and walks.

    A stand-in is driven, and put on its feet when it has fallen, until the learner says that updates do not
    suffice. 'adapt recover' then identifies and re-distils from the store, the learner judges its offer,
    and what drives in the end is measured.

    The exit code is 1 where it was not told, or nothing was admitted.
    """
    import os

    from adapt.commands.recover import recover
    from adapt.robot.load import load_robot

    table, drive = ros.live("node_table"), ros.live("bystander").drive_again_and_again
    ros.live("environment").stay_on_this_machine(os.environ)
    if (store / LEDGER).exists():
        raise UserError(f"{store}: holds the ledger of an earlier run: give another --store")
    store.mkdir(parents=True, exist_ok=True)
    at_once = store / AT_ONCE
    write_text(at_once, without_dead_time(robot))
    common = {"checkpoint": checkpoint, "command": command, "scenario": scenario}
    sensed_hz = MEASUREMENTS * load_robot(robot).rate_hz
    overrides: dict[str, dict[str, Any]] = {
        "planner": {"controller": "policy"},
        "stand_in": {"speed": speed, "rate_hz": sensed_hz, "clock_hz": 2 * sensed_hz},
        "recorder": {"continuous": True},
    }

    until_s = 0.0

    def phase(name: str, robot_file: str, attempt_s: float, most_s: float, event: str | None = None) -> Any:
        nonlocal until_s
        overrides["stand_in"]["start_s"] = until_s + 1.0
        options = table.Options(
            robot_file, store, sim=True, simulated_time=True, overrides=overrides, **common
        )
        with output.progress() as bar:
            task = bar.add_task(name, total=1.0, note="")
            found = drive(
                options,
                attempt_s,
                most_s,
                lambda seen: event is not None and bool(seen.events(event)),
                lambda share, note: bar.update(task, completed=share, note=note),
            )
        until_s = found.until_s
        output.console().print(_table(name, found.attempts))
        return found

    most_s = 60.0 * most_minutes
    fallen = phase("until updates did not suffice", robot, seconds, most_s, "updates_do_not_suffice")
    if not fallen.ended:
        raise UserError(f"{store}: within {most_minutes:g} minutes updates were not said not to suffice")
    recover(robot, store, "it falls", expert, True, settings, 0, workers, None, None, False)
    # Who walks is left alone: a candidate during whose turn somebody stops the robot has lost.
    judged = phase("until a version was admitted", str(at_once), most_s, most_s, "admitted")
    walked = phase("after that", str(at_once), seconds, seconds * attempts)
    data = {
        "robot": robot,
        "scenario": scenario,
        "admitted": judged.ended,
        "before": fallen.as_dict(),
        "judged": judged.as_dict(),
        "after": walked.as_dict(),
    }
    output.finish(data, json, f"store: {store}; bags of all of it: {store / 'recordings'}")
    if not judged.ended:
        raise typer.Exit(output.PROBLEMS)


def without_dead_time(robot: str) -> str:
    """A robot file, as YAML, of the same robot when it acts in the tick in which it plans.

    Raises:
        UserError: see `find_configuration`.
    """
    import yaml

    from adapt.robot.load import find_configuration, load_robot

    content = yaml.safe_load(find_configuration("robots", robot).read_text(encoding="utf-8"))
    content["dead_time_ticks"] = 0
    if (simulation := load_robot(robot).simulation) is not None:
        content["simulation"]["model"] = simulation.model  # with its path: the file may lie elsewhere
    return yaml.safe_dump(content, sort_keys=False)


def _table(when: str, attempts: list[Any]) -> Table:
    table = output.table(when, "version", ">attempts", ">falls", ">minutes", ">m in 10 s")
    for version in dict.fromkeys(each.version for each in attempts):
        own = [each for each in attempts if each.version == version]
        time_s = sum(each.seconds for each in own)
        way = 10.0 * sum(each.progress_m for each in own) / time_s
        falls = sum(each.fell for each in own)
        table.add_row(version, str(len(own)), str(falls), f"{time_s / 60:.1f}", f"{way:.2f}")
    return table
