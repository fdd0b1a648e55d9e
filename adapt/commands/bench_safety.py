"""`adapt bench safety`: is the filter exact, in time, and proof against any proposal?"""

from __future__ import annotations

from typing import Annotated

import typer

from adapt.commands import output

EXACT, P50_MS, P99_MS = 1e-4, 0.5, 2.0


def safety(
    robot: output.RobotName = "go2",
    couplings: Annotated[
        int, typer.Option(min=1, help="Random walls across the joints, besides the robot's own.")
    ] = 8,
    cases: Annotated[int, typer.Option(min=1, help="To time and to compare with cvxpy's solution.")] = 10_000,
    proposals: Annotated[int, typer.Option(min=0, help="That mean ill.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Of walls, cases and proposals.")] = 0,
    json: output.Json = False,
) -> None:
    """The safety filter against cvxpy's own solution, the clock, and proposals that mean ill."""
    from functools import partial

    from adapt.evaluation.safety_filter import measure_filter, walled
    from adapt.robot.load import load_robot

    specification = walled(load_robot(robot), couplings, seed)
    with output.progress() as bar:
        task = bar.add_task("projecting", total=cases + proposals, note="")
        update = partial(bar.update, task)
        found = measure_filter(specification, cases, proposals, seed, lambda done: update(completed=done))
    walls = len(specification.action.couplings)
    table = output.table(
        f"{specification.name}: {specification.action_size} entries, {walls} couplings",
        "",
        ">found",
        ">wanted",
    )
    table.add_row("a projection with walls, p50, ms", f"{found.p50_ms:.3f}", f"{P50_MS:g}")
    table.add_row("p99, ms", f"{found.p99_ms:.3f}", f"{P99_MS:g}")
    table.add_row("any projection, p50, ms", f"{found.p50_all_ms:.3f}", "")
    table.add_row(f"largest difference over {found.cases} cases", f"{found.max_abs_diff:.1e}", f"{EXACT:g}")
    table.add_row("of them solved by OSQP", str(found.solved), "")
    table.add_row("not in time, and clamped", str(found.clamped), "")
    table.add_row(f"limits broken over {found.proposals} proposals", str(found.violations), "0")
    output.console().print(table)
    output.finish({"robot": specification.name, "couplings": walls, **found.as_dict()}, json)
    if found.violations or found.max_abs_diff > EXACT:
        raise typer.Exit(output.PROBLEMS)
