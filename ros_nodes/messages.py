"""Our own records as standard messages."""

from __future__ import annotations

from builtin_interfaces.msg import Duration
from std_msgs.msg import Float64MultiArray, MultiArrayDimension, MultiArrayLayout
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray, Tick
from adapt.stream.tick_message import tick_data, tick_layout
from ros_nodes.base import to_stamp


def proposal_message(
    specification: RobotSpecification, actions: FloatArray, stamp_ns: int, version: str
) -> JointTrajectory:
    """A proposal: actions of shape (P, A), the first one for now, one a period."""
    message = JointTrajectory(joint_names=list(specification.action.entries))
    message.header.stamp = to_stamp(stamp_ns)
    message.header.frame_id = version
    period_ns = round(specification.period_s * 1e9)
    for number, action in enumerate(actions):
        seconds, rest = divmod(number * period_ns, 1_000_000_000)
        after = Duration(sec=seconds, nanosec=rest)
        message.points.append(JointTrajectoryPoint(positions=action.tolist(), time_from_start=after))
    return message


def tick_message(tick: Tick) -> Float64MultiArray:
    """A tick, labelled; `adapt.stream.tick_message.decode_tick` reads it back."""
    dimensions = [MultiArrayDimension(label=label, size=size) for label, size in tick_layout(tick)]
    return Float64MultiArray(layout=MultiArrayLayout(dim=dimensions), data=tick_data(tick))
