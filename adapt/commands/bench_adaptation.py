"""`adapt bench adaptation`: what real data are worth, by method."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapt.commands import output
from adapt.commands.bench_way_back import way_back
from adapt.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

    from adapt.evaluation.adaptation_curves import Curves
    from adapt.evaluation.adaptation_methods import Method
    from adapt.model.windows import Windows
    from adapt.model.world_model import WorldModel
    from adapt.robot.specification import RobotSpecification
    from adapt.stream.tick import Tick

MINUTES = (0.5, 1.25, 2.0, 5.0)


def adaptation(
    train: Annotated[
        Path | None,
        typer.Option(help="Folder to learn from: of bags, or of logs as for 'adapt bags import'."),
    ] = None,
    test: Annotated[Path | None, typer.Option(help="Folder that is only measured on, likewise.")] = None,
    scenario: Annotated[
        str | None,
        typer.Option(help="Instead of folders: a stand-in with these hidden effects, in the closed loop."),
    ] = None,
    robot: output.RobotName = "so101",
    minutes: Annotated[
        list[float] | None,
        typer.Option(
            help="Real minutes to learn from; may be repeated. [default: 0.5, 1.25, 2, 5; with --scenario 4]"
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="How to learn; may be repeated. [default: all that the robot allows]"),
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, help="Draws of the real data, batches and fresh weights.")] = 3,
    piece_s: Annotated[
        float, typer.Option(min=0.1, help="Real data are drawn from all motions in pieces of up to so long.")
    ] = 10.0,
    ahead: Annotated[
        list[float] | None,
        typer.Option(
            help="Report the distance over all joints at so many seconds ahead, too; may be repeated."
        ),
    ] = None,
    columns: output.Columns = None,
    checkpoint: Annotated[Path | None, typer.Option(help="World model; by default the shipped one.")] = None,
    expert: Annotated[
        Path | None, typer.Option(help="With --scenario: weights (.npz) of the robot's expert policy.")
    ] = None,
    command: Annotated[
        str | None, typer.Option(help='With --scenario: what is commanded. [default: "0.5 0 0"]')
    ] = None,
    episodes: Annotated[
        int, typer.Option(min=2, help="With --scenario: that each method is measured on.")
    ] = 20,
    settings: Annotated[
        Path | None, typer.Option(help="With --scenario: YAML, keys as in RedistillationSettings.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="With --scenario: processes that drive.")] = 2,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the report. [default: runs/adaptation/ROBOT]")
    ] = None,
    json: output.Json = False,
) -> None:
    """Open-loop error on other motions against the real minutes learned from, by method, with intervals.

    Every method trains on all of the minutes: nothing is kept for a gate. `adapt replay` tells what is
    admitted.

    With --scenario the closed loop counts: there are minutes of logs of a stand-in that falls, and it is told
    how far it comes after no adaptation, SimDist's recipe, re-distillation in all simulators or in those that
    the logs identify, and under the expert. The same command again goes on where it was.
    """
    if scenario is not None:
        if train is not None or test is not None:
            raise UserError("option --scenario: it goes with neither --train nor --test")
        return way_back(
            robot,
            scenario,
            minutes,
            method,
            episodes,
            command,
            checkpoint,
            expert,
            settings,
            workers,
            out,
            json,
        )
    if train is None or test is None:
        raise UserError("give --train and --test, or --scenario")
    import torch

    from adapt.bags.incident import free_folder
    from adapt.evaluation.adaptation import STRIDE
    from adapt.evaluation.adaptation_curves import Experiment, check_ahead, curves, windows_of
    from adapt.evaluation.adaptation_methods import forecasts, methods_of
    from adapt.evaluation.adaptation_report import adaptation_report
    from adapt.robot.load import load_robot

    # A sum over several threads depends on their number: one gives the same result on every run.
    torch.set_num_threads(1)
    specification = load_robot(robot)
    for each in ahead or ():
        check_ahead(specification, each)
    out = out or free_folder(Path("runs/adaptation"), specification.name)
    if (out / "report.json").exists():
        raise UserError(f"{out}: there is a report in it already: give another folder with --out")
    model, version, rehearsal = _pretrained(specification, checkpoint)
    methods = _chosen(methods_of(specification, model, rehearsal), method)
    with output.console().status("reading motions"):
        known = list(_motions(train, specification, columns))
        unseen = windows_of(specification, _motions(test, specification, columns), STRIDE)
        longest = max(1, round(piece_s * specification.rate_hz))
        experiment = Experiment(specification, known, unseen, longest)
    lengths = sorted(set(minutes or MINUTES))
    with output.progress() as bar:
        task = bar.add_task("learning", total=len(methods) * len(lengths) * seeds, note="")
        found = curves(
            experiment,
            methods,
            lengths,
            range(seeds),
            forecasts(specification, model),
            lambda what: bar.update(task, advance=1, note=what),
        )
    data = {
        "robot": specification.name,
        "version": version,
        "train": str(train),
        "test": str(test),
        "seeds": seeds,
        "piece_s": piece_s,
        **found.as_dict(ahead or ()),
    }
    page = adaptation_report(found, data).write(out, data)
    output.console().print(_table(found))
    output.finish(data, json, f"report: {page}")


def _motions(folder: Path, specification: RobotSpecification, columns: str | None) -> Iterator[list[Tick]]:
    """The ticks of each bag in a folder, by name; logs become bags first.

    Raises:
        UserError: there are neither, or one cannot be read.
    """
    from tempfile import TemporaryDirectory

    from adapt.bags.logs import import_logs
    from adapt.bags.replay import bag_ticks

    with TemporaryDirectory() as temporary:
        bags = sorted(path.parent for path in folder.glob("*/metadata.yaml"))
        for bag in bags or import_logs(folder, Path(temporary), specification, columns):
            yield list(bag_ticks(bag, specification))


def _pretrained(
    specification: RobotSpecification, checkpoint: Path | None
) -> tuple[WorldModel | None, str | None, Windows | None]:
    """The model, its version and its rehearsal windows; none where no checkpoint comes with the robot.

    Raises:
        UserError: a checkpoint is needed, or cannot be read.
    """
    from adapt.commands.replay import rehearsal_windows
    from adapt.model.checkpoint import load_checkpoint, shipped_checkpoint
    from adapt.sim.rollout_forecast import state_is_measured

    if checkpoint is None:
        try:
            checkpoint = shipped_checkpoint(specification)
        except UserError as error:
            if not state_is_measured(specification):
                raise
            output.console().print(f"{error}; what follows is of the simulator alone", style="yellow")
            return None, None, None
    model, card = load_checkpoint(checkpoint, specification)
    return model, card.version, rehearsal_windows(None, checkpoint, specification)


def _chosen(methods: dict[str, Method], names: list[str] | None) -> dict[str, Method]:
    unknown = [name for name in names or () if name not in methods]
    if unknown:
        raise UserError(f"option --method: '{unknown[0]}' is none of {', '.join(methods)}")
    return {name: methods[name] for name in names or methods}


def _table(curves: Curves) -> Table:
    estimates = curves.estimates(lambda error: error.total)
    lengths = sorted({minutes for row in estimates.values() for minutes in row})
    title = f"open-loop RMS error, {curves.unit}, {curves.windows} windows; in brackets the 95 % interval"
    table = output.table(title, "", *(f">{length:g} min" for length in lengths))
    for name, row in estimates.items():
        cells = [
            ""
            if (each := row.get(length)) is None
            else f"{each.mean:.4f}" + (f" ({each.low:.4f} to {each.high:.4f})" if each.n > 1 else "")
            for length in lengths
        ]
        table.add_row(name, *cells)
    return table
