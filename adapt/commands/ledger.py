"""`adapt ledger`: what real samples were spent on, the proof of it, and the sealed split."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapt.commands import output
from adapt.errors import UserError

app = typer.Typer(no_args_is_help=True, help="Show and verify the budget ledger, or open its audit split.")
FILE = "ledger.sqlite"


@app.command()
def show(store: output.Store = output.DEFAULT_STORE, json: output.Json = False) -> None:
    """Show the budget: used and left by split, and what each version was made of."""
    from adapt.learning.journal import Journal
    from adapt.learning.records import Records
    from adapt.learning.splits import Split

    journal = Journal(_file(store))
    try:
        entries = journal.entries()
        first = next(entries, None)
        if first is None:
            raise UserError(f"{_file(store)}: the ledger is empty: nothing was learned there yet")
        records = Records(first)
        for entry in entries:
            records.apply(entry)
    finally:
        journal.close()
    console = output.console()
    budget = output.table(f"budget of robot {records.robot}", "split", ">ticks used", ">left", ">segments")
    data = {}
    for split in Split:
        count = sum(segment.split is split for segment in records.segments)
        used, left = records.used(split), records.remaining(split)
        budget.add_row(split.value, str(used), str(left), str(count))
        data[split.value] = {"used": used, "remaining": left, "segments": count}
    console.print(budget)
    columns = (
        "version",
        "parent",
        ">trained on",
        ">judged on",
        ">looked back on",
        ">drove on trial",
        ">watched on",
    )
    versions = output.table("versions", *columns)
    trained = []
    for training in records.trainings:
        judged = sum(each.version == training.version for each in records.judgements)
        looked_back = sum(each.version == training.version for each in records.hindsights)
        turns = sum(each.version == training.version for each in records.turns)
        watched = sum(training.version in (each.version, *each.older) for each in records.watches)
        counts = (len(training.segments), judged, looked_back, turns, watched)
        nouns = ("segments", "segments", "segments", "turns", "segments")
        said = [f"{count} {noun}" for count, noun in zip(counts, nouns, strict=True)]
        versions.add_row(training.version, training.parent, *said)
        trained.append(
            {
                "version": training.version,
                "parent": training.parent,
                "trained_on": list(training.segments),
                "judged_on": judged,
                "looked_back_on": looked_back,
                "turns": turns,
                "watched_on": watched,
            }
        )
    if trained:
        console.print(versions)
    for opening in records.openings:
        console.print(f"audit split opened ({len(opening.segments)} segments): {opening.why}", markup=False)
    output.finish(
        {
            "robot": records.robot,
            "budget": data,
            "versions": trained,
            "audit_opened": [opening.why for opening in records.openings],
        },
        json,
    )


@app.command()
def verify(store: output.Store = output.DEFAULT_STORE, json: output.Json = False) -> None:
    """Prove from the records alone that no sample was used for what it must not be used for."""
    from adapt.learning.verification import repeated_motions, verify_ledger

    problems = verify_ledger(_file(store))
    repeated = repeated_motions(_file(store))
    console = output.console()
    for repetition in repeated:
        console.print(repetition, style="yellow", markup=False)
    for problem in problems:
        console.print(problem, style="red", markup=False)
    console.print(f"{_file(store)}: {len(problems)} problems" if problems else f"{_file(store)}: holds")
    output.finish({"ledger": str(_file(store)), "problems": problems, "repeated_motions": repeated}, json)
    if problems:
        raise typer.Exit(output.PROBLEMS)


@app.command("open-audit")
def open_audit(
    robot: output.RobotName,
    why: Annotated[str, typer.Option(help="The reason; it is written down for ever.")],
    out: Annotated[Path, typer.Option(help="Write the sealed ticks to this .npz file.")],
    store: output.Store = output.DEFAULT_STORE,
    json: output.Json = False,
) -> None:
    """Open the sealed audit split. It is written down, and cannot be undone."""
    import time

    import numpy as np

    from adapt.files import replacing
    from adapt.learning.ledger import Ledger
    from adapt.robot.access import caller
    from adapt.robot.load import load_robot

    specification, asks = load_robot(robot), caller()
    specification.access.check("open_audit", asks, why)
    ledger = Ledger(_file(store), specification, time.time_ns)
    try:
        opened = ledger.open_audit(why, asks)
    finally:
        ledger.close()
    arrays = {}
    for segment, ticks in opened:
        for name in ("stamp_ns", "observation", "applied"):
            arrays[f"{segment.number}/{name}"] = getattr(ticks, name)
    with replacing(out) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
    output.console().print(f"{len(opened)} audit segments in {out}; the opening was written down")
    output.finish(
        {"segments": [segment.number for segment, _ in opened], "out": str(out), "why": why, "caller": asks},
        json,
    )


def _file(store: Path) -> Path:
    path = store / FILE
    if not path.is_file():
        raise UserError(f"{path}: no such file: give the store of a run with --store")
    return path
