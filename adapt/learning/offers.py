"""Versions that others have put into the registry, such as re-distilled ones: candidates like any other."""

from __future__ import annotations

from contextlib import suppress

from adapt.errors import UserError
from adapt.learning.ledger import Ledger
from adapt.registry.registry import Registry

OFFER = "offer"
"""What depends on a version that somebody has offered; see `Registry.depend`."""


class Offers:
    """Finds what nobody has judged yet."""

    def __init__(self, registry: Registry, ledger: Ledger) -> None:
        """`registry` is where they appear; in the `ledger` are those that stood before the gate."""
        self._registry = registry
        self._ledger = ledger
        self._settled: set[str] = set()

    def next(self, incumbent: str) -> str | None:
        """A version that was made from the incumbent, and about which nothing was decided or judged."""
        judged = {each.version for each in self._ledger.records.trainings}
        for version in self._registry.versions():
            if version in judged or version in self._settled:
                continue
            if self._registry.decisions(version):
                self._settled.add(version)
                continue
            # What is damaged is told by `adapt models verify`, and never drives.
            with suppress(UserError):
                if self._registry.card(version).parent == incumbent:
                    return version
        return None

    def made(self, version: str) -> bool:
        """Whether somebody has offered it; False of what the learner made itself."""
        known = self._registry.dependents(version)
        return any(each.kind == OFFER and each.version == version for each in known)

    def refuse(self, version: str) -> None:
        """Forget a version that cannot be judged."""
        self._settled.add(version)
