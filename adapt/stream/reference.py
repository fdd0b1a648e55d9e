"""The task's reference: what the robot should do, now and over the horizon ahead."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from adapt.errors import UserError
from adapt.robot.interface import Command
from adapt.stream.decode import message_stamp, read_field
from adapt.stream.tick import FloatArray

PATH = "trajectory_msgs/msg/JointTrajectory"


def is_path(command: Command) -> bool:
    """Whether the command is a path given ahead, once; a set-point is repeated by whoever gives it."""
    return command.type == PATH


class Reference:
    """The latest command: a path given ahead, or a set-point that holds until the next one."""

    def __init__(self, command: Command):
        self._command = command
        self._is_path = is_path(command)
        self._stamps: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._values: FloatArray = np.zeros((0, len(command.names)))

    def feed(self, message: Any, receive_ns: int) -> None:
        """Take a new path or set-point.

        A path replaces what the one before said of the time from its own first point on; what came
        before that point stays.

        Raises:
            UserError: an entry is missing, a value is not finite, or times do not increase.
        """
        start = message_stamp(message)
        start = receive_ns if start is None else start
        if self._is_path:
            stamps, values = self._path(message, start)
        else:
            stamps, values = np.array([start]), read_field(message, self._command)[None]
        if len(stamps) == 0 or not np.isfinite(values).all():
            raise UserError(
                f"topic {self._command.topic}: the reference is empty or not finite; it was ignored"
            )
        if (np.diff(stamps) <= 0).any():
            raise UserError(f"topic {self._command.topic}: the reference's times do not increase")
        kept = self._stamps < stamps[0]
        self._stamps = np.concatenate([self._stamps[kept], stamps])
        self._values = np.concatenate([self._values[kept], values])

    def at(self, stamps_ns: npt.NDArray[np.int64]) -> FloatArray:
        """The reference at some instants: a path is linear between its points; the last value holds.

        Args:
            stamps_ns: shape (N,).

        Returns:
            shape (N, C); NaN before the first point and where nothing has arrived.
        """
        if len(self._stamps) == 0:
            return np.full((len(stamps_ns), len(self._command.names)), np.nan)
        if not self._is_path:
            newest = np.searchsorted(self._stamps, stamps_ns, side="right") - 1
            return np.where(newest[:, None] < 0, np.nan, self._values[newest])
        origin = self._stamps[0]
        times = (stamps_ns - origin).astype(np.float64)
        known = (self._stamps - origin).astype(np.float64)
        columns = [np.interp(times, known, column, left=np.nan) for column in self._values.T]
        return np.stack(columns, axis=1)

    def forget_before(self, stamp_ns: int) -> None:
        """Drop points that no instant from `stamp_ns` on needs."""
        first = max(0, int(np.searchsorted(self._stamps, stamp_ns, side="right")) - 1)
        self._stamps, self._values = self._stamps[first:], self._values[first:]

    def _path(self, message: Any, start: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
        labels = list(message.joint_names)
        missing = [name for name in self._command.names if name not in labels]
        if missing:
            raise UserError(f"topic {self._command.topic}: the path has no '{missing[0]}'")
        columns = [labels.index(name) for name in self._command.names]
        offsets = [
            int(point.time_from_start.sec) * 1_000_000_000 + int(point.time_from_start.nanosec)
            for point in message.points
        ]
        rows = [np.asarray(getattr(point, self._command.field), dtype=np.float64) for point in message.points]
        if any(len(row) != len(labels) for row in rows):
            raise UserError(f"topic {self._command.topic}: a point has not one value for each name")
        values = np.stack(rows)[:, columns] if rows else np.zeros((0, len(columns)))
        return np.array(offsets, dtype=np.int64) + start, values
