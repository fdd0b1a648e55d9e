"""What a person sees while the nodes run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from rich import box
from rich.table import Table
from rich.text import Text

STYLES = {
    "running": "green",
    "dry_run": "yellow",
    "armed": "yellow",
    "fallback": "bold red",
    "stopped": "red",
}


@dataclass(frozen=True)
class Row:
    """One node: its process, and what it last said on /diagnostics (its message under `state`)."""

    name: str
    pid: int
    exit_code: int | None
    diagnostics: Mapping[str, str]

    @property
    def state(self) -> str:
        """What it does, in a few words."""
        if self.exit_code is not None:
            return f"ended ({self.exit_code})"
        return self.diagnostics.get("state", "running").partition(",")[0]


def live_table(title: str, rows: list[Row]) -> Table:
    """Nodes, their rates, the version that drives and the budget; empty where a node says nothing of it."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for heading in ("node", "pid", "state", "rate", "missed", "version", "budget"):
        table.add_column(
            heading, justify="right" if heading in ("pid", "rate", "missed") else "left", no_wrap=True
        )
    for row in rows:
        said = row.diagnostics
        style = "red" if row.exit_code else STYLES.get(row.state, "")
        table.add_row(
            row.name,
            str(row.pid),
            Text(row.state, style=style),
            _rate(said),
            _whole(said.get("missed")),
            _version(said),
            _budget(said),
        )
    return table


def _rate(said: Mapping[str, str]) -> str:
    kept, wanted = said.get("kept_hz"), said.get("configured_hz")
    return f"{float(kept):.1f}/{float(wanted):g} Hz" if kept and wanted else ""


def _whole(number: str | None) -> str:
    return f"{float(number):.0f}" if number else ""


def _version(said: Mapping[str, str]) -> str:
    return said.get("version") or json.loads(said.get("incumbent", '""'))


def _budget(said: Mapping[str, str]) -> str:
    """Ticks spent of those there were, all splits together."""
    splits = json.loads(said.get("budget", "{}")).values()
    used = sum(split["used"] for split in splits)
    return f"{used}/{used + sum(split['remaining'] for split in splits)}" if splits else ""
