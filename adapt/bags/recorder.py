"""The recorder without ROS: messages and events in, incident bags out."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from rosbags.serde import SerdeError

from adapt.bags.belief import believed, read_account
from adapt.bags.incident import (
    Incident,
    IncidentCard,
    free_folder,
    make_card,
    moment_name,
    write_incident,
)
from adapt.bags.picture import incident_picture
from adapt.bags.quota import keep_within
from adapt.bags.ring import Ring
from adapt.bags.topic import QualityOfService, RawMessage, describe_topic, standard_types
from adapt.bags.trigger import SEVERITIES, Capture, CaptureSettings, CaptureWindow, Severity
from adapt.bags.watch import ConditionWatch, Finding, SilenceWatch
from adapt.bags.writer import BagWriter
from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification
from adapt.settings import Settings
from adapt.stream.forecast_message import FORECAST_TOPIC, FORECAST_TYPE
from adapt.stream.reference import is_path
from adapt.stream.tick_message import TICK_TOPIC, TICK_TYPE

logger = logging.getLogger(__name__)

STRING = "std_msgs/msg/String"
EVENT_TOPIC = "/adapt/event"
VERSION_TOPIC = "/adapt/model_version"
SENSOR = QualityOfService(depth=5000, reliable=False)
RELIABLE = QualityOfService(depth=5000)
LATCHED = QualityOfService(depth=1, transient_local=True)
OUR_TOPICS = {
    "/adapt/proposal": ("trajectory_msgs/msg/JointTrajectory", RELIABLE),
    TICK_TOPIC: (TICK_TYPE, RELIABLE),
    FORECAST_TOPIC: (FORECAST_TYPE, RELIABLE),
    EVENT_TOPIC: (STRING, RELIABLE),
    VERSION_TOPIC: (STRING, LATCHED),
    "/diagnostics": ("diagnostic_msgs/msg/DiagnosticArray", RELIABLE),
}


def recorded_topics(specification: RobotSpecification) -> dict[str, tuple[str, QualityOfService]]:
    """Type and QoS of every topic that is recorded: the robot's, from its file, and ours.

    Raises:
        UserError: a rule for incidents names a topic with another type, or one that is not recorded.
    """
    action, command, rules = specification.action, specification.task.command, specification.incidents
    topics = {
        **{channel.topic: (channel.type, SENSOR) for channel in specification.channels.values()},
        action.topic: (action.type, RELIABLE),
        # A set-point's publisher keeps nothing for who comes late, and would not be heard.
        command.topic: (command.type, LATCHED if is_path(command) else SENSOR),
        **OUR_TOPICS,
    }
    for name, condition in rules.conditions.items():
        kind, _ = topics.setdefault(condition.topic, (condition.type, SENSOR))
        if kind != condition.type:
            raise UserError(
                f"robot '{specification.name}': key 'incidents.conditions.{name}.type': {condition.topic}"
                f" is a {kind} everywhere else"
            )
    for topic in rules.silent_after_s:
        if topic not in topics:
            raise UserError(
                f"robot '{specification.name}': key 'incidents.silent_after_s': {topic} is not recorded;"
                f" there are: {', '.join(topics)}"
            )
    return topics


class RecorderSettings(Settings):
    """What the recorder keeps, and when it writes."""

    capture: CaptureSettings = CaptureSettings()
    ring_s: Annotated[float, Field(gt=0)] = 60.0
    ring_mb: Annotated[float, Field(gt=0)] = 256.0
    trigger_kinds: tuple[str, ...] = ()
    """Events of these kinds begin an incident; so does every event of severity error."""
    continuous: bool = False
    """Whether everything is also written to `<store>/recordings`."""
    quota_mb: Annotated[float, Field(gt=0)] = 10_000.0
    """Disk for incidents; beyond it the least informative old ones are dropped: see `least_informative`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was written: an incident, or the reason why an incident or the recording could not be."""

    incident: Incident | None
    error: str = ""
    dropped: tuple[Incident, ...] = ()
    """Older incidents that had to make room for it."""


class Recorder:
    """Keeps the ring, watches the events, and writes on a thread of its own.

    `receive`, `trigger` and `step` belong to one thread, none of them waits for the disk.

    Args:
        specification: the robot.
        store: folder that gets `incidents/` and `recordings/`.
        settings: see `RecorderSettings`.
        clock: the robot's time in ns.

    Raises:
        UserError: a topic of the robot file has a type that is not known here, or a rule for incidents
            does not fit its topic.
    """

    def __init__(
        self,
        specification: RobotSpecification,
        store: Path,
        settings: RecorderSettings,
        clock: Callable[[], int],
    ) -> None:
        topics = recorded_topics(specification)
        self._descriptions = [describe_topic(name, kind, qos) for name, (kind, qos) in topics.items()]
        self._specification = specification
        self._store = store
        self._settings = settings
        self._clock = clock
        latched = [name for name, (_, qos) in topics.items() if qos.transient_local]
        self._ring = Ring(settings.ring_s, round(settings.ring_mb * 1e6), latched)
        self._window = CaptureWindow(settings.capture, clock)
        self._conditions = ConditionWatch(specification.incidents.conditions)
        self._silence = SilenceWatch(specification.incidents.silent_after_s)
        self._budget: dict[str, Any] | None = None
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recorder")
        self._writing: list[Future[Outcome | None]] = []
        self._batch: list[RawMessage] | None = [] if settings.continuous else None
        self._continuous: BagWriter | None = None

    @property
    def dropped(self) -> dict[str, int]:
        """Messages that did not fit into the ring's memory, by topic."""
        return self._ring.dropped

    def receive(self, topic: str, data: bytes, stamp_ns: int | None = None) -> None:
        """Take a message as it came over the wire; one on /adapt/event may begin an incident.

        `stamp_ns` is when it came, now where it is not given.
        """
        now_ns = self._clock() if stamp_ns is None else stamp_ns
        message = RawMessage(topic, now_ns, data)
        self._ring.add(message)
        if self._batch is not None:
            self._batch.append(message)
        self._silence.feed(topic, now_ns)
        if topic == EVENT_TOPIC:
            self._heed(data)
        if topic in self._conditions.topics:
            self._fire(self._conditions.feed(topic, data))

    def trigger(self, kind: str, severity: Severity, detail: dict[str, Any] | None = None) -> bool:
        """Begin or extend an incident; False while a trigger of that kind cools down."""
        return self._window.fire(kind, severity, detail)

    def step(self) -> list[Outcome]:
        """Hand what is due to the disk; gives what was written since. Call it a few times a second."""
        self._fire(self._silence.silent(self._clock()))
        if capture := self._window.due():
            self._write(capture)
        if self._batch:
            self._writing.append(self._disk.submit(self._append, self._batch))
            self._batch = []
        return self._outcomes()

    def close(self) -> list[Outcome]:
        """Write what is open, as far as it got, and end the thread."""
        if capture := self._window.finish():
            self._write(capture)
        outcomes = self.step()
        self._writing.append(self._disk.submit(self._finish))
        self._disk.shutdown(wait=True)
        return outcomes + self._outcomes()

    def _fire(self, findings: Iterable[Finding]) -> None:
        for kind, severity, detail in findings:
            self._window.fire(kind, severity, detail)

    def _heed(self, data: bytes) -> None:
        try:
            event = json.loads(_text(data))
            kind, severity, detail = str(event["kind"]), event["severity"], dict(event["detail"])
            if severity not in SEVERITIES:
                raise ValueError(f"severity {severity!r}")
        except (SerdeError, ValueError, KeyError, TypeError) as error:
            logger.warning("%s: a message that is no event of ours was not heeded: %s", EVENT_TOPIC, error)
            return
        if isinstance(detail.get("budget"), dict):
            self._budget = detail["budget"]
        if severity == "error" or kind in self._settings.trigger_kinds:
            self._window.fire(kind, severity, {"node": event.get("node"), **detail})

    def _write(self, capture: Capture) -> None:
        messages = self._ring.between(capture.start_ns, capture.end_ns)
        versions = [_text(message.data) for message in messages if message.topic == VERSION_TOPIC]
        card = make_card(capture, self._specification, versions, self._budget, self._ring.dropped)
        self._writing.append(self._disk.submit(self._keep, card, messages))

    def _keep(self, card: IncidentCard, messages: list[RawMessage]) -> Outcome:
        account = read_account(self._specification, messages)
        # Of the worst trigger, and of the first of these; before the first plan nothing was believed.
        triggers = sorted(card.triggers, key=lambda each: -SEVERITIES.index(each.severity))
        beliefs = (believed(self._specification, account, each.stamp_ns) for each in triggers)
        belief = next((each for each in beliefs if each is not None), None)
        entries = [] if belief is None else [entry.name for entry in belief.entries]
        picture = incident_picture(
            self._specification, account, [each.stamp_ns for each in card.triggers], card.id, entries
        )
        card = card.model_copy(update={"believed": belief})
        incident = write_incident(self._store, card, self._descriptions, messages, picture)
        dropped = keep_within(self._store, round(self._settings.quota_mb * 1e6))
        return Outcome(incident, dropped=tuple(dropped))

    def _append(self, batch: list[RawMessage]) -> None:
        if self._continuous is None:
            folder = free_folder(self._store / "recordings", moment_name(batch[0].stamp_ns))
            self._continuous = BagWriter(folder)
            for description in self._descriptions:
                self._continuous.add_described_topic(description)
        for message in batch:
            self._continuous.write(*message)

    def _finish(self) -> None:
        if self._continuous is not None:
            self._continuous.close()

    def _outcomes(self) -> list[Outcome]:
        """What the disk thread has finished; a batch that was appended is no news, a failure is."""
        finished = [future for future in self._writing if future.done()]
        self._writing = [future for future in self._writing if future not in finished]
        outcomes = []
        for future in finished:
            if error := future.exception():
                outcomes.append(Outcome(None, str(error)))
            elif outcome := future.result():
                outcomes.append(outcome)
        return outcomes


def _text(data: bytes) -> str:
    message: Any = standard_types().deserialize_cdr(data, STRING)
    return str(message.data)
