"""Who depends on a version: read where it lies as a file, written down where it leaves none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapt.registry.dependents import Dependent


def dependents_in_files(incidents: Path, reports: Iterable[Path]) -> Iterator[Dependent]:
    """Incidents and evaluations, by the versions that they name.

    Args:
        incidents: folder that holds `incidents`.
        reports: JSON reports, or folders with `report.json` in them or below.

    Raises:
        UserError: a report given by its own path cannot be read.
    """
    from adapt.bags.incident import list_incidents
    from adapt.registry.dependents import Dependent, read_reports

    for each in list_incidents(incidents):
        for version in dict.fromkeys(each.card.versions):
            yield Dependent("incident", each.card.id, version, each.card.stamp_ns)
    for path in reports:
        yield from read_reports(path)


def note_dependent(checkpoint: Path, version: str, kind: str, name: str) -> None:
    """Write down, in the store where a checkpoint lies, what was made with it and leaves no report."""
    import time
    from contextlib import closing

    from adapt.registry.registry import registry_of

    if registry := registry_of(checkpoint, time.time_ns):
        with closing(registry):
            registry.depend(kind, name, version, {})
