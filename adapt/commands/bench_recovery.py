"""`adapt bench recovery`: a robot falls until updates are said not to suffice, and is brought back, live."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapt.commands import output, ros
from adapt.commands.identify import LEDGER
from adapt.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

MEASUREMENTS = 4
"""In each tick: what was measured half a tick ago is late for a policy that acts at once."""
IDLE_SPEED = 0.15
"""Of simulated time while the robot is at rest: that leaves more of the machine to the recovery. Nodes tell
of themselves once in a second of it, and who is silent for ten of the wall's is taken for dead."""
RECOVERS_WITHIN_S = 3600.0
"""Of the wall's time."""


def recovery(
    robot: Annotated[
        str, typer.Option(help="Robot file, of a robot that its policy drives: a path, or a name.")
    ] = "go2_policy",
    scenario: Annotated[str, typer.Option(help="The hidden robot, by name or path.")] = "bold_hardware",
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
    json: output.Json = False,
) -> None:
    """Live, over ROS 2 in simulated time: a robot that falls is identified, taught again, and walks.

    A stand-in is driven, and put on its feet when it has fallen, until the learner says that updates do not
    suffice. The learner then begins 'adapt recover' by itself, while the robot is left at rest, and judges
    what comes of it by turns; what drives in the end is measured.

    The exit code is 1 where nothing was admitted.
    """
    import os
    import time

    from adapt.robot.load import load_robot

    table, stand_by = ros.live("node_table"), ros.live("bystander").stand_by
    ros.live("environment").stay_on_this_machine(os.environ)
    if (store / LEDGER).exists():
        raise UserError(f"{store}: holds the ledger of an earlier run: give another --store")
    sensed_hz = MEASUREMENTS * load_robot(robot).rate_hz
    begins = {"begins": True, "expert": str(expert or ""), "settings": str(settings or "")}
    overrides: dict[str, dict[str, Any]] = {
        "planner": {"controller": "policy"},
        "learner": {f"recovery.{name}": value for name, value in begins.items()},
        "stand_in": {"speed": speed, "rate_hz": sensed_hz, "clock_hz": 2 * sensed_hz},
        "recorder": {"continuous": True},
    }
    options = table.Options(
        robot,
        store,
        checkpoint=checkpoint,
        sim=True,
        command=command,
        scenario=scenario,
        simulated_time=True,
        overrides=overrides,
    )
    most_s = 60.0 * most_minutes
    with output.progress() as bar, stand_by(options) as bystander:

        def phase(name: str, attempt_s: float, most_s: float, event: str | None = None) -> Any:
            task = bar.add_task(name, total=1.0, note="")
            found = bystander.watch_again_and_again(
                attempt_s,
                most_s,
                lambda: event is not None and bool(bystander.events(event)),
                lambda share, note: bar.update(task, completed=share, note=note),
            )
            bar.update(task, completed=1.0)
            output.console().print(_table(name, found.attempts))
            return found

        fallen = phase("until updates did not suffice", seconds, most_s, "updates_do_not_suffice")
        if not fallen.ended:
            raise UserError(f"{store}: within {most_minutes:g} minutes updates were not said not to suffice")
        waiting = bar.add_task("adapt recover", total=None, note=f"{store / 'recover' / 'recover.log'}")
        began = time.monotonic()
        bystander.let_time_go(min(speed, IDLE_SPEED))
        recovered = bystander.wait(("recovery_offered", "recovery_failed"), RECOVERS_WITHIN_S)
        bystander.let_time_go(speed)
        minutes = (time.monotonic() - began) / 60.0
        bar.remove_task(waiting)
        if recovered["kind"] == "recovery_failed":
            raise UserError(f"{recovered['detail']['log']}: {recovered['detail']['said']}")
        # Who walks is left alone: a candidate during whose turn somebody stops the robot has lost.
        judged = phase("until a version was admitted", most_s, most_s, "admitted")
        walked = phase("after that", seconds, seconds * attempts)
    data = {
        "robot": robot,
        "scenario": scenario,
        "admitted": judged.ended,
        "recovered_within_minutes": minutes,
        "before": fallen.as_dict(),
        "judged": judged.as_dict(),
        "after": walked.as_dict(),
    }
    output.finish(data, json, f"store: {store}; bags of all of it: {store / 'recordings'}")
    if not judged.ended:
        raise typer.Exit(output.PROBLEMS)


def _table(when: str, attempts: list[Any]) -> Table:
    table = output.table(when, "version", ">attempts", ">falls", ">minutes", ">m in 10 s")
    for version in dict.fromkeys(each.version for each in attempts):
        own = [each for each in attempts if each.version == version]
        time_s = sum(each.seconds for each in own)
        way = 10.0 * sum(each.progress_m for each in own) / time_s
        falls = sum(each.fell for each in own)
        table.add_row(version, str(len(own)), str(falls), f"{time_s / 60:.1f}", f"{way:.2f}")
    return table
