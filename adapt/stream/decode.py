"""Numbers out of ROS 2 messages, alike for `rclpy` messages and for those that `rosbags` decodes."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import numpy as np

from adapt.errors import UserError
from adapt.robot.interface import Channel, HeightMap, MessageField
from adapt.stream.orientation import gravity_of
from adapt.stream.tick import FloatArray

QUATERNION = ("x", "y", "z", "w")


def message_stamp(message: Any) -> int | None:
    """The header's stamp in ns; None where the message has no header or the stamp was left at zero."""
    header = getattr(message, "header", None)
    if header is None:
        return None
    stamp = header.stamp
    nanoseconds = int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
    return nanoseconds or None


def read_field(message: Any, source: MessageField, names: tuple[str, ...] | None = None) -> FloatArray:
    """Read the values that a robot file names.

    The heights of a map are taken as they come: clipping them is the driver's part, as is filling
    holes, since a map with a value that is not finite is of no use to the stream.

    Args:
        message: any message of the type that `source` names.
        source: where the values are.
        names: which entries; those of `source` where not given.

    Returns:
        shape (len(names),), in the order of the names; not checked for being finite. Gravity is NaN
        where the quaternion is zero or not finite.

    Raises:
        UserError: the field or an entry is not there, the array has another length, the map another
            layout, or the sensor says that it does not measure the field.
    """
    names = source.names if names is None else names
    try:
        value = field_value(message, source)
    except AttributeError as error:
        raise UserError(f"topic {source.topic}: {source.type} has no field '{source.field}'") from error
    # REP 145: -1 in front of the covariance says that there is no such measurement.
    covariance = getattr(message, f"{source.field}_covariance", (0.0,))
    if covariance[0] == -1.0:
        raise UserError(
            f"topic {source.topic}: '{source.field}_covariance' begins with -1, so the sensor does not"
            f" measure '{source.field}': choose another topic"
        )
    if isinstance(source, Channel) and source.transform == "projected_gravity":
        return gravity_of(_by_attribute(value, QUATERNION, source))
    labels = message_labels(message)
    if labels is not None:
        return _by_label(np.asarray(value, dtype=np.float64), labels, names, source)
    if hasattr(value, "__len__"):
        if isinstance(source, Channel) and source.height_map is not None:
            _check_layout(message, source.height_map, source)
        return _by_index(np.asarray(value, dtype=np.float64), names, source)
    if len(names) == 1 and isinstance(value, (int, float)):
        return np.array([float(value)])
    return _by_attribute(value, names, source)


def field_value(message: Any, source: MessageField) -> Any:
    """What a robot file's `field` names: a part of the message, or with a dot all of it.

    Raises:
        AttributeError: it has no such part.
    """
    return message if source.field == "." else attrgetter(source.field)(message)


def message_labels(message: Any) -> list[str] | None:
    """The names that a message carries for its arrays, such as those of joints; None where it has none."""
    for attribute in ("name", "joint_names"):
        labels = getattr(message, attribute, None)
        if labels is not None and not isinstance(labels, str):
            return list(labels)
    return None


def _by_attribute(value: Any, names: tuple[str, ...], source: MessageField) -> FloatArray:
    """Entries such as x, or linear.x of a twist."""
    values = np.empty(len(names))
    for number, name in enumerate(names):
        try:
            values[number] = attrgetter(name)(value)
        except AttributeError as error:
            raise UserError(f"topic {source.topic}: field '{source.field}' has no '{name}'") from error
    return values


def _by_label(
    values: FloatArray, labels: list[str], names: tuple[str, ...], source: MessageField
) -> FloatArray:
    missing = [name for name in names if name not in labels]
    if missing:
        raise UserError(
            f"topic {source.topic}: joint '{missing[0]}' is not in the message, "
            f"which has: {', '.join(labels)}: correct the robot file's names"
        )
    if len(values) != len(labels):
        raise UserError(
            f"topic {source.topic}: {len(labels)} names but {len(values)} values of '{source.field}'"
        )
    return values[[labels.index(name) for name in names]]


def _by_index(values: FloatArray, names: tuple[str, ...], source: MessageField) -> FloatArray:
    if source.indices is None:
        if len(values) != len(names):
            raise UserError(
                f"topic {source.topic}: '{source.field}' has {len(values)} entries, the robot file names "
                f"{len(names)}: name all or give 'indices'"
            )
        return values
    if max(source.indices) >= len(values):
        raise UserError(
            f"topic {source.topic}: '{source.field}' has {len(values)} entries, none at {max(source.indices)}"
        )
    return values[list(source.indices)]


def _check_layout(message: Any, grid: HeightMap, source: MessageField) -> None:
    """A map that says how it is laid out must be laid out row by row."""
    sizes = [dimension.size for dimension in getattr(getattr(message, "layout", None), "dim", ())]
    if sizes and sizes != [grid.rows, grid.columns]:
        raise UserError(
            f"topic {source.topic}: the map's layout is {' x '.join(map(str, sizes))}, the robot file's"
            f" {grid.rows} rows x {grid.columns} columns"
        )
