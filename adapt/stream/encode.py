"""Numbers into ROS 2 messages: the way back of `decode`, for robots and operators that are simulated."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from adapt.errors import UserError
from adapt.robot.interface import Channel, MessageField
from adapt.stream.decode import QUATERNION, field_value, message_labels
from adapt.stream.orientation import orientation_of
from adapt.stream.tick import FloatArray

Measurements = Mapping[str, tuple[int, FloatArray]]
"""Stamp in ns and values by channel, the values in the order of its names."""


def write_stamp(message: Any, stamp_ns: int) -> None:
    """Stamp a message that has a header; one without is taken at its arrival."""
    if hasattr(message, "header"):
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)


def write_field(
    message: Any, source: MessageField, values: FloatArray, names: tuple[str, ...] | None = None
) -> None:
    """Put values where `read_field` finds them; what else is in the message stays.

    What shares an array with them and is not known yet is NaN. Of an orientation only what gravity
    says is written; its yaw is arbitrary.

    Args:
        message: a message of the type that `source` names, as `rclpy` makes it.
        source: where the values go.
        values: shape (len(names),), in the order of the names.
        names: which entries; those of `source` where not given.

    Raises:
        UserError: the message has no such field or entry.
        ValueError: the values are not one for each name.
    """
    names = source.names if names is None else names
    if values.shape != (len(names),):
        raise ValueError(f"topic {source.topic}: {len(values)} values for {len(names)} names")
    try:
        value = field_value(message, source)
        if isinstance(source, Channel) and source.transform == "projected_gravity":
            _set_attributes(value, QUATERNION, orientation_of(values))
        elif message_labels(message) is not None:
            labels = _labelled(message, names)
            places = [labels.index(name) for name in names]
            _set(message, source.field, _filled(value, places, values, len(labels)))
        elif hasattr(value, "__len__"):
            places = list(range(len(names)) if source.indices is None else source.indices)
            _set(message, source.field, _filled(value, places, values, max(places) + 1))
        elif len(names) == 1 and isinstance(value, (int, float)):
            _set(message, source.field, type(value)(values[0]))
        else:
            _set_attributes(value, names, values)
    except AttributeError as error:
        raise UserError(f"topic {source.topic}: cannot write '{source.field}': {error}") from error


class MeasurementWriter:
    """Makes the messages in which a robot says what it measures."""

    def __init__(self, channels: Mapping[str, Channel], make: Callable[[str, str], Any]) -> None:
        """`channels` are those of the robot file; `make` gives a new message of a topic and a type."""
        self._make = make
        self._topics: dict[str, dict[str, Channel]] = {}
        for name, channel in channels.items():
            self._topics.setdefault(channel.topic, {})[name] = channel

    @property
    def topics(self) -> dict[str, str]:
        """The topics and their message types."""
        return {topic: next(iter(channels.values())).type for topic, channels in self._topics.items()}

    def messages(self, measured: Measurements) -> Iterator[tuple[str, Any]]:
        """Each topic of which the channels were measured, with one message for all of them.

        Raises:
            UserError: a type of the robot file has no such field or entry.
            ValueError: of a topic some channels were measured and others not, or at another time.
        """
        for topic, channels in self._topics.items():
            known = [name for name in channels if name in measured]
            if not known:
                continue
            stamps = {measured[name][0] for name in known}
            if len(known) != len(channels) or len(stamps) != 1:
                raise ValueError(f"topic {topic}: its channels {', '.join(channels)} share each message")
            message = self._make(topic, channels[known[0]].type)
            write_stamp(message, stamps.pop())
            if message_labels(message) is not None:
                _labelled(message, [name for channel in channels.values() for name in channel.names])
            for name, channel in channels.items():
                write_field(message, channel, measured[name][1])
            yield topic, message


def _labelled(message: Any, names: Sequence[str]) -> list[str]:
    """Add the names that the message does not carry yet; gives all."""
    labels = message_labels(message) or []
    labels += [name for name in dict.fromkeys(names) if name not in labels]
    setattr(message, "name" if hasattr(message, "name") else "joint_names", labels)
    return labels


def _filled(before: Any, places: list[int], values: FloatArray, size: int) -> Any:
    """The array `before`, at least `size` long, with `values` at `places`, in its own type."""
    filled = np.full(max(size, len(before)), np.nan)
    filled[: len(before)] = before
    filled[places] = values
    if isinstance(before, array):
        return array(before.typecode, filled.tolist())
    return filled.astype(before.dtype) if isinstance(before, np.ndarray) else filled.tolist()


def _set_attributes(value: Any, names: tuple[str, ...], values: FloatArray) -> None:
    for name, each in zip(names, values, strict=True):
        _set(value, name, float(each))


def _set(value: Any, path: str, content: Any) -> None:
    """Like setattr, for a path of attributes that are there."""
    *parents, last = path.split(".")
    for parent in parents:
        value = getattr(value, parent)
    getattr(value, last)
    setattr(value, last, content)
