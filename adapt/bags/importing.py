"""Logs of a real arm, stored as arrays, made into ROS 2 bags on the topics of the robot file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from operator import itemgetter
from pathlib import Path

import numpy as np
import numpy.typing as npt

from adapt.bags.topic import standard_types
from adapt.bags.writer import BagWriter
from adapt.errors import UserError
from adapt.robot.interface import MessageField
from adapt.robot.specification import RobotSpecification

EPOCH_NS = 1_700_000_000_000_000_000
"""The instant that every imported motion calls zero (14 November 2023): the logs carry no date."""
JOINT_STATE = "sensor_msgs/msg/JointState"

FloatArray = npt.NDArray[np.float64]
StampArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """One log of N samples, the columns in the order of the robot file.

    Attributes:
        state_ns: shape (N,), when `position` and `velocity` were measured, in ns from the start.
        position: shape (N, joints), measured, in the channel's unit.
        velocity: shape (N, joints), as the servos report it.
        command_ns: shape (N,), when `command` was sent, in ns from the start.
        command: shape (N, A), in the action's unit.
    """

    state_ns: StampArray
    position: FloatArray
    velocity: FloatArray
    command_ns: StampArray
    command: FloatArray


def import_motions(source: Path, out: Path, specification: RobotSpecification) -> list[Path]:
    """Make one bag `out/<motion>` of each `source/<motion>.npz`.

    The measurements go to the topic of the channel that the action targets, the commands to the
    action's topic. Stamps are the log's own, on top of `EPOCH_NS`. The column of load estimates
    (`tau`) is left out: it has no sign and is no effort. There was no reference, so there is none.

    Returns:
        The bags' folders.

    Raises:
        UserError: there are no logs, one is damaged or does not fit the robot file, a value in it is
            not finite, the robot's topics are not JointState, or a bag exists already.
    """
    state, action = _state_channel(specification), specification.action
    if not source.is_dir():
        raise UserError(f"{source}: no such folder of .npz logs")
    paths = sorted(source.glob("*.npz"))
    if not paths:
        raise UserError(f"{source}: there are no .npz logs in it")
    bags = []
    for path in paths:
        motion = read_motion(path, state.names, action.entries)
        with BagWriter(out / path.stem) as writer:
            for topic in (state.topic, action.topic):
                writer.add_topic(topic, JOINT_STATE)
            states = _messages(motion.state_ns, state.names, motion.position, motion.velocity)
            commands = _messages(motion.command_ns, action.entries, motion.command, None)
            in_order = merge(
                ((stamp_ns, state.topic, message) for stamp_ns, message in states),
                ((stamp_ns, action.topic, message) for stamp_ns, message in commands),
                key=itemgetter(0),
            )
            for stamp_ns, topic, message in in_order:
                writer.write_message(topic, stamp_ns, message)
        bags.append(out / path.stem)
    return bags


def read_motion(path: Path, joints: tuple[str, ...], actions: tuple[str, ...]) -> Motion:
    """Read one log: q and v by joint, u by action, t_us_state and t_us_ctrl of shape (N,) in µs.

    Raises:
        UserError: the file is damaged, or an array is missing, of the wrong shape, not finite or
            not in order of time.
    """
    try:
        with np.load(path) as archive:
            stored = {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: not a readable .npz file ({error}): copy it again") from error

    def values(key: str, columns: tuple[str, ...] | None) -> FloatArray:
        if key not in stored:
            raise UserError(f"{path}: the array '{key}' is missing; there are: {', '.join(sorted(stored))}")
        array = stored[key]
        count = len(stored["t_us_state"]) if "t_us_state" in stored else len(array)
        expected = (count,) if columns is None else (count, len(columns))
        if array.shape != expected:
            wanted = f"one column for each of {', '.join(columns)}" if columns else "one value a sample"
            raise UserError(
                f"{path}: the array '{key}' has the shape {array.shape}, not {expected}: {wanted}"
            )
        if not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0][0])
            raise UserError(f"{path}: the array '{key}' is not finite in sample {row}: remove that sample")
        return np.asarray(array, dtype=np.float64)

    def stamps(key: str) -> StampArray:
        nanoseconds = np.rint(values(key, None) * 1000.0).astype(np.int64)
        if (np.diff(nanoseconds) < 0).any():
            row = int(np.argmax(np.diff(nanoseconds) < 0)) + 1
            raise UserError(f"{path}: the array '{key}' goes back in time at sample {row}: sort the samples")
        return nanoseconds

    return Motion(
        state_ns=stamps("t_us_state"),
        position=values("q", joints),
        velocity=values("v", joints),
        command_ns=stamps("t_us_ctrl"),
        command=values("u", actions),
    )


def _state_channel(specification: RobotSpecification) -> MessageField:
    """The channel that the measurements fill."""
    action = specification.action
    if action.targets is None:
        raise UserError(
            f"robot {specification.name}: key 'action.targets' must name the channel to import into"
        )
    channel = specification.channels[action.targets]
    for key, field in ((f"channels.{action.targets}", channel), ("action", action)):
        if (field.type, field.field) != (JOINT_STATE, "position"):
            raise UserError(
                f"robot {specification.name}: key '{key}' is {field.type} {field.field};"
                f" logs can be imported into the position of a {JOINT_STATE} only"
            )
    return channel


def _messages(
    times_ns: StampArray, names: tuple[str, ...], position: FloatArray, velocity: FloatArray | None
) -> Iterator[tuple[int, object]]:
    """Stamped JointState messages, one for each row, without effort."""
    types = standard_types().types
    nothing = np.empty(0)
    for index, time_ns in enumerate(times_ns):
        stamp_ns = EPOCH_NS + int(time_ns)
        seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
        stamp = types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
        yield (
            stamp_ns,
            types[JOINT_STATE](
                header=types["std_msgs/msg/Header"](stamp=stamp, frame_id=""),
                name=list(names),
                position=position[index],
                velocity=nothing if velocity is None else velocity[index],
                effort=nothing,
            ),
        )
