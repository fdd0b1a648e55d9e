"""What is written is what is read, for every kind of channel and in every way that topics are shared."""

from __future__ import annotations

import importlib
from array import array
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from ros_messages import header

from adapt.errors import UserError
from adapt.robot.interface import Channel, Command, MessageField
from adapt.robot.load import load_robot
from adapt.robot.specification import RobotSpecification
from adapt.stream.decode import message_stamp, read_field
from adapt.stream.encode import MeasurementWriter, write_field

GO2 = load_robot("go2")
STAMP_NS = 1_763_800_000_123_456_789


def plain(topic: str, kind: str) -> Any:
    """Empty messages such as `rclpy` makes them."""

    def vector() -> SimpleNamespace:
        return SimpleNamespace(x=0.0, y=0.0, z=0.0)

    def twist() -> SimpleNamespace:
        return SimpleNamespace(linear=vector(), angular=vector())

    turn = SimpleNamespace(x=0.0, y=0.0, z=0.0, w=1.0)
    made = {
        "sensor_msgs/msg/JointState": {"name": [], **{key: array("d") for key in ("position", "velocity")}},
        "sensor_msgs/msg/Imu": {
            "orientation": turn,
            "orientation_covariance": np.zeros(9),
            "angular_velocity": vector(),
        },
        "nav_msgs/msg/Odometry": {"twist": SimpleNamespace(twist=twist(), covariance=np.zeros(36))},
        "geometry_msgs/msg/TwistStamped": {"twist": twist()},
        "std_msgs/msg/Float32MultiArray": {"layout": SimpleNamespace(dim=[]), "data": array("f")},
        "std_msgs/msg/Float64MultiArray": {"layout": SimpleNamespace(dim=[]), "data": array("d")},
        "std_msgs/msg/Float64": {"data": 0.0},
    }[kind]
    return SimpleNamespace(**made) if kind.startswith("std") else SimpleNamespace(header=header(0), **made)


def live(topic: str, kind: str) -> Any:
    package, _, name = kind.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)()


def makers() -> list[Any]:
    try:
        importlib.import_module("rclpy")
    except ImportError:
        return [plain]
    return [plain, live]


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("make", makers())
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_robot_reads_all_that_it_measured(make: Any, data: st.DataObject) -> None:
    measured = {}
    for name, channel in GO2.channels.items():
        size, width = len(channel.names), 32 if channel.height_map else 64
        elements = st.floats(-1e3, 1e3, width=width)
        measured[name] = STAMP_NS, data.draw(arrays(f"f{width // 8}", size, elements=elements)).astype("f8")
    measured["projected_gravity"] = STAMP_NS, measured["projected_gravity"][1] + [0.0, 0.0, 1e4]
    messages = dict(MeasurementWriter(GO2.channels, make).messages(measured))
    assert list(messages) == ["/odom", "/imu", "/joint_states", "/height_scan"]
    for name, channel in GO2.channels.items():
        message = messages[channel.topic]
        assert message_stamp(message) == (None if channel.height_map else STAMP_NS)
        expected = measured[name][1]
        if channel.transform == "projected_gravity":
            np.testing.assert_allclose(read_field(message, channel), unit(expected), atol=1e-12)
        else:
            np.testing.assert_array_equal(read_field(message, channel), expected)


def channel(field: str, names: list[str], **changes: Any) -> dict[str, Any]:
    kind = "sensor_msgs/msg/JointState"
    common = {"topic": "/all", "type": kind, "unit": "1", "noise": 0, "max_age_s": 1}
    return {**common, "field": field, "names": names, **changes}


def robot(**channels: dict[str, Any]) -> RobotSpecification:
    content = load_robot("so101").model_dump(exclude={"channels", "action", "task", "simulation"})
    limits = {"push": {"position": [-1, 1], "velocity": 1, "acceleration": 1}}
    spoken = {"topic": "/push", "type": "std_msgs/msg/Float64", "field": "data", "unit": "N"}
    command = {"topic": "/want", "type": "std_msgs/msg/Float64", "field": "data", "names": ["x"], "unit": "m"}
    return RobotSpecification.model_validate(
        {
            **content,
            "channels": channels,
            "action": {**spoken, "limits": limits},
            "task": {"command": command, "tracking_scale": 1},
        }
    )


@pytest.mark.parametrize("make", makers())
def test_channels_of_different_joints_share_a_message(make: Any) -> None:
    arm = robot(angle=channel("position", ["a", "b"]), speed=channel("velocity", ["c", "a"]))
    ((topic, message),) = MeasurementWriter(arm.channels, make).messages(
        {"angle": (1, np.array([1.0, 2.0])), "speed": (1, np.array([3.0, 4.0]))}
    )
    assert topic == "/all" and list(message.name) == ["a", "b", "c"]
    assert read_field(message, arm.channels["angle"]).tolist() == [1.0, 2.0]
    assert read_field(message, arm.channels["speed"]).tolist() == [3.0, 4.0]
    assert np.isnan(read_field(message, arm.channels["angle"], ("c",))).all()


@pytest.mark.parametrize("make", makers())
def test_channels_share_an_array_by_their_indices(make: Any) -> None:
    kind = {"type": "std_msgs/msg/Float64MultiArray"}
    cart = robot(
        place=channel("data", ["x", "angle"], indices=[3, 0], **kind),
        speed=channel("data", ["x"], indices=[1], **kind),
    )
    ((_, message),) = MeasurementWriter(cart.channels, make).messages(
        {"place": (1, np.array([1.0, 2.0])), "speed": (1, np.array([3.0]))}
    )
    np.testing.assert_array_equal(message.data, [2.0, 3.0, np.nan, 1.0])
    assert read_field(message, cart.channels["place"]).tolist() == [1.0, 2.0]
    assert read_field(message, cart.channels["speed"]).tolist() == [3.0]


def test_topics_of_which_nothing_was_measured_stay_silent_and_halves_are_refused() -> None:
    writer = MeasurementWriter(GO2.channels, plain)
    assert not list(writer.messages({}))
    height = {"height_scan": (1, np.zeros(315))}
    assert [topic for topic, _ in writer.messages(height)] == ["/height_scan"]
    half = {"joint_position": (1, np.zeros(12))}
    with pytest.raises(ValueError, match="/joint_states: its channels joint_position, joint_velocity share"):
        list(writer.messages(half))
    with pytest.raises(ValueError, match="share each message"):
        list(writer.messages({**half, "joint_velocity": (2, np.zeros(12))}))


@pytest.mark.parametrize("make", makers())
def test_a_command_and_an_action_are_written_as_they_are_read(make: Any) -> None:
    command = GO2.task.command
    message = make(command.topic, command.type)
    write_field(message, command, np.array([0.5, -0.25, 1.0]))
    assert read_field(message, command).tolist() == [0.5, -0.25, 1.0]
    assert message.twist.linear.x == 0.5 and message.twist.angular.z == 1.0
    message = make("/push", "std_msgs/msg/Float64")
    push = MessageField(topic="/push", type="std_msgs/msg/Float64", field="data", names=("x",), unit="N")
    write_field(message, push, np.array([2.0]))
    assert read_field(message, push).tolist() == [2.0]


@pytest.mark.parametrize("make", makers())
@pytest.mark.parametrize(
    ("field", "names"), [("twits", ("linear.x",)), ("twist", ("linear.w",)), ("twist.linear", ("a.b",))]
)
def test_what_has_no_place_in_the_message_is_told(make: Any, field: str, names: tuple[str, ...]) -> None:
    kind = "geometry_msgs/msg/TwistStamped"
    wrong = Command(topic="/cmd_vel", type=kind, field=field, names=names, unit="1")
    with pytest.raises(UserError, match=f"topic /cmd_vel: cannot write '{field}'"):
        write_field(make("/cmd_vel", kind), wrong, np.zeros(1))
    with pytest.raises(ValueError, match="2 values for 1 names"):
        write_field(make("/cmd_vel", kind), wrong, np.zeros(2))


def test_an_orientation_that_the_sensor_does_not_measure_is_refused() -> None:
    gravity = GO2.channels["projected_gravity"]
    message = plain("/imu", gravity.type)
    message.orientation_covariance[0] = -1.0
    with pytest.raises(UserError, match="/imu: 'orientation_covariance' begins with -1"):
        read_field(message, gravity)
    message.orientation_covariance[0] = 0.0
    message.orientation.w = 0.0
    assert np.isnan(read_field(message, gravity)).all()


def test_a_map_of_another_shape_is_refused() -> None:
    scan: Channel = GO2.channels["height_scan"]
    message = plain("/height_scan", scan.type)
    message.data = array("f", [0.1] * 314)
    with pytest.raises(UserError, match="/height_scan: 'data' has 314 entries, the robot file names 315"):
        read_field(message, scan)
    message.data.append(0.1)
    message.layout.dim = [SimpleNamespace(size=15), SimpleNamespace(size=21)]
    assert read_field(message, scan).shape == (315,)
    message.layout.dim.reverse()
    with pytest.raises(UserError, match="layout is 21 x 15, the robot file's 15 rows x 21 columns"):
        read_field(message, scan)
