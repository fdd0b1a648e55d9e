"""What was decided about versions and what was made with them, in SQLite: any process may write."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from adapt.errors import UserError
from adapt.registry.dependents import Dependent
from adapt.registry.standing import RegistryDecision

SCHEMA = """
CREATE TABLE IF NOT EXISTS decision (
    number INTEGER PRIMARY KEY AUTOINCREMENT, stamp_ns INTEGER NOT NULL, kind TEXT NOT NULL,
    version TEXT NOT NULL, reason TEXT NOT NULL, evidence TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS dependent (
    kind TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, stamp_ns INTEGER NOT NULL,
    detail TEXT NOT NULL, PRIMARY KEY (kind, name)
);
"""


class DecisionLog:
    """Decisions, to which is only ever added, and dependents. Each entry is one statement: all or nothing."""

    def __init__(self, path: Path, clock: Callable[[], int]) -> None:
        """Open a log, or begin one. `clock` (ns) stamps the entries.

        Raises:
            UserError: the file is not readable.
        """
        self._path = path
        self._clock = clock
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(SCHEMA)
        except sqlite3.DatabaseError as error:
            raise UserError(f"{path}: not readable ({error}): restore it or use a new store") from error

    def decisions(self) -> list[RegistryDecision]:
        """All that was decided, in order.

        Raises:
            UserError: the file was damaged.
        """
        rows = self._rows("SELECT stamp_ns, kind, version, reason, evidence FROM decision ORDER BY number")
        return [RegistryDecision(*row) for row in rows]

    def decide(
        self, kind: str, version: str, reason: str, evidence: Mapping[str, Any], after: int | None = None
    ) -> bool:
        """Write down a decision; False, and nothing is written, unless it comes `after` so many others."""
        written = self._connection.execute(
            "INSERT INTO decision (stamp_ns, kind, version, reason, evidence) SELECT ?, ?, ?, ?, ?"
            " WHERE ?6 IS NULL OR (SELECT COUNT(*) FROM decision) = ?6",
            (self._clock(), kind, version, reason, json.dumps(dict(evidence), allow_nan=False), after),
        )
        return written.rowcount == 1

    def dependents(self) -> list[Dependent]:
        """All that was said to depend on a version, the oldest first.

        Raises:
            UserError: the file was damaged.
        """
        rows = self._rows(
            "SELECT kind, name, version, stamp_ns, detail FROM dependent ORDER BY stamp_ns, kind, name"
        )
        return [Dependent(*row) for row in rows]

    def depend(self, kind: str, name: str, version: str, detail: Mapping[str, Any]) -> None:
        """Write down that `name` depends on a version, and no more on the one that it did before."""
        self._connection.execute(
            "INSERT OR REPLACE INTO dependent (kind, name, version, stamp_ns, detail) VALUES (?, ?, ?, ?, ?)",
            (kind, name, version, self._clock(), json.dumps(dict(detail), allow_nan=False)),
        )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _rows(self, query: str) -> list[list[Any]]:
        """The rows of a query; the last of their fields is JSON."""
        try:
            return [[*row[:-1], json.loads(row[-1])] for row in self._connection.execute(query)]
        except sqlite3.OperationalError:
            raise  # the disk, or another process, and not what is in the file
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            raise UserError(f"{self._path}: damaged ({error}): restore it") from error
