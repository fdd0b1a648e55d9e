"""An append-only journal in SQLite. Every entry is hashed together with the one before it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.errors import UserError

SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL, hash TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS attachment (
    entry INTEGER PRIMARY KEY REFERENCES entry (number), content BLOB NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact. `number` counts from 1 without a gap."""

    number: int
    kind: str
    body: dict[str, Any]
    hash: str


class Journal:
    """Facts in the order in which they were learned, each on disk before `append` returns.

    One process appends; any number may read. Errors of the disk come up as sqlite3.Error, and the
    journal is then as it was before.

    Raises:
        UserError: `path` is not a journal.
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(SCHEMA)
            last = self._connection.execute(
                "SELECT number, hash FROM entry ORDER BY number DESC LIMIT 1"
            ).fetchone()
        except sqlite3.DatabaseError as error:
            raise UserError(
                f"{path}: not a readable ledger ({error}): restore it or use a new store"
            ) from error
        self._last: tuple[int, str] = last or (0, "")

    def append(self, kind: str, body: dict[str, Any], attachment: bytes | None = None) -> Entry:
        """Write one fact, and its attachment with it, wholly or not at all.

        Raises:
            UserError: another process has appended meanwhile.
            sqlite3.Error: the disk is full or fails.
        """
        text = json.dumps(body, sort_keys=True, allow_nan=False)
        number, previous = self._last[0] + 1, self._last[1]
        digest = chain_hash(previous, kind, text)
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.execute("INSERT INTO entry VALUES (?, ?, ?, ?)", (number, kind, text, digest))
            if attachment is not None:
                self._connection.execute("INSERT INTO attachment VALUES (?, ?)", (number, attachment))
            self._connection.execute("COMMIT")
        except sqlite3.IntegrityError as error:
            self._connection.execute("ROLLBACK")
            raise UserError(
                f"{self.path}: another process writes here: stop it, or use a store of its own"
            ) from error
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._last = number, digest
        return Entry(number, kind, body, digest)

    def entries(self) -> Iterator[Entry]:
        """All facts in order.

        Raises:
            UserError: the chain is broken at an entry, which is named.
        """
        previous = ""
        rows = self._connection.execute("SELECT number, kind, body, hash FROM entry ORDER BY number")
        for expected, (number, kind, text, digest) in enumerate(rows, start=1):
            if number != expected or digest != chain_hash(previous, kind, text):
                raise UserError(f"{self.path}: entry {expected} was altered or removed: restore the file")
            yield Entry(number, kind, json.loads(text), digest)
            previous = digest

    def attachment(self, number: int) -> bytes | None:
        """What was attached to entry `number`."""
        row = self._connection.execute("SELECT content FROM attachment WHERE entry = ?", (number,)).fetchone()
        return None if row is None else bytes(row[0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def chain_hash(previous: str, kind: str, text: str) -> str:
    """The hash of an entry, given that of the entry before it."""
    return hashlib.sha256("\n".join((previous, kind, text)).encode()).hexdigest()
