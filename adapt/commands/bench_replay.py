"""`adapt bench replay`: how fast bags are replayed, in how much memory, and whether always the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from adapt.commands import output


def replay(
    robot: output.RobotName = "so101",
    bag: Annotated[
        Path | None, typer.Option(help="Replay this bag. [default: one of the arm's stand-in is made]")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="Length of the bag that is made.")] = 10.0,
    runs: Annotated[int, typer.Option(min=2, help="Replays with learning, which must agree.")] = 2,
    checkpoint: Annotated[Path | None, typer.Option(help="World model; by default the shipped one.")] = None,
    json: output.Json = False,
) -> None:
    """Replay a bag without and with learning, each in a process of its own: speed, memory, the same bytes."""
    from tempfile import TemporaryDirectory

    from adapt.bags.reader import bag_info
    from adapt.evaluation.replay_speed import replay_alone, write_motion_bag
    from adapt.robot.load import load_robot

    specification = load_robot(robot)
    with TemporaryDirectory() as temporary, output.progress() as bar:
        folder = Path(temporary)
        task = bar.add_task("replaying", total=runs + 1, note="making a bag")
        bag = bag or write_motion_bag(folder / "bag", specification, minutes)
        length_s = bag_info(bag).duration_s
        common: dict[str, Any] = {"bags": [bag], "robot": robot, "checkpoint": checkpoint}
        bar.update(task, note="predicting")
        predicting = replay_alone({**common, "learn": False, "out": folder / "predicting"})
        learning = []
        for number in range(runs):
            bar.update(task, advance=1, note="learning")
            learning.append(replay_alone({**common, "out": folder / f"learning{number}"}))
    kinds = {"predict": [predicting], "learn": learning}
    speed = {name: length_s / min(each.seconds for each in some) for name, some in kinds.items()}
    cpu = {name: length_s / min(each.cpu_seconds for each in some) for name, some in kinds.items()}
    identical = len({each.digest for each in learning}) == 1
    peak_mb = max(each.peak_mb for each in (predicting, *learning))
    table = output.table(f"{length_s / 60:.1f} minutes of {specification.name}", "", ">replayed", ">wanted")
    for name, wanted in (("predict", 100), ("learn", 10)):
        said = f"{speed[name]:.0f} ({cpu[name]:.0f} by the time of the processor)"
        table.add_row(f"{name}, times real time", said, str(wanted))
    table.add_row(f"same bytes in {runs} reports", "yes" if identical else "NO", "yes")
    table.add_row("peak memory, MB", f"{peak_mb:.0f}", "1000")
    output.console().print(table)
    output.finish(
        {
            "robot": specification.name,
            "minutes": length_s / 60,
            "runs": runs,
            "speed": speed,
            "speed_cpu": cpu,
            "identical": identical,
            "peak_mb": peak_mb,
        },
        json,
    )
    if not identical:
        raise typer.Exit(output.PROBLEMS)
