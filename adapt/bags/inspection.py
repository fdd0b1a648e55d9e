"""Does this robot file fit this bag, or what arrives live? The core of `adapt doctor`."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from adapt.bags.reader import Bag
from adapt.errors import UserError
from adapt.robot.interface import Channel, Command, MessageField
from adapt.robot.specification import RobotSpecification
from adapt.stream.decode import message_stamp, read_field
from adapt.stream.reference import Reference
from adapt.stream.tick import FloatArray


@dataclass(frozen=True, slots=True)
class FieldReport:
    """How one channel, the action or the command arrived. None where nothing can be said.

    Attributes:
        name: key in the robot file, such as channels.joint_position.
        rate_hz: messages a second of the robot's clock, the time in gaps left out.
        largest_gap_s: longest time between two messages.
        gaps: times longer than twice the median period.
        out_of_order: messages stamped before the one that came before them.
        age_s: median time from the stamp to the reception.
        non_finite: values that were NaN or infinite.
    """

    name: str
    topic: str
    type: str
    messages: int
    rate_hz: float | None
    largest_gap_s: float | None
    gaps: int
    out_of_order: int
    age_s: float | None
    non_finite: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """The verdict. `problems` must be cured; `remarks` are worth knowing."""

    robot: str
    source: str
    fields: tuple[FieldReport, ...]
    problems: tuple[str, ...]
    remarks: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class TopicStatistics:
    """Watches the topics of a robot file, from a bag or live.

    Memory: 16 bytes a message and field.
    """

    def __init__(self, specification: RobotSpecification) -> None:
        self._specification = specification
        action, command = specification.action, specification.task.command
        self._fields = {
            f"channels.{key}": _FieldStatistics(channel, partial(_values, channel, channel.names))
            for key, channel in specification.channels.items()
        }
        self._fields["action"] = _FieldStatistics(action, partial(_values, action, action.entries))
        self._fields["task.command"] = _FieldStatistics(command, partial(_check_reference, command))

    @property
    def topics(self) -> dict[str, str]:
        """The topics to feed, with their types."""
        return {each.field.topic: each.field.type for each in self._fields.values()}

    def feed(self, topic: str, stamp_ns: int | None, receive_ns: int, message: object) -> None:
        """Take a message; `stamp_ns` is that of its header (see `message_stamp`), None without one."""
        for each in self._fields.values():
            if each.field.topic == topic:
                each.feed(stamp_ns, receive_ns, message)

    def report(
        self, source: str, types: Mapping[str, str], undecodable: Mapping[str, str] | None = None
    ) -> Inspection:
        """The verdict on `source`, where there are topics of these `types`, fed or not.

        `undecodable` says of topics why their messages could not be decoded.
        """
        problems: list[str] = []
        remarks: list[str] = []
        for name, each in self._fields.items():
            if each.field.topic not in types:
                missing = f"{name}: the topic {each.field.topic} is not in {source}; it has: {_listed(types)}"
                # Logs without a reference serve all the same: learning needs none.
                (remarks if name == "task.command" else problems).append(missing)
            elif types[each.field.topic] != each.field.type:
                problems.append(
                    f"{name}: {each.field.topic} is a {types[each.field.topic]} in {source},"
                    f" not a {each.field.type}: correct 'type' in the robot file"
                )
            elif undecodable and each.field.topic in undecodable:
                problems.append(f"{name}: {each.field.topic}: {undecodable[each.field.topic]}")
            else:
                problems += [f"{name}: {problem}" for problem in each.problems(source)]
                remarks += [f"{name}: {remark}" for remark in each.remarks(self._specification.rate_hz)]
        reports = tuple(each.report(name) for name, each in self._fields.items())
        return Inspection(self._specification.name, source, reports, tuple(problems), tuple(remarks))


def inspect_bag(specification: RobotSpecification, path: Path, msg_dir: Path | None = None) -> Inspection:
    """Hold a robot file against a bag; only the topics in both are decoded.

    Raises:
        UserError: the bag cannot be read at all. What does not fit, and where reading ended, is in the
            result.
    """
    statistics = TopicStatistics(specification)
    ended: tuple[str, ...] = ()
    with Bag(path, msg_dir) as bag:
        info = bag.info
        types = {topic.name: topic.type for topic in info.topics}
        undecodable = {topic.name: topic.problem for topic in info.topics if topic.problem is not None}
        fitting = [
            topic
            for topic, type_name in statistics.topics.items()
            if types.get(topic) == type_name and topic not in undecodable
        ]
        try:
            for topic, _, receive_ns, message in bag.messages(fitting):
                statistics.feed(topic, message_stamp(message), receive_ns, message)
        except UserError as error:
            ended = (str(error),)
    inspection = statistics.report(str(path), types, undecodable)
    return replace(inspection, problems=(*ended, *inspection.problems))


def _values(field: MessageField, names: tuple[str, ...], message: object) -> FloatArray:
    return read_field(message, field, names)


def _check_reference(command: Command, message: object) -> FloatArray:
    """A reference is a path, or a set-point: the stream's own reader says whether it can be used."""
    Reference(command).feed(message, 0)
    return np.zeros(0)


class _FieldStatistics:
    def __init__(self, field: MessageField, values_of: Callable[[object], FloatArray]) -> None:
        self.field = field
        self._values_of = values_of
        self._times = array("q")
        self._ages = array("q")
        self._non_finite = 0
        self._unreadable: dict[str, int] = {}

    def feed(self, stamp_ns: int | None, receive_ns: int, message: object) -> None:
        self._times.append(receive_ns if stamp_ns is None else stamp_ns)
        if stamp_ns is not None:
            self._ages.append(receive_ns - stamp_ns)
        try:
            values = self._values_of(message)
        except UserError as error:
            self._unreadable[str(error)] = self._unreadable.get(str(error), 0) + 1
        else:
            self._non_finite += int(np.count_nonzero(~np.isfinite(values)))

    def report(self, name: str) -> FieldReport:
        steps_s = self._steps_s()
        short_s = steps_s[steps_s <= 2 * np.median(steps_s)] if len(steps_s) else steps_s
        total_s = float(short_s.sum())
        return FieldReport(
            name=name,
            topic=self.field.topic,
            type=self.field.type,
            messages=len(self._times),
            rate_hz=len(short_s) / total_s if total_s > 0 else None,
            largest_gap_s=float(steps_s.max()) if len(steps_s) else None,
            gaps=len(steps_s) - len(short_s),
            out_of_order=int(np.count_nonzero(np.diff(np.asarray(self._times)) < 0)),
            age_s=float(np.median(np.asarray(self._ages))) * 1e-9 if self._ages else None,
            non_finite=self._non_finite,
        )

    def problems(self, source: str) -> list[str]:
        found = [f"{reason} ({count} messages of {source})" for reason, count in self._unreadable.items()]
        if not self._times:
            found.append(f"there is no message on {self.field.topic} in {source}")
        if self._non_finite:
            found.append(f"{self._non_finite} values on {self.field.topic} are not finite")
        return found

    def remarks(self, rate_hz: float) -> list[str]:
        report, found = self.report(""), []
        if report.out_of_order:
            found.append(f"{report.out_of_order} messages are stamped before the one that came before them")
        if not isinstance(self.field, Channel):
            return found
        limit_s = self.field.max_age_s
        if report.rate_hz is not None and report.rate_hz < rate_hz:
            found.append(f"comes at {report.rate_hz:.4g} Hz, slower than the ticks ({rate_hz:g} Hz)")
        if report.largest_gap_s is not None and report.largest_gap_s > limit_s:
            found.append(f"the largest gap is {report.largest_gap_s:.3g} s; max_age_s is {limit_s:g}")
        if report.age_s is not None and not 0 <= report.age_s <= limit_s:
            found.append(
                f"is {report.age_s:.3g} s old when it arrives; max_age_s is {limit_s:g}: check the clocks"
            )
        if not self._ages and self._times:
            found.append("carries no stamps: the time of reception is taken")
        return found

    def _steps_s(self) -> FloatArray:
        steps_ns = np.diff(np.sort(np.asarray(self._times, dtype=np.int64)))
        return np.asarray(steps_ns, dtype=np.float64) * 1e-9


def _listed(names: Mapping[str, str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
