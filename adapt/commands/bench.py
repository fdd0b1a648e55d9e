"""`adapt bench`: measurements of the parts, each a program with a JSON result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, TaskID

from adapt.commands import output
from adapt.errors import UserError

app = typer.Typer(no_args_is_help=True, help="Measure the parts.")


@app.callback()
def _bench() -> None:
    """Measure the parts."""


@app.command("stand-in")
def stand_in(
    logs: Annotated[Path, typer.Option(help="Folder of .npz logs of the real arm.")],
    robot: output.RobotName = "so101",
    scenario: Annotated[
        list[str] | None, typer.Option(help="Scenario to judge; may be repeated. [default: ideal, real_arm]")
    ] = None,
    json: output.Json = False,
) -> None:
    """How well stand-ins follow a real arm, open loop over whole motions that no fit has seen."""
    from adapt.robot.load import load_robot
    from adapt.sim.following import compare_with_real
    from adapt.sim.logs import read_logs

    specification = load_robot(robot)
    with output.console().status("driving the stand-ins with the commands of the real arm"):
        errors = compare_with_real(
            specification, read_logs(specification, logs), scenario or ("ideal", "real_arm")
        )
    joints = specification.action.entries
    unit = specification.action.unit
    table = output.table(f"RMS distance from the real arm, {unit}", "", *(f">{name}" for name in errors))
    table.add_row("total", *(f"{error.total:.4f}" for error in errors.values()), style="bold")
    for number, joint in enumerate(joints):
        table.add_row(joint, *(f"{error.joints[number]:.4f}" for error in errors.values()))
    output.console().print(table)
    output.finish(
        {
            "unit": unit,
            "motions": sorted(next(iter(errors.values())).motions),
            "rmse": {
                name: {
                    "total": error.total,
                    "joints": dict(zip(joints, error.joints.tolist(), strict=True)),
                    "motions": error.motions,
                }
                for name, error in errors.items()
            },
        },
        json,
    )


@app.command()
def data(
    robot: output.RobotName = "so101",
    workers: Annotated[int, typer.Option(help="Processes, and threads of the raw physics.", min=1)] = 2,
    robots: Annotated[int, typer.Option(help="Simulated robots of a shard.", min=1)] = 128,
    seconds: Annotated[float, typer.Option(help="Length of an episode.", min=0.1)] = 10.0,
    expert: Annotated[
        Path | None, typer.Option(help="Weights (.npz) of the expert, where the robot file's is a policy.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the simulated robots.")] = 0,
    json: output.Json = False,
) -> None:
    """How fast training data are made, against `mujoco.rollout` of the same robots on as many threads."""
    from adapt.evaluation.data_rate import measure_data_rate
    from adapt.robot.load import load_robot

    specification = load_robot(robot)
    ticks = round(seconds * specification.rate_hz)
    with output.console().status("making data and rolling out, in turns"):
        rate = measure_data_rate(specification, workers, robots, ticks, seed, expert)
    table = output.table("rates", "", ">ticks a second")
    table.add_row("mujoco.rollout", f"{rate.raw:,.0f}")
    table.add_row("data set", f"{rate.generated:,.0f}")
    table.add_row("ratio", f"{rate.ratio:.2f}", style="bold")
    output.console().print(table)
    output.finish(
        {
            "robot": specification.name,
            "workers": workers,
            "rate_generated": rate.generated,
            "rate_raw": rate.raw,
            "rate_ratio": rate.ratio,
        },
        json,
    )


@app.command("closed-loop")
def closed_loop(
    robot: output.RobotName = "so101",
    scenario: Annotated[
        list[str] | None,
        typer.Option(help="Hidden effects; may be repeated. [default: the robot file's]"),
    ] = None,
    controller: Annotated[str, typer.Option(help="policy, planner, expert or direct.")] = "planner",
    seeds: Annotated[int, typer.Option(min=1, help="Episodes.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of an episode.")] = 10.0,
    command: Annotated[
        str | None, typer.Option(help='Set-point, such as "0.5 0 0", for robots that follow no path.')
    ] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="World model; by default the shipped one.")] = None,
    expert: Annotated[Path | None, typer.Option(help="Weights of an expert policy (.npz).")] = None,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Act in the tick of planning, not a dead time later.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    json: output.Json = False,
) -> None:
    """How a controller drives a simulated robot, in simulated time: progress and falls, or tracking error."""
    from functools import partial

    from adapt.evaluation.closed_loop import Trial, controller_of, run_episodes, summarise
    from adapt.robot.load import load_robot
    from adapt.sim.mechanics import simulation_of

    driver = controller_of(controller)
    specification = load_robot(robot)
    if at_once:
        specification = specification.at_once()
    numbers = None if command is None else output.numbers(command)
    usual = simulation_of(specification).scenario
    scenarios = scenario or ([usual] if usual else [])
    if not scenarios:
        raise UserError(f"robot {specification.name}: name a scenario with --scenario")
    results = {}
    with output.progress() as bar:
        for name in scenarios:
            task = bar.add_task(name, total=seeds, note="")
            trial = Trial(specification, name, driver, seconds, numbers, checkpoint, expert)
            episodes = run_episodes(trial, seeds, workers, partial(_advance, bar, task))
            results[name] = summarise(episodes)
    table = output.table(
        f"{specification.name}, {controller}, {seeds} episodes of {seconds:g} s (mean, 95 % interval)",
        "scenario",
        ">progress, m",
        ">tracking RMSE",
        ">falls",
    )
    for name, result in results.items():
        row = [
            _interval(result.get(key), digits) for key, digits in (("progress_m", 2), ("tracking_rmse", 4))
        ]
        table.add_row(name, *row, str(result["falls"]))
    output.console().print(table)
    common = {"robot": specification.name, "controller": controller, "seconds": seconds}
    if len(results) == 1:
        name, result = next(iter(results.items()))
        output.finish({**common, "scenario": name, **result}, json)
    else:
        output.finish({**common, "scenarios": results}, json)


def _advance(bar: Progress, task: TaskID, done: int) -> None:
    bar.update(task, completed=done)


def _interval(estimate: dict[str, float] | None, digits: int) -> str:
    if estimate is None:
        return ""
    mean, low, high = (f"{estimate[key]:.{digits}f}" for key in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"
