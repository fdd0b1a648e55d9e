"""`adapt models`: versions of a robot's model, which one drives, what was made with them, the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapt.commands import output
from adapt.errors import UserError

if TYPE_CHECKING:
    from adapt.model.checkpoint import Card
    from adapt.registry.dependents import Dependent
    from adapt.registry.registry import Registry
    from adapt.registry.standing import Standing
    from adapt.robot.specification import RobotSpecification

app = typer.Typer(no_args_is_help=True, help="List, show and check model versions, and roll back.")


@app.command("list")
def list_(store: output.Store = output.DEFAULT_STORE, json: output.Json = False) -> None:
    """List all versions: how each stands, since when, and why."""
    from rich.markup import escape
    from rich.text import Text

    from adapt.commands.lineage import DAMAGED, WORDS, in_order, trained_on, why_text

    with open_registry(store) as registry:
        cards, standings, current = registry.cards(), registry.standings(), registry.current()
    table = output.table(
        f"{len(standings)} versions in {escape(str(store))}",
        "version",
        ">segments",
        "standing",
        "since",
        "why",
    )
    for version in in_order(standings):
        standing, segments = standings[version], trained_on(cards.get(version))
        mark, style, word = WORDS[standing.kind]
        table.add_row(
            Text(f"{mark} {version}"),
            "" if segments is None else str(segments),
            word,
            "" if standing.since_ns is None else output.moment(standing.since_ns),
            Text(why_text(standing) if version in cards else DAMAGED),
            style=style,
        )
    console = output.console()
    console.print(table)
    if current is None:
        console.print("no version has been admitted")
    output.finish({"current": current, "versions": _all(cards, standings)}, json)


@app.command()
def tree(store: output.Store = output.DEFAULT_STORE, json: output.Json = False) -> None:
    """Show which version came from which: parents above their children."""
    from adapt.commands.lineage import print_tree
    from adapt.commands.lineage import tree as lineage_tree

    with open_registry(store) as registry:
        cards, standings, current = registry.cards(), registry.standings(), registry.current()
    print_tree(lineage_tree(f"versions in {store}", cards, standings))
    output.finish({"current": current, "versions": _all(cards, standings)}, json)


@app.command()
def show(
    version: Annotated[str, typer.Argument()],
    store: output.Store = output.DEFAULT_STORE,
    json: output.Json = False,
) -> None:
    """Show a version: where it comes from, and what was decided on which evidence."""
    from rich.padding import Padding
    from rich.text import Text

    from adapt.commands.explanation import explain
    from adapt.commands.facts import facts_tables
    from adapt.commands.lineage import standing_text, why_text

    with open_registry(store) as registry:
        card = registry.card(version)
        ancestors = [each.version for each in registry.lineage(version)]
        decisions, standing = registry.decisions(version), registry.standings()[version]
    console = output.console()
    console.print(f"{version}: {standing_text(standing)}", style="bold")
    console.print(f"robot {card.robot}, schema {card.schema_hash}, code {card.code_version}", markup=False)
    console.print(f"lineage: {' < '.join(ancestors)}", soft_wrap=True, markup=False)
    if why_text(standing):
        console.print(f"why: {why_text(standing)}", soft_wrap=True, markup=False)
    for table in facts_tables("how it was made", card.lineage):
        console.print()
        console.print(table)
    if decisions:
        console.print("\ndecisions", style="bold")
    for decision in decisions:
        kind = "returned to" if decision.kind == "rolled_back" else decision.kind
        console.print(f"{output.moment(decision.stamp_ns)}  {kind}: {decision.reason}", markup=False)
        for sentence in explain(decision.kind, decision.evidence):
            console.print(Padding(Text(sentence), (0, 0, 0, 4)))
    output.finish(
        {
            **card.model_dump(mode="json"),
            **_about(version, card, standing),
            "ancestors": ancestors,
            "decisions": [
                {
                    "stamp_ns": each.stamp_ns,
                    "kind": each.kind,
                    "reason": each.reason,
                    "evidence": each.evidence,
                }
                for each in decisions
            ],
        },
        json,
    )


@app.command()
def dependents(
    version: Annotated[str | None, typer.Argument(help="Of this one and those made from it.")] = None,
    store: output.Store = output.DEFAULT_STORE,
    incidents: Annotated[
        Path | None, typer.Option(help="Folder that holds `incidents`. [default: the store]")
    ] = None,
    reports: Annotated[
        list[Path] | None,
        typer.Option(help="JSON report, or a folder with report.json; may be repeated. [default: the store]"),
    ] = None,
    json: output.Json = False,
) -> None:
    """Show what was made with versions, and what of it is stale since its version was replaced."""
    from rich.text import Text

    from adapt.commands.dependents import dependents_in_files
    from adapt.commands.lineage import print_tree
    from adapt.commands.lineage import tree as lineage_tree

    in_files = dependents_in_files(incidents or store, reports or [store])
    with open_registry(store) as registry:
        found = registry.dependents(version, in_files)
        cards, standings = registry.cards(), registry.standings()

    def leaves(name: str) -> Iterator[Text]:
        for each in found:
            if each.version == name and each.kind != "version":
                roles = ", ".join(each.detail.get("roles", ()))
                yield Text.assemble(
                    (f"{each.kind} ", "dim"),
                    each.name,
                    (f" ({roles})" if roles else "", "dim"),
                    ("  stale" if each.stale else "", "yellow"),
                )

    print_tree(lineage_tree(f"made with versions in {store}", cards, standings, version, leaves))
    stale = sum(bool(each.stale) for each in found)
    output.console().print(f"{len(found)} dependents, {stale} of them stale")
    output.finish({"dependents": [_told(each) for each in found], "stale": stale}, json)


@app.command()
def verify(
    store: output.Store = output.DEFAULT_STORE,
    checkpoint: Annotated[Path | None, typer.Option(help="Check this file in place of a store.")] = None,
    robot: Annotated[
        str | None, typer.Option("--robot", help="Robot file; by default the one named in each card.")
    ] = None,
    parents: Annotated[
        list[Path] | None,
        typer.Option(help="Checkpoint or store where parents lie that are not here; may be repeated."),
    ] = None,
    json: output.Json = False,
) -> None:
    """Check weights (content, finite, for this robot), parents and decisions; each problem has its cure."""
    from adapt.model.checkpoint import load_card
    from adapt.registry.verification import checkpoint_problems, registry_problems, versions_in

    elsewhere = {version for path in parents or () for version in versions_in(path)}
    specification: RobotSpecification | None
    notes = []
    if checkpoint is not None:
        card = load_card(checkpoint)
        specification = robot_of(robot, card.robot)
        problems = {
            card.version: checkpoint_problems(checkpoint, specification, elsewhere if parents else None)
        }
        if card.parent is not None and not parents:
            notes.append(f"its parent {card.parent} lies elsewhere: --parents checks that it is there")
    else:
        with open_registry(store) as registry:
            cards = registry.cards()
            named = [card.robot for card in cards.values()]
            specification = robot_of(robot, named[0]) if named or robot else None
            problems = registry_problems(registry, specification, elsewhere)
    console = output.console()
    for version, found in problems.items():
        console.print(f"{'✗' if found else '✓'} {version}", style="red" if found else "green")
        for problem in found:
            console.print(f"    {problem}", soft_wrap=True, markup=False)
    for note in notes:
        console.print(note, soft_wrap=True, markup=False)
    wrong = {version: found for version, found in problems.items() if found}
    console.print(f"checked: {len(problems)}, with problems: {len(wrong)}")
    output.finish({"checked": list(problems), "problems": wrong, "notes": notes}, json)
    if wrong:
        raise typer.Exit(output.PROBLEMS)


@app.command()
def rollback(
    why: Annotated[str, typer.Option(help="The reason; it is written down.")],
    store: output.Store = output.DEFAULT_STORE,
    robot: Annotated[
        str | None, typer.Option("--robot", help="Robot file; by default the one named in the cards.")
    ] = None,
    json: output.Json = False,
) -> None:
    """Return to the version that drove before; a running learner follows."""
    from adapt.robot.access import caller

    if not why.strip():
        raise UserError("option --why: give the reason for the rollback")
    with open_registry(store) as registry:
        left, asks = registry.current(), caller()
        named = next((card.robot for card in registry.cards().values()), "")
        robot_of(robot, named).access.check("rollback", asks, why)
        version = registry.rollback(why, {"caller": asks})
    output.console().print(
        f"version {version} drives again; what was made with {left} is stale: adapt models dependents {left}"
    )
    output.finish({"current": version, "from": left, "caller": asks}, json)


@contextmanager
def open_registry(store: Path, specification: RobotSpecification | None = None) -> Iterator[Registry]:
    """The registry of a store, of a robot where weights are added; never begins a new one."""
    import time

    from adapt.registry.registry import DECISIONS, Registry

    if not (store / "versions").is_dir() or not (store / DECISIONS).is_file():
        raise UserError(f"{store}: there are no model versions in it: give the store of a run with --store")
    registry = Registry(store, specification, time.time_ns)
    try:
        yield registry
    finally:
        registry.close()


def robot_of(given: str | None, named: str) -> RobotSpecification:
    """The robot file that was given, or else the one that a card names."""
    from adapt.robot.load import load_robot

    try:
        return load_robot(given or named)
    except UserError as error:
        if given:
            raise
        raise UserError(f"{error}; the card is of robot '{named}': give its file with --robot") from error


def _all(cards: Mapping[str, Card], standings: Mapping[str, Standing]) -> list[dict[str, Any]]:
    return [_about(version, cards.get(version), standings[version]) for version in sorted(standings)]


def _about(version: str, card: Card | None, standing: Standing) -> dict[str, Any]:
    from adapt.commands.lineage import trained_on

    return {
        "version": version,
        "parent": None if card is None else card.parent,
        "segments": trained_on(card),
        "standing": standing.kind,
        "since_ns": standing.since_ns,
        "reason": standing.reason,
        "stale": standing.stale or None,
        "stale_since_ns": standing.stale_since_ns,
        "damaged": card is None,
    }


def _told(each: Dependent) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(each), "stale": each.stale or None}
