"""Messages as `rclpy` and `rosbags` give them, of which the stream reads attributes only."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt


def header(stamp_ns: int, frame_id: str = "") -> SimpleNamespace:
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    return SimpleNamespace(stamp=SimpleNamespace(sec=seconds, nanosec=nanoseconds), frame_id=frame_id)


def joint_state(stamp_ns: int, names: Sequence[str], position: npt.ArrayLike) -> SimpleNamespace:
    values = np.asarray(position, dtype=np.float64)
    return SimpleNamespace(header=header(stamp_ns), name=list(names), position=values, velocity=[], effort=[])


def path(
    stamp_ns: int,
    names: Sequence[str],
    offsets_ns: Sequence[int],
    positions: npt.ArrayLike,
    frame_id: str = "",
) -> SimpleNamespace:
    points: list[Any] = []
    for offset, row in zip(offsets_ns, np.asarray(positions, dtype=np.float64), strict=True):
        seconds, nanoseconds = divmod(offset, 1_000_000_000)
        after = SimpleNamespace(sec=seconds, nanosec=nanoseconds)
        points.append(SimpleNamespace(time_from_start=after, positions=row, velocities=[]))
    return SimpleNamespace(header=header(stamp_ns, frame_id), joint_names=list(names), points=points)
