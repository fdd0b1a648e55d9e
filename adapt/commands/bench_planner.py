"""`adapt bench planner`: what the planner is worth for its time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapt.commands import output
from adapt.errors import UserError

if TYPE_CHECKING:
    from adapt.evaluation.closed_loop import Trial
    from adapt.evaluation.logged_states import State


def planner(
    robot: output.RobotName = "so101",
    checkpoint: Annotated[Path | None, typer.Option(help="World model; by default the shipped one.")] = None,
    states: Annotated[int, typer.Option(min=2, help="Logged states to plan from.")] = 50,
    scenario: Annotated[
        list[str] | None,
        typer.Option(help="Where the states come from; may be repeated. [default: the robot file's]"),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Episodes of each scenario.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of an episode.")] = 6.0,
    command: Annotated[
        str | None, typer.Option(help='Set-point, such as "0.5 0 0", for robots that follow no path.')
    ] = None,
    noise: Annotated[float | None, typer.Option(help="Of our samples. [default: as driven]")] = None,
    iterations: Annotated[int | None, typer.Option(min=1, help="Of our search. [default: as driven]")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of PyTorch, for all planners alike.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the samples.")] = 0,
    plot: Annotated[Path | None, typer.Option(help="Picture of return against time (.svg or .png).")] = None,
    json: output.Json = False,
) -> None:
    """Time and in-model return: published MPPI, the same made fast, and ours, in turns on logged states."""
    import torch

    from adapt.commands.dependents import note_dependent
    from adapt.evaluation.closed_loop import Trial
    from adapt.evaluation.planner_speed import Bench, measure, operations, summarise
    from adapt.evaluation.published_mppi import PublishedSettings
    from adapt.model.checkpoint import load_checkpoint, shipped_checkpoint
    from adapt.planning.settings import PlannerSettings
    from adapt.robot.load import load_robot
    from adapt.sim.mechanics import simulation_of

    numbers = None if command is None else output.numbers(command)
    specification = load_robot(robot)
    path = checkpoint or shipped_checkpoint(specification)
    model, card = load_checkpoint(path, specification)
    usual = simulation_of(specification).scenario
    scenarios = scenario or ([usual] if usual else [])
    if not scenarios:
        raise UserError(f"robot {specification.name}: name a scenario with --scenario")
    torch.set_num_threads(threads)
    trials = [Trial(specification, name, "policy", seconds, numbers, path) for name in scenarios]
    questions = _states(trials, seeds, states)
    given = dict.fromkeys(("noise", "noise_near_policy"), noise)
    given |= dict.fromkeys(("iterations", "iterations_near_policy"), iterations)
    ours = PlannerSettings.model_validate({key: value for key, value in given.items() if value is not None})
    bench = Bench(specification, model, ours, PublishedSettings(), seed)
    rows = []
    with output.progress() as bar:
        task = bar.add_task("planning", total=len(questions), note="")
        for row in measure(bench, questions):
            rows.append(row)
            bar.update(task, completed=len(rows))
    result = summarise(rows, operations(bench, questions[0]))
    _show(result, specification.name, threads)
    if plot is not None:
        from adapt.evaluation.planner_picture import draw_curves

        draw_curves(plot, result["curves"])
    note_dependent(path, card.version, "evaluation", f"bench planner --robot {robot}")
    common = {"robot": specification.name, "version": card.version, "threads": threads}
    output.finish({**common, "scenarios": scenarios, "settings": ours.model_dump(), **result}, json)


def _states(trials: list[Trial], seeds: int, count: int) -> list[State]:
    """As evenly as may be from all episodes."""
    from adapt.evaluation.logged_states import logged_states

    episodes = [(trial, seed) for trial in trials for seed in range(seeds)][:count]
    found: list[State] = []
    with output.progress() as bar:
        task = bar.add_task("driving", total=len(episodes), note="")
        for number, (trial, seed) in enumerate(episodes):
            wanted = -(-(count - len(found)) // (len(episodes) - number))
            found += logged_states(trial, seed, wanted)
            bar.update(task, completed=number + 1)
    return found


def _show(result: dict[str, Any], robot: str, threads: int) -> None:
    latency, flops = result["latency_ms"], result["flops"]
    curves, gain = result["curves"], result["return_gain"]
    returns = {"reference": curves["reference"]["return"][-1], "same": curves["reference"]["return"][-1]}
    returns["ours"] = returns["reference"] + gain["mean"]
    table = output.table(
        f"{robot}, {gain['n']} states, {threads} thread(s)", "", ">p50, ms", ">p99, ms", ">GFLOP", ">return"
    )
    names = {
        "reference": "(a) published MPPI",
        "same": "(b) the same samples, our computation",
        "ours": "(c) ours",
    }
    for key, name in names.items():
        time = latency[key]
        row = (f"{time['p50']:.1f}", f"{time['p99']:.1f}", f"{flops[key] / 1e9:.2f}", f"{returns[key]:.4f}")
        table.add_row(name, *row)
    console = output.console()
    console.print(table)
    for name in ("reference", "ours"):
        points = zip(curves[name]["ms"], curves[name]["return"], strict=True)
        console.print(
            f"return against time, {name}: " + ", ".join(f"{y:.4f} ({x:.0f} ms)" for x, y in points)
        )
    console.print(
        f"(b) takes 1/{result['speedup']:.2f} of the time of (a), and {result['floor_ratio']:.2f} times the "
        f"floor of {result['floor_ms']:.0f} ms at {result['matrix_flops_per_s'] / 1e9:.0f} GFLOP/s of matrix "
        f"products; their plans differ by {result['plan_max_abs_diff']:.1e} at most"
    )
    console.print(
        f"(c) takes 1/{result['time_ratio']:.1f} of the time of (a); its return is {gain['mean']:+.4f} "
        f"({gain['low']:+.4f} to {gain['high']:+.4f}) above that of (a)"
    )
