"""Room on the disk: which incidents go first when there are too many."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

from adapt.bags.incident import Incident, list_incidents
from adapt.bags.trigger import SEVERITIES


def least_informative(incidents: list[Incident]) -> Incident | None:
    """The incident that can be spared best; None where none can.

    Never the newest, and never one that is blessed. First goes what later ones of the same trigger and
    version tell again, the most often told first; then the mildest; then the oldest.

    Args:
        incidents: the oldest first.
    """
    told_again: Counter[tuple[str, str]] = Counter()
    again: dict[str, int] = {}
    for incident in reversed(incidents):
        card = incident.card
        kind = card.trigger, card.versions[-1] if card.versions else ""
        again[card.id] = told_again[kind]
        told_again[kind] += 1
    spared = [each for each in incidents[:-1] if each.card.criterion is None]
    return min(
        spared,
        key=lambda each: (
            -again[each.card.id],
            SEVERITIES.index(each.card.severity),
            each.card.stamp_ns,
            each.card.id,
        ),
        default=None,
    )


def keep_within(store: Path, max_bytes: int) -> list[Incident]:
    """Drop incidents until those that are left take no more than `max_bytes`, or none can be spared.

    An incident disappears whole: a kill leaves it either listed or in a folder of rubbish, which the next
    call empties. Folders that were cut off count, but are left for recovery.

    Returns:
        what was dropped.
    """
    rubbish = store / "incidents.dropped"
    shutil.rmtree(rubbish, ignore_errors=True)
    dropped: list[Incident] = []
    incidents = list_incidents(store)
    size = folder_bytes(store / "incidents")
    while size > max_bytes and (spared := least_informative(incidents)) is not None:
        size -= folder_bytes(spared.folder)
        rubbish.mkdir(exist_ok=True)
        spared.folder.rename(rubbish / spared.folder.name)
        shutil.rmtree(rubbish)
        incidents.remove(spared)
        dropped.append(spared)
    return dropped


def folder_bytes(folder: Path) -> int:
    """Size of all files in a folder and below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
