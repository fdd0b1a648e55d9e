"""Our own records, and commands, as standard messages."""

from __future__ import annotations

from array import array
from typing import Any

from builtin_interfaces.msg import Duration
from std_msgs.msg import Float64MultiArray, MultiArrayDimension, MultiArrayLayout
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from adapt.robot.specification import RobotSpecification
from adapt.stream.encode import write_field, write_stamp
from adapt.stream.forecast_message import Forecast, forecast_data, forecast_layout
from adapt.stream.reference import is_path
from adapt.stream.tick import FloatArray, Tick
from adapt.stream.tick_message import tick_data, tick_layout
from ros_nodes.base import message_class, to_stamp


def reference_message(specification: RobotSpecification, stamp_ns: int, rows: FloatArray) -> Any:
    """A robot's command: a path of shape (N, C), one row a tick from `stamp_ns` on, or a set-point (1, C).

    Raises:
        UserError: the message type is not installed, or has not the fields that the robot file names.
        ValueError: several rows for a robot that follows set-points.
    """
    command = specification.task.command
    message = message_class(command.topic, command.type)()
    write_stamp(message, stamp_ns)
    if not is_path(command):
        if len(rows) != 1:
            raise ValueError(f"{len(rows)} rows, but robot '{specification.name}' follows set-points")
        write_field(message, command, rows[0])
        return message
    message.joint_names = list(command.names)
    for number, row in enumerate(rows):
        point = JointTrajectoryPoint(time_from_start=_after(specification, number))
        setattr(point, command.field, row.tolist())
        message.points.append(point)
    return message


def proposal_message(
    specification: RobotSpecification, actions: FloatArray, stamp_ns: int, version: str
) -> JointTrajectory:
    """A proposal: actions of shape (P, A), the first one for now, one a period."""
    message = JointTrajectory(joint_names=list(specification.action.entries))
    message.header.stamp = to_stamp(stamp_ns)
    message.header.frame_id = version
    message.points = [
        JointTrajectoryPoint(positions=action.tolist(), time_from_start=_after(specification, number))
        for number, action in enumerate(actions)
    ]
    return message


def tick_message(tick: Tick) -> Float64MultiArray:
    """A tick, labelled; `adapt.stream.tick_message.decode_tick` reads it back."""
    return _labelled(tick_layout(tick), tick_data(tick))


def forecast_message(forecast: Forecast) -> Float64MultiArray:
    """A forecast; `adapt.stream.forecast_message.decode_forecast` reads it back."""
    return _labelled(forecast_layout(forecast), forecast_data(forecast))


def _labelled(layout: list[tuple[str, int]], data: array[float]) -> Float64MultiArray:
    dimensions = [MultiArrayDimension(label=label, size=size) for label, size in layout]
    return Float64MultiArray(layout=MultiArrayLayout(dim=dimensions), data=data)


def _after(specification: RobotSpecification, ticks: int) -> Duration:
    seconds, rest = divmod(round(ticks * specification.period_s * 1e9), 1_000_000_000)
    return Duration(sec=seconds, nanosec=rest)
