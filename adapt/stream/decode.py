"""Numbers out of ROS 2 messages, alike for `rclpy` messages and for those that `rosbags` decodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from adapt.errors import UserError
from adapt.robot.interface import MessageField
from adapt.stream.tick import FloatArray


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

    Args:
        message: any message of the type that `source` names.
        source: where the values are.
        names: which entries; those of `source` where not given.

    Returns:
        shape (len(names),), in the order of the names; not checked for being finite.

    Raises:
        UserError: the field or an entry is not there, or the array has another length.
    """
    names = source.names if names is None else names
    value = message
    for part in source.field.split("."):
        if not hasattr(value, part):
            raise UserError(f"topic {source.topic}: {source.type} has no field '{source.field}'")
        value = getattr(value, part)
    labels = _labels(message)
    if labels is not None:
        return _by_label(np.asarray(value, dtype=np.float64), labels, names, source)
    if hasattr(value, "__len__"):
        return _by_index(np.asarray(value, dtype=np.float64), names, source)
    if len(names) == 1 and isinstance(value, (int, float)):
        return np.array([float(value)])
    missing = [name for name in names if not hasattr(value, name)]
    if missing:
        raise UserError(f"topic {source.topic}: field '{source.field}' has no '{missing[0]}'")
    return np.array([float(getattr(value, name)) for name in names])


def _labels(message: Any) -> list[str] | None:
    for attribute in ("name", "joint_names"):
        labels = getattr(message, attribute, None)
        if labels is not None and not isinstance(labels, str):
            return list(labels)
    return None


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
    indices = source.indices if source.indices is not None else tuple(range(len(names)))
    if source.indices is None and len(values) != len(names):
        raise UserError(
            f"topic {source.topic}: '{source.field}' has {len(values)} entries, the robot file names "
            f"{len(names)}: name all or give 'indices'"
        )
    if max(indices) >= len(values):
        raise UserError(
            f"topic {source.topic}: '{source.field}' has {len(values)} entries, none at {max(indices)}"
        )
    return values[list(indices)]
