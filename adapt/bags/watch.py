"""What the recorder finds wrong by itself: conditions on messages, and topics that have ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rosbags.serde import SerdeError

from adapt.bags.blank_message import blank_message
from adapt.bags.topic import standard_types
from adapt.bags.trigger import Severity
from adapt.errors import UserError
from adapt.robot.expression import Expression
from adapt.robot.incidents import Condition


class Finding(NamedTuple):
    """A reason for an incident."""

    kind: str
    severity: Severity
    detail: dict[str, object]


class ConditionWatch:
    """Tells when conditions come true; a condition that stays true is told once.

    Only the messages of their topics are decoded.

    Raises:
        UserError: a condition names a field that its messages do not have, or their type is not known.
    """

    def __init__(self, conditions: Mapping[str, Condition]) -> None:
        self._conditions = {name: (each, Expression(each.when)) for name, each in conditions.items()}
        self._true: set[str] = set()
        self.topics = frozenset(each.topic for each in conditions.values())
        for name, (condition, expression) in self._conditions.items():
            key = f"incidents.conditions.{name}"
            try:
                expression(blank_message(standard_types(), condition.type))
            except UserError as error:
                raise UserError(f"key '{key}.type': {error}") from error
            except ValueError as error:
                raise UserError(f"key '{key}.when': {condition.type}: {error}") from error

    def feed(self, topic: str, data: bytes) -> Iterator[Finding]:
        """Take a message; gives the conditions that came true with it."""
        for name, (condition, expression) in self._conditions.items():
            if condition.topic != topic:
                continue
            try:
                holds = expression(standard_types().deserialize_cdr(data, condition.type))
            except (SerdeError, ValueError):
                # A message that cannot be read says neither; the bag keeps it for whoever wants to look.
                continue
            if holds and name not in self._true:
                yield Finding(name, condition.severity, {"topic": topic, "when": condition.when})
            (self._true.add if holds else self._true.discard)(name)


class SilenceWatch:
    """Tells when a topic that was heard has been silent for too long; once until it is heard again."""

    def __init__(self, silent_after_s: Mapping[str, float]) -> None:
        self._limits_ns = {topic: round(limit * 1e9) for topic, limit in silent_after_s.items()}
        self._heard_ns: dict[str, int] = {}

    def feed(self, topic: str, now_ns: int) -> None:
        """A message came."""
        if topic in self._limits_ns:
            self._heard_ns[topic] = now_ns

    def silent(self, now_ns: int) -> Iterator[Finding]:
        """The topics that have fallen silent since the last call."""
        for topic, heard_ns in list(self._heard_ns.items()):
            if now_ns - heard_ns > self._limits_ns[topic]:
                del self._heard_ns[topic]
                silent_s = (now_ns - heard_ns) * 1e-9
                yield Finding("topic_silent", "warning", {"topic": topic, "silent_s": round(silent_s, 3)})
