"""`adapt models`: the versions of a robot's model, which one drives, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapt.commands import output
from adapt.errors import UserError

if TYPE_CHECKING:
    from adapt.registry.registry import Registry

app = typer.Typer(no_args_is_help=True, help="List, show and check model versions, and roll back.")
OtherRobot = Annotated[
    str | None, typer.Option("--robot", help="Robot file; by default the one named in the versions' cards.")
]


@app.command("list")
def list_(store: output.Store = output.DEFAULT_STORE, json: output.Json = False) -> None:
    """List all versions, with what was decided about each."""
    with _registry(store, None) as registry:
        current = registry.current()
        table = output.table(f"versions in {store}", "version", "parent", "decision", "reason")
        versions = []
        for name in registry.versions():
            card, decisions = registry.card(name), registry.decisions(name)
            last = decisions[-1] if decisions else None
            kind, reason = (last.kind, last.reason) if last else ("undecided", "")
            mark = f"{name} *" if name == current else name
            table.add_row(mark, card.parent or "", kind, reason)
            versions.append({"version": name, "parent": card.parent, "decision": kind, "reason": reason})
        console = output.console()
        console.print(table)
        console.print("* drives" if current else "no version has been admitted")
        output.finish({"current": current, "versions": versions}, json)


@app.command()
def show(
    version: Annotated[str, typer.Argument()],
    store: output.Store = output.DEFAULT_STORE,
    json: output.Json = False,
) -> None:
    """Show a version: where it comes from, and what was decided on which evidence."""
    with _registry(store, None) as registry:
        card = registry.card(version)
        ancestors = [each.version for each in registry.lineage(version)]
        decisions = registry.decisions(version)
        console = output.console()
        console.print(f"{version}: robot {card.robot}, schema {card.schema_hash}, code {card.code_version}")
        console.print(f"lineage: {' < '.join(ancestors)}")
        for decision in decisions:
            console.print(
                f"{output.moment(decision.stamp_ns)}  {decision.kind}: {decision.reason}", markup=False
            )
            for key, value in decision.evidence.items():
                console.print(
                    f"    {key}: {value:.4g}" if isinstance(value, float) else f"    {key}: {value}"
                )
        output.finish(
            {
                **card.model_dump(mode="json"),
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
def verify(
    store: output.Store = output.DEFAULT_STORE,
    checkpoint: Annotated[Path | None, typer.Option(help="Check this file in place of a store.")] = None,
    robot: OtherRobot = None,
    json: output.Json = False,
) -> None:
    """Check that weights fit the robot, are those of their card, and are finite."""
    from adapt.model.checkpoint import load_card, load_checkpoint
    from adapt.robot.load import load_robot

    problems: dict[str, str] = {}
    if checkpoint is not None:
        card = load_card(checkpoint)
        load_checkpoint(checkpoint, load_robot(robot or card.robot))
        checked = [card.version]
    else:
        with _registry(store, robot) as registry:
            checked = registry.versions()
            for version in checked:
                try:
                    registry.load(version)
                except UserError as error:
                    problems[version] = str(error)
    console = output.console()
    for version in checked:
        console.print(f"{version}  {problems.get(version, 'ok')}", soft_wrap=True, markup=False)
    output.finish({"checked": checked, "problems": problems}, json)
    if problems:
        raise typer.Exit(output.PROBLEMS)


@app.command()
def rollback(
    why: Annotated[str, typer.Option(help="The reason; it is written down.")],
    store: output.Store = output.DEFAULT_STORE,
    json: output.Json = False,
) -> None:
    """Return to the version that drove before; a running learner follows."""
    if not why.strip():
        raise UserError("option --why: give the reason for the rollback")
    with _registry(store, None) as registry:
        version = registry.rollback(why)
    output.console().print(f"version {version} drives again")
    output.finish({"current": version}, json)


@contextmanager
def _registry(store: Path, robot: str | None) -> Iterator[Registry]:
    """The registry of a store; never begins a new one."""
    import time

    from adapt.model.checkpoint import load_card
    from adapt.registry.registry import Registry
    from adapt.robot.load import load_robot

    cards = sorted((store / "versions").glob("*/model.safetensors"))
    if not cards or not (store / "decisions.sqlite").is_file():
        raise UserError(f"{store}: there are no model versions in it: give the store of a run with --store")
    registry = Registry(store, load_robot(robot or load_card(cards[0]).robot), time.time_ns)
    try:
        yield registry
    finally:
        registry.close()
