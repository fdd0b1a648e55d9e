from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ros_messages import header, joint_state

from adapt.bags.topic import standard_types
from adapt.errors import UserError
from adapt.robot.interface import MessageField
from adapt.robot.load import load_robot
from adapt.stream.decode import message_stamp, read_field

ARM = load_robot("so101").channels["joint_position"]


def field(
    kind: str, where: str, names: tuple[str, ...], indices: tuple[int, ...] | None = None
) -> MessageField:
    return MessageField(topic="/sensor", type=kind, field=where, names=names, indices=indices, unit="1")


@given(st.permutations([*ARM.names, "another_joint"]))
def test_joints_are_found_by_name_in_any_order(names: list[str]) -> None:
    value = {name: float(number) for number, name in enumerate([*ARM.names, "another_joint"])}
    message = joint_state(1, names, [value[name] for name in names])
    assert read_field(message, ARM).tolist() == [0, 1, 2, 3, 4, 5]
    assert read_field(message, ARM, ("gripper", "elbow_flex")).tolist() == [5, 2]


def test_a_message_of_a_bag_reads_like_a_live_one() -> None:
    types: dict[str, Any] = standard_types().types
    stamp = types["builtin_interfaces/msg/Time"](sec=3, nanosec=4)
    written = types["sensor_msgs/msg/JointState"](
        types["std_msgs/msg/Header"](stamp=stamp, frame_id=""),
        list(ARM.names)[::-1],
        np.arange(6.0),
        np.empty(0),
        np.empty(0),
    )
    assert read_field(written, ARM).tolist() == [5, 4, 3, 2, 1, 0]
    assert message_stamp(written) == 3_000_000_004


def test_a_joint_that_is_not_there_is_named() -> None:
    names = [name for name in ARM.names if name != "wrist_roll"]
    with pytest.raises(
        UserError, match=r"/joint_states: joint 'wrist_roll' .* which has: shoulder_pan"
    ) as error:
        read_field(joint_state(1, names, np.zeros(5)), ARM)
    assert "\n" not in str(error.value)


def test_names_without_values_are_told() -> None:
    with pytest.raises(UserError, match="6 names but 0 values of 'position'"):
        read_field(joint_state(1, ARM.names, []), ARM)


def test_a_field_that_is_not_there_is_told() -> None:
    wrong = ARM.model_copy(update={"field": "positions"})
    with pytest.raises(UserError, match="sensor_msgs/msg/JointState has no field 'positions'"):
        read_field(joint_state(1, ARM.names, np.zeros(6)), wrong)


def test_arrays_are_read_whole_or_by_index() -> None:
    message = SimpleNamespace(data=[0.5, 1.5, 2.5])
    kind = "std_msgs/msg/Float64MultiArray"
    assert read_field(message, field(kind, "data", ("x", "y", "z"))).tolist() == [0.5, 1.5, 2.5]
    assert read_field(message, field(kind, "data", ("z", "x"), (2, 0))).tolist() == [2.5, 0.5]
    with pytest.raises(UserError, match="/sensor: 'data' has 3 entries, the robot file names 2"):
        read_field(message, field(kind, "data", ("x", "y")))
    with pytest.raises(UserError, match="none at 3"):
        read_field(message, field(kind, "data", ("x",), (3,)))


def test_attributes_are_read_by_name_however_deep() -> None:
    position = SimpleNamespace(x=1.0, y=2.0, z=3.0)
    message = SimpleNamespace(header=header(5), pose=SimpleNamespace(pose=SimpleNamespace(position=position)))
    kind = "nav_msgs/msg/Odometry"
    assert read_field(message, field(kind, "pose.pose.position", ("z", "x"))).tolist() == [3.0, 1.0]
    with pytest.raises(UserError, match=r"field 'pose\.pose\.position' has no 'w'"):
        read_field(message, field(kind, "pose.pose.position", ("x", "w")))
    with pytest.raises(UserError, match=r"has no field 'pose\.position'"):
        read_field(message, field(kind, "pose.position", ("x",)))


def test_a_dot_is_the_message_itself() -> None:
    message = SimpleNamespace(position=SimpleNamespace(x=1.0), orientation=SimpleNamespace(y=2.0))
    names = ("orientation.y", "position.x")
    assert read_field(message, field("geometry_msgs/msg/Pose", ".", names)).tolist() == [2.0, 1.0]


def test_a_single_number_is_read() -> None:
    assert read_field(SimpleNamespace(data=7), field("std_msgs/msg/Int32", "data", ("count",))).tolist() == [
        7.0
    ]


def test_a_stamp_left_at_zero_is_no_stamp() -> None:
    assert message_stamp(SimpleNamespace(data=1)) is None
    assert message_stamp(SimpleNamespace(header=header(0))) is None
    assert (
        message_stamp(SimpleNamespace(header=header(1_763_800_000_123_456_789))) == 1_763_800_000_123_456_789
    )
