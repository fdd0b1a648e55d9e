"""Incidents: the bag of what went wrong and a card that says why, with what, and when."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from adapt.bags.belief import Belief
from adapt.bags.topic import RawMessage, TopicDescription
from adapt.bags.trigger import Capture, Severity, Trigger
from adapt.bags.writer import BagWriter
from adapt.errors import UserError
from adapt.files import write_text
from adapt.robot.specification import RobotSpecification
from adapt.settings import Settings

logger = logging.getLogger(__name__)


class Criterion(Settings):
    """What a version must foretell of an incident to pass it: written into the card by a blessing."""

    at_most: Annotated[float, Field(gt=0)]
    """Root mean square of the open-loop error over the stretch, in `unit`."""
    unit: str
    from_s: float | None = None
    """The stretch that counts, by the "now" of each forecast, in s after the first trigger; None for
    the beginning of the bag."""
    to_s: float | None = None
    """None for the end of the bag."""
    reason: str = ""
    """Where the bound comes from, or what a person said of it."""

    @model_validator(mode="after")
    def _stretch_has_a_length(self) -> Criterion:
        if self.from_s is not None and self.to_s is not None and not self.from_s < self.to_s:
            raise ValueError(f"the stretch from {self.from_s:g} s to {self.to_s:g} s is empty")
        return self


class IncidentCard(Settings):
    """What is known of an incident besides its bag; times in ns of the robot's clock."""

    id: str
    trigger: str
    """Kind of the first trigger."""
    severity: Severity
    stamp_ns: int
    """When the first trigger came."""
    start_ns: int
    end_ns: int
    triggers: tuple[Trigger, ...]
    versions: tuple[str, ...] = ()
    """World-model versions that drove, the last one last."""
    robot: str
    robot_schema_hash: str
    configuration_hash: str
    """Of the whole robot file."""
    budget: dict[str, Any] | None = None
    """The budget's position: `budget` in the detail of the newest event that had one."""
    messages: dict[str, int] = {}
    """Messages in the bag by topic."""
    dropped: dict[str, int] = {}
    """Messages by topic that the recorder had to drop for lack of memory since it began."""
    believed: Belief | None = None
    """What the planner had foretold, against what was seen; None where it foretold nothing."""
    criterion: Criterion | None = None
    """What later versions must pass; None where nobody has blessed the incident."""


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident on disk: a folder `<store>/incidents/<id>/` with `card.json`, `picture.svg` and `bag/`."""

    card: IncidentCard
    folder: Path

    @property
    def bag(self) -> Path:
        """The bag's folder."""
        return self.folder / "bag"


def make_card(
    capture: Capture,
    specification: RobotSpecification,
    versions: Iterable[str] = (),
    budget: dict[str, Any] | None = None,
    dropped: dict[str, int] | None = None,
) -> IncidentCard:
    """The card of a capture; `write_incident` adds the messages."""
    first = capture.triggers[0]
    kind = re.sub(r"[^A-Za-z0-9]+", "_", first.kind)
    return IncidentCard(
        id=f"{moment_name(first.stamp_ns)}-{kind}",
        trigger=first.kind,
        severity=capture.severity,
        stamp_ns=first.stamp_ns,
        start_ns=capture.start_ns,
        end_ns=capture.end_ns,
        triggers=capture.triggers,
        versions=tuple(versions),
        robot=specification.name,
        robot_schema_hash=specification.schema_hash,
        configuration_hash=hashlib.sha256(specification.model_dump_json().encode()).hexdigest()[:16],
        budget=budget,
        dropped=dropped or {},
    )


def write_incident(
    store: Path,
    card: IncidentCard,
    topics: Iterable[TopicDescription],
    messages: Iterable[RawMessage],
    picture: str | None = None,
) -> Incident:
    """Write bag, picture (SVG) and card; the card comes last, so that an incident with a card is whole.

    Where the id is taken, by an incident of the same millisecond, a number is added to it.
    """
    folder = free_folder(store / "incidents", card.id)
    with BagWriter(folder / "bag") as writer:
        for topic in topics:
            writer.add_described_topic(topic)
        for message in messages:
            writer.write(*message)
    if picture is not None:
        write_text(folder / "picture.svg", picture)
    card = card.model_copy(update={"id": folder.name, "messages": dict(writer.message_counts)})
    write_text(folder / "card.json", card.model_dump_json(indent=2))
    return Incident(card, folder)


def bless(incident: Incident, criterion: Criterion | None) -> Incident:
    """Write into the card what later versions must pass; None withdraws it. The bag stays as it is."""
    card = incident.card.model_copy(update={"criterion": criterion})
    write_text(incident.folder / "card.json", card.model_dump_json(indent=2))
    return Incident(card, incident.folder)


def free_folder(parent: Path, name: str) -> Path:
    """`parent/name`, or `parent/name-2` and so on where that exists."""
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(parent / each for each in names if not (parent / each).exists())


def moment_name(stamp_ns: int) -> str:
    """A stamp as a name that sorts by time, in UTC to the millisecond."""
    moment = datetime.fromtimestamp(stamp_ns // 1_000_000_000, timezone.utc)
    return f"{moment:%Y%m%dT%H%M%S}_{stamp_ns // 1_000_000 % 1000:03d}"


def list_incidents(store: Path) -> list[Incident]:
    """All whole incidents of a store, the oldest first; one that is not whole is named in a warning."""
    incidents = []
    for folder in sorted((store / "incidents").glob("*/")):
        try:
            incidents.append(load_incident(store, folder.name))
        except UserError as error:
            logger.warning("%s", error)
    return sorted(incidents, key=lambda incident: incident.card.stamp_ns)


def load_incident(store: Path, identifier: str) -> Incident:
    """One incident by its id.

    Raises:
        UserError: there is none of that id, or it was cut off or altered.
    """
    folder = store / "incidents" / identifier
    path = folder / "card.json"
    if Path(identifier).name != identifier or not identifier or not folder.is_dir():
        known = ", ".join(sorted(each.name for each in (store / "incidents").glob("*/"))) or "none"
        raise UserError(f"{folder}: no such incident; there are: {known}")
    if not path.is_file():
        raise UserError(f"{folder}: the incident was cut off: run 'adapt bags recover {folder / 'bag'}'")
    try:
        card = IncidentCard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "file"
        raise UserError(f"{path}: key '{key}': {first['msg']}: restore the file") from error
    return Incident(card, folder)
