"""All versions of a robot's model, which of them drives, and why."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from adapt.errors import UserError
from adapt.files import sync_folder
from adapt.model.checkpoint import Card, load_card, load_checkpoint, save_checkpoint
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification

DecisionKind = Literal["admitted", "rejected", "rolled_back"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS decision (
    number INTEGER PRIMARY KEY AUTOINCREMENT, stamp_ns INTEGER NOT NULL, kind TEXT NOT NULL,
    version TEXT NOT NULL, reason TEXT NOT NULL, evidence TEXT NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class RegistryDecision:
    """What was decided about a version; for `rolled_back` it is the version returned to."""

    stamp_ns: int
    kind: DecisionKind
    version: str
    reason: str
    evidence: dict[str, Any]


class Registry:
    """A folder: versions/<version>/model.{safetensors,json}, never overwritten, and decisions.sqlite.

    Any process may read, and any may decide (the learner admits, a person rolls back). One adds.
    """

    def __init__(self, folder: Path, specification: RobotSpecification, clock: Callable[[], int]):
        """Open a registry, or begin an empty one. `clock` (ns) stamps the decisions.

        Raises:
            UserError: `decisions.sqlite` is not readable.
        """
        self.folder = folder
        self._specification = specification
        self._clock = clock
        self._versions = folder / "versions"
        self._versions.mkdir(parents=True, exist_ok=True)
        path = folder / "decisions.sqlite"
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute(SCHEMA)
        except sqlite3.DatabaseError as error:
            raise UserError(f"{path}: not readable ({error}): restore it or use a new store") from error

    def add(self, model: WorldModel, parent: str | None, lineage: dict[str, Any]) -> Card:
        """Keep a set of weights, named by their content. It becomes visible whole or not at all.

        Raises:
            UserError: a weight is not finite.
            OSError: the disk is full or fails.
        """
        for left_by_a_kill in self._versions.glob(".adding-*"):
            shutil.rmtree(left_by_a_kill)
        temporary = Path(tempfile.mkdtemp(prefix=".adding-", dir=self._versions))
        try:
            card = save_checkpoint(
                temporary / "model.safetensors", model, self._specification, parent, lineage
            )
            target = self._versions / card.version
            if target.exists():
                return self.card(card.version)
            temporary.rename(target)
            sync_folder(self._versions)
            return card
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def load(self, version: str) -> tuple[WorldModel, Card]:
        """The model of a version, in evaluation mode.

        Raises:
            UserError: there is no such version, or its files were damaged.
        """
        return load_checkpoint(self._path(version), self._specification)

    def card(self, version: str) -> Card:
        """What is known of a version.

        Raises:
            UserError: there is no such version.
        """
        return load_card(self._path(version))

    def versions(self) -> list[str]:
        """All versions, by name."""
        found = (path.name for path in self._versions.iterdir() if not path.name.startswith("."))
        return sorted(found)

    def lineage(self, version: str) -> list[Card]:
        """A version, its parent, and so on, as far as they are here."""
        cards = []
        known = set(self.versions())
        name: str | None = version
        while name in known:
            cards.append(self.card(name))
            name = cards[-1].parent
        return cards

    def current(self) -> str | None:
        """The version that is admitted now; None before the first."""
        admitted = self._admitted()
        return admitted[-1] if admitted else None

    def admit(self, version: str, evidence: dict[str, Any], reason: str) -> None:
        """Let a version drive.

        Raises:
            UserError: there is no such version.
        """
        self._path(version)
        self._decide("admitted", version, reason, evidence)

    def reject(self, version: str, evidence: dict[str, Any], reason: str) -> None:
        """Write down that a version was not let in."""
        self._path(version)
        self._decide("rejected", version, reason, evidence)

    def rollback(self, reason: str) -> str:
        """Return to the version that drove before the current one, and give its name.

        Raises:
            UserError: there is none.
        """
        admitted = self._admitted()
        if len(admitted) < 2:
            raise UserError(f"{self.folder}: there is no earlier version to roll back to")
        self._decide("rolled_back", admitted[-2], reason, {"from": admitted[-1]})
        return admitted[-2]

    def decisions(self, version: str | None = None) -> list[RegistryDecision]:
        """All that was decided, or all about one version, in order."""
        rows = self._connection.execute(
            "SELECT stamp_ns, kind, version, reason, evidence FROM decision ORDER BY number"
        )
        decisions = [
            RegistryDecision(stamp_ns, kind, name, reason, json.loads(evidence))
            for stamp_ns, kind, name, reason, evidence in rows
        ]
        return [each for each in decisions if version in (None, each.version)]

    def close(self) -> None:
        """Close the log of decisions."""
        self._connection.close()

    def _admitted(self) -> list[str]:
        """The versions that drove, without those that were rolled back from."""
        rows = self._connection.execute(
            "SELECT kind, version FROM decision WHERE kind != 'rejected' ORDER BY number"
        )
        admitted: list[str] = []
        for kind, version in rows:
            if kind == "admitted":
                admitted.append(version)
            else:
                admitted.pop()
        return admitted

    def _decide(self, kind: DecisionKind, version: str, reason: str, evidence: dict[str, Any]) -> None:
        self._connection.execute(
            "INSERT INTO decision (stamp_ns, kind, version, reason, evidence) VALUES (?, ?, ?, ?, ?)",
            (self._clock(), kind, version, reason, json.dumps(evidence, allow_nan=False)),
        )

    def _path(self, version: str) -> Path:
        path = self._versions / version / "model.safetensors"
        if not path.is_file():
            known = ", ".join(self.versions()) or "none"
            raise UserError(f"{self.folder}: no version '{version}'; there are: {known}")
        return path
