"""Ticks as std_msgs/Float64MultiArray: standard, labelled, readable by every tool."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from adapt.errors import UserError
from adapt.stream.tick import Tick

TICK_TOPIC = "/adapt/tick"
TICK_TYPE = "std_msgs/msg/Float64MultiArray"
_VERSION = "version="
_SCHEMA = "schema="
_NUMBERS = ("index", "stamp_s", "stamp_ns")


def tick_layout(tick: Tick) -> list[tuple[str, int]]:
    """Labels and lengths of the parts of `tick_data`, in order; version and schema are labels of length 0."""
    return [
        ("index", 1),
        ("stamp_s", 1),
        ("stamp_ns", 1),
        ("observation", len(tick.observation)),
        ("valid", len(tick.valid)),
        ("command", len(tick.command)),
        ("proposed", len(tick.proposed)),
        ("applied", len(tick.applied)),
        (_VERSION + tick.version, 0),
        (_SCHEMA + tick.schema_hash, 0),
    ]


def tick_data(tick: Tick) -> array[float]:
    """The numbers of a tick, of type d. The stamp is split, since a double does not hold 64 bits."""
    head = np.array([tick.index, *divmod(tick.stamp_ns, 1_000_000_000)], dtype=np.float64)
    parts = (head, tick.observation, tick.valid, tick.command, tick.proposed, tick.applied)
    return array("d", np.concatenate(parts).tobytes())


def decode_tick(message: Any) -> Tick:
    """Read a tick from a message, from `rclpy` or `rosbags` alike.

    Raises:
        UserError: the layout is not that of a tick.
    """
    parts: dict[str, Any] = {}
    data = np.asarray(message.data, dtype=np.float64)
    start = 0
    names = {_VERSION: "", _SCHEMA: ""}
    for dimension in message.layout.dim:
        if (prefix := next(filter(dimension.label.startswith, names), None)) is not None:
            names[prefix] = dimension.label.removeprefix(prefix)
            continue
        parts[dimension.label] = data[start : start + dimension.size]
        start += dimension.size
    if wrong := _problem(parts, start == len(data)):
        raise UserError(f"topic {TICK_TOPIC}: not a tick: it {wrong}")
    stamp = int(parts["stamp_s"][0]) * 1_000_000_000 + int(parts["stamp_ns"][0])
    return Tick(
        index=int(parts["index"][0]),
        stamp_ns=stamp,
        observation=parts["observation"],
        valid=parts["valid"] > 0.5,
        command=parts["command"],
        proposed=parts["proposed"],
        applied=parts["applied"],
        version=names[_VERSION],
        schema_hash=names[_SCHEMA],
    )


def _problem(parts: dict[str, Any], whole: bool) -> str:
    """What keeps the parts from being a tick; empty for nothing."""
    for name in (*_NUMBERS, "observation", "valid", "command", "proposed", "applied"):
        if name not in parts:
            return f"has no part '{name}'"
    if not whole:
        return "has another length than its layout"
    for name in _NUMBERS:
        if len(parts[name]) != 1 or not np.isfinite(parts[name]).all():
            return f"has not one finite number as '{name}'"
    if len(parts["valid"]) != len(parts["observation"]):
        return "has not one 'valid' for each observation"
    return ""
