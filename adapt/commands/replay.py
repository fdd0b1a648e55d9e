"""`adapt replay`: a bag through the very same stream and learner as live."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapt.commands import output, ros
from adapt.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

    from adapt.evaluation.replay_comparison import Comparison
    from adapt.learning.event import Event
    from adapt.learning.settings import LearnerSettings
    from adapt.model.windows import Windows
    from adapt.model.world_model import WorldModel
    from adapt.robot.specification import RobotSpecification
    from adapt.stream.tick import Tick

LEARNED_SHARE = 2 / 3
VIEWER = "viewer.mcap"
THREADS = 2
"""Of PyTorch and the simulation, whatever the machine has."""


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
    incidents: Annotated[
        Path | None,
        typer.Option(help="Store whose blessed incidents a candidate must pass before it is admitted."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the report. [default: runs/replay/BAG]")] = None,
    seed: Annotated[int, typer.Option(help="Of splits and batches.")] = 0,
    speed: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Play one bag so many times as fast as live topics to real nodes, with the bag's time on"
            " /clock. [default: no nodes, as fast as the machine allows]",
        ),
    ] = None,
    msg_dir: output.MessageFolder = None,
    json: output.Json = False,
) -> None:
    """Replay bags through the learner, and measure how much better the model foretells the rest."""
    import torch

    from adapt.bags.incident import free_folder
    from adapt.bags.replay import bag_ticks, one_after_the_other
    from adapt.evaluation.adaptation import learn_offline
    from adapt.evaluation.incident_gate import incident_examiner
    from adapt.evaluation.replay_comparison import compare
    from adapt.evaluation.replay_report import bag_name, replay_data, replay_report
    from adapt.evaluation.replay_viewer import replay_viewer
    from adapt.robot.load import load_robot

    if speed is not None:
        given = scratch, not learn, learn_minutes, learn_from, rehearsal, settings, incidents, msg_dir
        if len(bags) != 1 or any(each not in (False, None) for each in given):
            raise UserError("option --speed: it takes one bag, and besides --checkpoint and --out no option")
        _play(bags[0], robot, checkpoint, speed, out, json)
        return
    if learn_from and learn_minutes is not None:
        raise UserError("options --learn-from and --learn-minutes: give one of the two")
    if not learn and (learn_from or learn_minutes is not None):
        raise UserError("option --no-learn: it goes with neither --learn-from nor --learn-minutes")
    if scratch and (checkpoint is not None or rehearsal is not None or not learn):
        raise UserError("option --scratch: it goes with none of --checkpoint, --rehearsal and --no-learn")
    if not learn and incidents is not None:
        raise UserError("option --incidents: without learning there are no candidates")
    chosen = _learner_settings(settings, incidents)
    # A sum over several threads depends on their number: as many as this give the same on any machine.
    torch.set_num_threads(THREADS)
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
                settings=chosen,
                seed=seed,
                report=report,
                examine=None if incidents is None else incident_examiner(incidents, specification, msg_dir),
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
        if (told := data["learning"]["updates_do_not_suffice"]) is not None:
            console.print(
                f"updates do not suffice: error {told['error']:.2f}, allowed {told['allowed']:.2f}:"
                f" adapt recover --robot {robot} --store {out / 'store'}",
                style="yellow",
                soft_wrap=True,
            )
    console.print(f"report: {page}; for Foxglove: {out / VIEWER}", soft_wrap=True)
    output.finish({**data, "report": str(page), "viewer": str(out / VIEWER)}, json)


def _play(bag: Path, robot: str, checkpoint: Path | None, speed: float, out: Path | None, json: bool) -> None:
    """A bag as live topics: planner, learner and recorder run as they do on the robot, on the bag's time."""
    from adapt.bags.incident import free_folder
    from adapt.evaluation.replay_report import bag_name

    table, up = ros.live("node_table"), ros.live("up").up
    store = (out or free_folder(Path("runs/replay"), bag_name(str(bag)))) / "store"
    options = table.Options(robot=robot, store=store, bag=bag, checkpoint=checkpoint, speed=speed)
    code = up(options, console=output.console())
    output.finish({"store": str(store)}, json, f"what was learned and recorded: {store}")
    raise typer.Exit(code)


def _learner_settings(path: Path | None, incidents: Path | None) -> LearnerSettings:
    """The settings of the learner; a store of incidents makes them required."""
    from adapt.learning.settings import LearnerSettings
    from adapt.settings import load_settings

    settings = LearnerSettings() if path is None else load_settings(path, LearnerSettings)
    if incidents is None and settings.gate.incidents == "required":
        raise UserError(f"{path}: key 'gate.incidents': give the store of the incidents with --incidents")
    if incidents is None:
        return settings
    if not (incidents / "incidents").is_dir():
        raise UserError(f"{incidents}: there are no incidents in it: give a store, as of 'adapt up'")
    gate = settings.gate.model_copy(update={"incidents": "required"})
    return settings.model_copy(update={"gate": gate})


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
    from adapt.learning.rehearsal import beside, load_windows

    path = given or beside(checkpoint)
    if given is None and not path.is_file():
        output.console().print(
            f"no rehearsal windows ({path}): forgetting of the simulation is not bounded", style="yellow"
        )
        return None
    return load_windows(path, specification)


def _table(comparison: Comparison) -> Table:
    from adapt.evaluation.replay_report import LABELS

    errors = comparison.errors
    title = f"open-loop RMS error, {comparison.unit}, {len(comparison.time_s)} windows"
    table = output.table(title, "", *(f">{LABELS.get(name, name)}" for name in errors))
    table.add_row("total", *(f"{error.total:.4f}" for error in errors.values()), style="bold")
    for entry, name in enumerate(comparison.entries):
        table.add_row(name, *(f"{error.by_entry[entry]:.4f}" for error in errors.values()))
    return table
