"""`adapt incidents`: what went wrong, where its bag is, and what every later version must foretell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from adapt.commands import output
from adapt.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

    from adapt.bags.belief import Belief
    from adapt.bags.incident import Incident
    from adapt.evaluation.incident_library import Verdict
    from adapt.model.world_model import WorldModel
    from adapt.robot.specification import RobotSpecification

app = typer.Typer(no_args_is_help=True, help="List and show incidents, and make tests of them.")

WORDS = {True: ("pass", "green"), False: ("FAIL", "red"), None: ("", "")}
"""How a verdict is told; None where an incident is not blessed."""
RobotOfCard = Annotated[
    str | None, typer.Option("--robot", help="Robot file. [default: the name in the incident's card]")
]


@app.command("list")
def list_(store: output.Store = output.DEFAULT_STORE, json: output.Json = False) -> None:
    """List the incidents of a store, the oldest first."""
    from adapt.bags.incident import list_incidents

    incidents = list_incidents(store)
    table = output.table(
        f"{len(incidents)} incidents in {store}", "id", "trigger", "severity", ">seconds", "model", "blessed"
    )
    table.columns[0].no_wrap = True  # It is copied from here.
    for each in incidents:
        card = each.card
        seconds = f"{(card.end_ns - card.start_ns) * 1e-9:.1f}"
        table.add_row(
            card.id,
            card.trigger,
            card.severity,
            seconds,
            card.versions[-1] if card.versions else "",
            "" if card.criterion is None else f"{card.criterion.at_most:.4g} {card.criterion.unit}",
        )
    output.console().print(table)
    output.finish(
        {"incidents": [{**each.card.model_dump(mode="json"), "bag": str(each.bag)} for each in incidents]},
        json,
    )


@app.command()
def show(
    identifier: Annotated[str, typer.Argument(metavar="ID")],
    store: output.Store = output.DEFAULT_STORE,
    json: output.Json = False,
) -> None:
    """Show one incident: why, with what, and how to replay it."""
    from adapt.bags.incident import load_incident

    incident = load_incident(store, identifier)
    card, console = incident.card, output.console()
    console.print(f"{card.id}: {card.severity}, robot {card.robot}, {output.moment(card.stamp_ns)} UTC")
    for trigger in card.triggers:
        after_s = (trigger.stamp_ns - card.start_ns) * 1e-9
        detail = ", ".join(f"{key} {value}" for key, value in trigger.detail.items())
        console.print(f"  {after_s:6.2f} s  {trigger.kind} ({trigger.severity}) {detail}", markup=False)
    if card.versions:
        console.print(f"model versions: {', '.join(card.versions)}")
    if card.believed is not None:
        console.print(_belief_table(card.believed))
    table = output.table("messages", "topic", ">in the bag", ">dropped before")
    for topic in sorted({*card.messages, *card.dropped}):
        table.add_row(topic, str(card.messages.get(topic, 0)), str(card.dropped.get(topic, 0)))
    console.print(table)
    picture = incident.folder / "picture.svg"
    if picture.is_file():
        console.print(f"picture: {picture}", soft_wrap=True, markup=False)
    if card.criterion is not None:
        console.print(f"blessed: at most {_bound(incident)}", markup=False, soft_wrap=True)
    console.print(f"replay it: adapt replay {incident.bag} --robot {card.robot}", soft_wrap=True)
    output.finish({**card.model_dump(mode="json"), "bag": str(incident.bag)}, json)


@app.command()
def replay(
    identifiers: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="[default: all that are blessed]")
    ] = None,
    version: Annotated[
        list[str] | None,
        typer.Option(
            help="Version in the store, or a checkpoint (.safetensors); may be repeated. [default: the one"
            " that drives, or else the shipped one]"
        ),
    ] = None,
    propose: Annotated[
        bool, typer.Option("--propose", help="Also say how far each would have planned from what was done.")
    ] = False,
    robot: RobotOfCard = None,
    store: output.Store = output.DEFAULT_STORE,
    msg_dir: output.MessageFolder = None,
    json: output.Json = False,
) -> None:
    """Replay incidents against versions: what each would have foretold, and whether it passes.

    Ends with exit code 1 where a version does not pass a blessed incident.
    """
    import torch

    from adapt.bags.incident import load_incident
    from adapt.evaluation.incident_library import blessed_incidents, judge, load_versions

    torch.set_num_threads(1)
    chosen = [load_incident(store, each) for each in identifiers or ()] or blessed_incidents(store)
    if not chosen:
        raise UserError(f"{store}: no incident is blessed: name one, or run 'adapt incidents bless ID'")
    verdicts: list[Verdict] = []
    versions: dict[str, dict[str, WorldModel]] = {}
    with output.progress() as bar:
        task = bar.add_task("replaying", total=len(chosen), note="")
        for incident in chosen:
            bar.update(task, note=incident.card.id)
            specification = _robot(robot, incident)
            if specification.name not in versions:
                versions[specification.name] = load_versions(store, specification, version or ())
            verdicts += judge(specification, incident, versions[specification.name], msg_dir, propose)
            bar.advance(task)
    console = output.console()
    console.print(_matrix(verdicts))
    for each in verdicts:
        apart = "" if each.proposed_apart is None else f"; plans {each.proposed_apart:.4g} from what was done"
        console.print(f"{each.incident}, {each.version}: {each.why}{apart}", markup=False, soft_wrap=True)
    failed = sum(each.passed is False for each in verdicts)
    output.finish({"verdicts": [each.as_dict() for each in verdicts], "failed": failed}, json)
    if failed:
        raise typer.Exit(output.PROBLEMS)


@app.command()
def bless(
    identifier: Annotated[str, typer.Argument(metavar="ID")],
    at_most: Annotated[
        float | None,
        typer.Option(help="RMS error that passes, in the robot's unit. [default: 0.9 of what drove then]"),
    ] = None,
    from_s: Annotated[
        float | None, typer.Option("--from", help="Count from here on, s after the trigger.")
    ] = None,
    to_s: Annotated[float | None, typer.Option("--to", help="Count up to here, s after the trigger.")] = None,
    why: Annotated[str, typer.Option(help="Words to keep with it.")] = "",
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Bless it no longer.")] = False,
    robot: RobotOfCard = None,
    store: output.Store = output.DEFAULT_STORE,
    json: output.Json = False,
) -> None:
    """Make an incident a test: every later version has to foretell it so well. Writes it into the card."""
    from pydantic import ValidationError

    from adapt.bags.incident import Criterion, load_incident
    from adapt.bags.incident import bless as write
    from adapt.evaluation.adaptation import measured_unit
    from adapt.evaluation.incident_library import failed_bound, load_versions
    from adapt.settings import first_problem

    incident = load_incident(store, identifier)
    if withdraw:
        write(incident, None)
        output.finish({"id": identifier, "criterion": None}, json, f"{identifier} is blessed no longer")
        return
    specification = _robot(robot, incident)
    try:
        criterion = Criterion(
            at_most=1.0 if at_most is None else at_most,
            unit=measured_unit(specification),
            from_s=from_s,
            to_s=to_s,
            reason=why,
        )
    except ValidationError as error:
        raise UserError(f"incident {identifier}: {first_problem(error)}") from error
    if at_most is None:
        if not incident.card.versions:
            raise UserError(f"incident {identifier}: no version drove in it: give the bound with --at-most")
        drove = incident.card.versions[-1]
        model = load_versions(store, specification, [drove])[drove]
        criterion = failed_bound(specification, incident, drove, model, criterion)
    blessed = write(incident, criterion)
    output.console().print(f"{identifier}: at most {_bound(blessed)}", markup=False, soft_wrap=True)
    output.finish({"id": identifier, "criterion": criterion.model_dump(mode="json")}, json)


def _robot(robot: str | None, incident: Incident) -> RobotSpecification:
    from adapt.robot.load import load_robot

    return load_robot(robot or incident.card.robot)


def _bound(incident: Incident) -> str:
    criterion = incident.card.criterion
    if criterion is None:
        return ""
    ends = [
        f"{word} {value:+g} s"
        for word, value in (("from", criterion.from_s), ("to", criterion.to_s))
        if value is not None
    ]
    stretch = f" {' '.join(ends)} of the trigger" if ends else ""
    reason = f" ({criterion.reason})" if criterion.reason else ""
    return f"{criterion.at_most:.4g} {criterion.unit}{stretch}{reason}"


def _belief_table(belief: Belief) -> Table:
    """What the planner had foretold, the most surprising entry first."""
    table = output.table(
        f"foretold {belief.lead_s * 1e3:.0f} ms ahead, at the trigger",
        "",
        ">predicted",
        ">seen",
        ">error, last second",
        ">usual error",
    )
    for entry in belief.entries:
        usual = "" if entry.usual is None else f"{entry.usual:.4g}"
        figures = f"{entry.predicted:.4g}", f"{entry.seen:.4g}", f"{entry.error:.4g}", usual
        table.add_row(f"{entry.name}, {entry.unit}", *figures)
    return table


def _matrix(verdicts: list[Verdict]) -> Table:
    """Incidents by versions."""
    from rich.text import Text

    versions = list(dict.fromkeys(each.version for each in verdicts))
    table = output.table("open-loop RMS error", "incident", *(f">{name}" for name in versions))
    found = {(each.incident, each.version): each for each in verdicts}
    for incident in dict.fromkeys(each.incident for each in verdicts):
        cells = []
        for version in versions:
            each = found.get((incident, version))
            error = "" if each is None else "?" if each.error is None else f"{each.error:.4f}"
            word, style = WORDS[None if each is None else each.passed]
            cells.append(Text(f"{error} {word}".strip(), style=style))
        table.add_row(incident, *cells)
    return table
