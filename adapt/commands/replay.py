"""`adapt replay`: a bag through the very same stream and learner as live."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapt.commands import output
from adapt.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

    from adapt.evaluation.replay_comparison import Comparison
    from adapt.learning.event import Event
    from adapt.model.windows import Windows
    from adapt.model.world_model import WorldModel
    from adapt.robot.specification import RobotSpecification
    from adapt.stream.tick import Tick

LEARNED_SHARE = 2 / 3
VIEWER = "viewer.mcap"


def replay(
    bags: Annotated[list[Path], typer.Argument(help="One bag or more, replayed one after the other.")],
    robot: output.RobotName,
    checkpoint: Annotated[Path | None, typer.Option(help="World model; by default the shipped one.")] = None,
    scratch: Annotated[
        bool,
        typer.Option(
            "--scratch",
            help="Begin with a model that knows nothing, where there is no simulation to learn from.",
        ),
    ] = False,
    learn: Annotated[bool, typer.Option(help="Learn, or only measure the model as it is.")] = True,
    learn_minutes: Annotated[
        float | None,
        typer.Option(
            min=0, help="Learn from the first minutes, measure on the rest. [default: two thirds of the bags]"
        ),
    ] = None,
    learn_from: Annotated[
        list[Path] | None,
        typer.Option(help="Learn from this bag and measure on the others; may be repeated."),
    ] = None,
    rehearsal: Annotated[
        Path | None, typer.Option(help="Windows from simulation; by default those beside the checkpoint.")
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(help="YAML file with settings of the learner, over its defaults."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the report. [default: runs/replay/BAG]")] = None,
    seed: Annotated[int, typer.Option(help="Of splits and batches.")] = 0,
    msg_dir: output.MessageFolder = None,
    json: output.Json = False,
) -> None:
    """Replay bags through the learner, and measure how much better the model foretells the rest."""
    import torch

    from adapt.bags.incident import free_folder
    from adapt.bags.replay import bag_ticks, one_after_the_other
    from adapt.evaluation.adaptation import learn_offline
    from adapt.evaluation.replay_comparison import compare
    from adapt.evaluation.replay_report import bag_name, replay_data, replay_report
    from adapt.evaluation.replay_viewer import replay_viewer
    from adapt.learning.settings import LearnerSettings
    from adapt.robot.load import load_robot
    from adapt.settings import load_settings

    if learn_from and learn_minutes is not None:
        raise UserError("options --learn-from and --learn-minutes: give one of the two")
    if not learn and (learn_from or learn_minutes is not None):
        raise UserError("option --no-learn: it goes with neither --learn-from nor --learn-minutes")
    if scratch and (checkpoint is not None or rehearsal is not None or not learn):
        raise UserError("option --scratch: it goes with none of --checkpoint, --rehearsal and --no-learn")
    # A sum over several threads depends on their number: one gives the same result on every run.
    torch.set_num_threads(1)
    specification = load_robot(robot)
    out = out or free_folder(Path("runs/replay"), bag_name(str(bags[0])))
    if (out / "report.json").exists():
        raise UserError(f"{out}: there is a report in it already: give another folder with --out")

    def ticks_of(paths: list[Path]) -> Iterator[Tick]:
        return one_after_the_other(bag_ticks(each, specification, msg_dir) for each in paths)

    total = _ticks_to_learn(specification, learn_from or bags, msg_dir)
    if not learn_from:
        total = _limit(specification, total, learn_minutes)
    if scratch:
        model, version = _untrained(specification, islice(ticks_of(learn_from or bags), total), seed)
        rehearsed = None
    else:
        model, version, path = _pretrained(specification, checkpoint)
        rehearsed = rehearsal_windows(rehearsal, path, specification) if learn else None
    measured = ticks_of(bags)
    learned = None
    with output.progress() as progress:
        if learn:
            task = progress.add_task("learning", total=total, note="")

            def report(tick: Tick, events: list[Event]) -> None:
                progress.advance(task)
                for event in events:
                    if event.kind in {"candidate_made", "admitted", "rejected"}:
                        progress.update(task, note=f"{event.kind} {event.detail['version']}")

            learned = learn_offline(
                specification,
                model,
                ticks_of(learn_from) if learn_from else islice(measured, total),
                out / "store",
                rehearsed,
                settings=None if settings is None else load_settings(settings, LearnerSettings),
                seed=seed,
                report=report,
            )
        progress.add_task("measuring", total=None, note="")
        models = {"before": model} if learned is None else learned.models()
        with replay_viewer(out / VIEWER, specification, models) as viewer:
            viewer.add_events([] if learned is None else learned.events)
            comparison = compare(specification, models, measured, viewer.add_block)
    data = replay_data(
        specification,
        version,
        [str(bag) for bag in bags],
        [str(bag) for bag in learn_from or []],
        comparison,
        learned,
    )
    page = replay_report(specification, data, comparison, models).write(out, data)
    console = output.console()
    console.print(_table(comparison))
    if learned is not None:
        admitted = sum(each.event.kind == "admitted" for each in learned.events)
        console.print(
            f"learned from {learned.ticks} ticks ({learned.ticks / specification.rate_hz / 60:.1f} min):"
            f" {learned.status['candidates']} candidates, {admitted} admitted"
        )
    console.print(f"report: {page}; for Foxglove: {out / VIEWER}", soft_wrap=True)
    output.finish({**data, "report": str(page), "viewer": str(out / VIEWER)}, json)


def _pretrained(specification: RobotSpecification, checkpoint: Path | None) -> tuple[WorldModel, str, Path]:
    """The model to begin with, its version and where it lies."""
    from adapt.model.checkpoint import load_checkpoint, shipped_checkpoint

    path = checkpoint or shipped_checkpoint(specification)
    model, card = load_checkpoint(path, specification)
    return model, card.version, path


def _untrained(specification: RobotSpecification, ticks: Iterator[Tick], seed: int) -> tuple[WorldModel, str]:
    from adapt.evaluation.untrained import untrained_model
    from adapt.model.checkpoint import content_hash

    model = untrained_model(specification, ticks, seed)
    return model, content_hash(model.state_dict())


def _ticks_to_learn(specification: RobotSpecification, bags: list[Path], msg_dir: Path | None) -> int:
    """About how many ticks there are in some bags."""
    from adapt.bags.reader import bag_info

    return round(sum(bag_info(bag, msg_dir).duration_s for bag in bags) * specification.rate_hz)


def _limit(specification: RobotSpecification, total: int, minutes: float | None) -> int:
    if minutes is None:
        return round(LEARNED_SHARE * total)
    return round(minutes * 60 * specification.rate_hz)


def rehearsal_windows(
    given: Path | None, checkpoint: Path, specification: RobotSpecification
) -> Windows | None:
    """The rehearsal windows; without a file of them learning does without, and says so."""
    from adapt.learning.rehearsal import load_windows

    beside = checkpoint.with_suffix(".rehearsal.safetensors")
    if given is None and not beside.is_file():
        output.console().print(
            f"no rehearsal windows ({beside}): forgetting of the simulation is not bounded", style="yellow"
        )
        return None
    return load_windows(given or beside, specification)


def _table(comparison: Comparison) -> Table:
    from adapt.evaluation.replay_report import LABELS

    errors = comparison.errors
    title = f"open-loop RMS error, {comparison.unit}, {len(comparison.time_s)} windows"
    table = output.table(title, "", *(f">{LABELS.get(name, name)}" for name in errors))
    table.add_row("total", *(f"{error.total:.4f}" for error in errors.values()), style="bold")
    for entry, name in enumerate(comparison.entries):
        table.add_row(name, *(f"{error.by_entry[entry]:.4f}" for error in errors.values()))
    return table
