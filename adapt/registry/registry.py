"""All versions of a robot's model, which of them drives, why, and what was made with them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapt.errors import UserError
from adapt.files import replacing, sync_folder
from adapt.model.checkpoint import Card, load_card, load_checkpoint, load_weights, save_checkpoint
from adapt.model.world_model import WorldModel
from adapt.registry.dependents import Dependent
from adapt.registry.log import DecisionLog
from adapt.registry.standing import RegistryDecision, Standing, ancestors, driven, standings
from adapt.robot.specification import RobotSpecification

DECISIONS = "decisions.sqlite"


class Registry:
    """A folder: versions/<version>/model.{safetensors,json}, never overwritten, and decisions.sqlite.

    Any process may read, and any may decide (the learner admits, a person rolls back). One adds.
    """

    def __init__(
        self, folder: Path, specification: RobotSpecification | None, clock: Callable[[], int]
    ) -> None:
        """Open a registry, or begin an empty one.

        Args:
            folder: the store.
            specification: the robot; None where no weights are to be added or loaded.
            clock: ns; stamps the decisions.

        Raises:
            UserError: `decisions.sqlite` is not readable.
        """
        self.folder = folder
        self._robot = specification
        self._versions = folder / "versions"
        self._versions.mkdir(parents=True, exist_ok=True)
        self._log = DecisionLog(folder / DECISIONS, clock)

    def add(self, model: WorldModel, parent: str | None, lineage: dict[str, Any]) -> Card:
        """Keep a set of weights, named by their content. It becomes visible whole or not at all.

        Raises:
            UserError: a weight is not finite.
            OSError: the disk is full or fails.
        """
        return self._keep(lambda path: save_checkpoint(path, model, self._specification, parent, lineage))

    def adopt(self, checkpoint: Path) -> Card:
        """Keep a copy of a checkpoint that lies elsewhere, with its card as it is.

        Raises:
            UserError: see `load_checkpoint`.
            OSError: the disk is full or fails.
        """
        card = load_checkpoint(checkpoint, self._specification)[1]

        def copy(path: Path) -> Card:
            for suffix in (path.suffix, ".json"):
                with replacing(path.with_suffix(suffix)) as temporary:
                    shutil.copyfile(checkpoint.with_suffix(suffix), temporary)
            return card

        return self._keep(copy)

    def load(self, version: str) -> tuple[WorldModel, Card]:
        """The model of a version, in evaluation mode.

        Raises:
            UserError: there is no such version, its files were damaged, they are those of another one, or it
                acts at once on a robot with a dead time.
        """
        specification = self._specification
        model, card = load_checkpoint(self.path(version), specification)
        if card.version != version:
            raise UserError(f"{self.path(version)}: holds version {card.version}: restore the files")
        if card.acts_at_once and specification.dead_time_ticks:
            raise UserError(
                f"{self.path(version)}: acts in the tick in which it plans, but robot '{specification.name}'"
                f" has dead_time_ticks: {specification.dead_time_ticks}: give a robot file with 0"
            )
        return model, card

    def card(self, version: str) -> Card:
        """What is known of a version.

        Raises:
            UserError: there is no such version, or its card was damaged.
        """
        return load_card(self.path(version))

    def path(self, version: str) -> Path:
        """Where the weights of a version lie.

        Raises:
            UserError: there is no such version.
        """
        path = self._versions / version / "model.safetensors"
        if version not in self.versions() or not path.is_file():
            known = ", ".join(self.versions()) or "none"
            raise UserError(f"{self.folder}: no version '{version}'; there are: {known}")
        return path

    def versions(self) -> list[str]:
        """All versions, by name."""
        return sorted(path.name for path in self._versions.glob("[!.]*") if path.is_dir())

    def cards(self) -> dict[str, Card]:
        """The cards of all versions whose card is whole; `registry_problems` tells of the others."""
        cards = {}
        for version in self.versions():
            with suppress(UserError):
                cards[version] = self.card(version)
        return cards

    def lineage(self, version: str) -> list[Card]:
        """A version, its parent, and so on, as far as they are here.

        Raises:
            UserError: there is no such version, or its card was damaged.
        """
        first, cards = self.card(version), self.cards()
        above = ancestors(version, self._parents(cards))
        return [first, *(cards[each] for each in above if each in cards)]

    def current(self) -> str | None:
        """The version that is admitted now; None before the first."""
        drove = driven(self.decisions())
        return drove[-1] if drove else None

    def standings(self) -> dict[str, Standing]:
        """How each version stands, also one whose files are damaged or gone."""
        return standings(self._parents(self.cards()), self.decisions())

    def admit(self, version: str, evidence: dict[str, Any], reason: str) -> None:
        """Let a version drive.

        Raises:
            UserError: there is no such version.
        """
        self.path(version)
        self._log.decide("admitted", version, reason, evidence)

    def reject(self, version: str, evidence: dict[str, Any], reason: str) -> None:
        """Write down that a version was not let in.

        Raises:
            UserError: there is no such version.
        """
        self.path(version)
        self._log.decide("rejected", version, reason, evidence)

    def rollback(self, reason: str, evidence: Mapping[str, Any] | None = None) -> str:
        """Return to the version that drove before the current one, and give its name.

        The decision says `from` which version, besides the evidence.

        Raises:
            UserError: there is none, or its files were damaged; nothing changes.
        """
        while True:
            decisions = self._log.decisions()
            drove = driven(decisions)
            if len(drove) < 2:
                raise UserError(f"{self.folder}: there is no earlier version to roll back to")
            load_weights(self.path(drove[-2]))
            # Another process may have decided meanwhile: then look again.
            said = {"from": drove[-1], **(evidence or {})}
            if self._log.decide("rolled_back", drove[-2], reason, said, after=len(decisions)):
                return drove[-2]

    def decisions(self, version: str | None = None) -> list[RegistryDecision]:
        """All that was decided, or all about one version, in order."""
        return [each for each in self._log.decisions() if version in (None, each.version)]

    def depend(self, kind: str, name: str, version: str, detail: Mapping[str, Any]) -> None:
        """Write down that something was made with a version: whole or not at all.

        What is made again under the same name depends on the new version only. Files that name their
        version themselves (incidents, reports) need no such entry.

        Args:
            kind: `settings`, `evaluation`, ...
            name: path or title, unique within its kind.
            version: the version that it was made with.
            detail: whatever helps to make it again, as JSON.

        Raises:
            UserError: there is no such version.
        """
        self.path(version)
        self._log.depend(kind, name, version, detail)

    def dependents(self, version: str | None = None, also: Iterable[Dependent] = ()) -> list[Dependent]:
        """What was made with a version or with one derived from it, or with any version of this registry.

        Args:
            version: None for all.
            also: found elsewhere, such as incidents and reports; those of unknown versions are left out.

        Raises:
            UserError: there is no such version.
        """
        parents = self._parents(self.cards())
        standing = standings(parents, self.decisions())
        if version is not None and version not in standing:
            self.path(version)
        found = []
        for each in (*self._derived(parents), *self._log.dependents(), *also):
            if version in (None, each.version, *ancestors(each.version, parents)):
                # A version that was let in is not stale because its parent made room for it.
                stands = standing.get(each.name if each.kind == "version" else each.version)
                if stands is not None:
                    found.append(replace(each, stale=stands.stale, stale_since_ns=stands.stale_since_ns))
        return found

    def close(self) -> None:
        """Close the log of decisions."""
        self._log.close()

    def _keep(self, write: Callable[[Path], Card]) -> Card:
        """Let a checkpoint be written beside the versions, then give it its name among them."""
        for left_by_a_kill in self._versions.glob(".adding-*"):
            shutil.rmtree(left_by_a_kill)
        temporary = Path(tempfile.mkdtemp(prefix=".adding-", dir=self._versions))
        try:
            card = write(temporary / "model.safetensors")
            target = self._versions / card.version
            if target.exists():
                return self.card(card.version)
            temporary.rename(target)
            sync_folder(self._versions)
            return card
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    @property
    def _specification(self) -> RobotSpecification:
        if self._robot is None:
            raise ValueError("a registry that was opened without a robot neither adds nor loads weights")
        return self._robot

    def _parents(self, cards: Mapping[str, Card]) -> dict[str, str | None]:
        return {name: cards[name].parent if name in cards else None for name in self.versions()}

    def _derived(self, parents: Mapping[str, str | None]) -> Iterator[Dependent]:
        for version, parent in parents.items():
            if parent is not None:
                stamp_ns = self.path(version).stat().st_mtime_ns
                yield Dependent("version", version, parent, stamp_ns)


def registry_of(checkpoint: Path, clock: Callable[[], int]) -> Registry | None:
    """The registry that a checkpoint lies in, to write down what is made with it; None for a lone file."""
    versions = checkpoint.resolve().parent.parent
    inside = versions.name == "versions" and (versions.parent / DECISIONS).is_file()
    return Registry(versions.parent, None, clock) if inside else None
