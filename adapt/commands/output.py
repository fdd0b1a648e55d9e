"""What all commands share: options, tables and progress for people, one JSON object for programs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from adapt.errors import UserError

RobotName = Annotated[str, typer.Option("--robot", help="Robot file: a path, or a name in configs/robots.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
Store = Annotated[
    Path, typer.Option("--store", help="Folder with versions, ledger and incidents, as of 'adapt up'.")
]
MessageFolder = Annotated[
    Path | None, typer.Option("--msg-dir", help="Folder of .msg files for bags that carry no definitions.")
]
Columns = Annotated[
    str | None,
    typer.Option(
        help="What the columns of tables are: a YAML file, or a name in configs/logs. [default: the robot's]"
    ),
]
DEFAULT_STORE = Path("runs")

PROBLEMS = 1
"""Exit code where the command did its work and found something wrong."""


def console() -> Console:
    """Where people read."""
    return Console(highlight=False, soft_wrap=False)


def progress() -> Progress:
    """A bar that vanishes at the end; on standard error, so that it never mixes with the result.

    Where nobody watches (a file, a pipe) nothing is written: rich would leave empty lines.
    """
    where = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=where,
        transient=True,
        disable=not where.is_terminal,
    )


def finish(data: Any, as_json: bool, text: str | None = None) -> None:
    """End a command: a last sentence for people, and for programs, if asked for, one object on one line."""
    if text is not None:
        console().print(text, soft_wrap=True, markup=False)
    if as_json:
        typer.echo(json.dumps(data, allow_nan=False))


def table(title: str, *columns: str) -> Table:
    """An empty table; a column whose name begins with '>' is set to the right."""
    made = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        name = column.removeprefix(">")
        made.add_column(name, justify="right" if column != name else "left", overflow="fold")
    return made


def moment(stamp_ns: int) -> str:
    """A stamp as people read it, UTC."""
    from datetime import datetime, timezone

    return f"{datetime.fromtimestamp(stamp_ns // 1_000_000_000, timezone.utc):%Y-%m-%d %H:%M:%S}"


def numbers(text: str) -> tuple[float, ...]:
    """Numbers as they are given to --command.

    Raises:
        UserError: they are not finite numbers.
    """
    try:
        found = tuple(float(each) for each in text.replace(",", " ").split())
    except ValueError:
        found = ()
    if not found or not all(math.isfinite(each) for each in found):
        raise UserError(f'--command "{text}": give numbers, such as --command "0.5 0 0"')
    return found
