from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joint_bags import JOINT_STATE, START_NS, joint_state, text, write_joint_bag
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability, QosReliability

from adapt.bags.topic import QualityOfService, standard_types
from adapt.bags.writer import BagWriter
from adapt.errors import UserError


def test_the_ordinary_readers_give_back_the_bytes(tmp_path: Path) -> None:
    payloads = [
        bytes(standard_types().serialize_cdr(joint_state(START_NS + k, [k / 7.0] * 6), JOINT_STATE))
        for k in range(500)
    ]
    with BagWriter(tmp_path / "arm", chunk_bytes=8192) as writer:
        writer.add_topic("/joint_states", JOINT_STATE)
        for k, payload in enumerate(payloads):
            writer.write("/joint_states", START_NS + k, payload)

    with AnyReader([tmp_path / "arm"]) as reader:
        read = list(reader.messages())
        assert [data for _, _, data in read] == payloads
        assert [stamp for _, stamp, _ in read] == [START_NS + k for k in range(500)]
        last = reader.deserialize(read[-1][2], JOINT_STATE)
        assert np.array_equal(last.position, np.full(6, 499 / 7.0))
    with (tmp_path / "arm" / "arm_0.mcap").open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        assert reader.get_header().profile == "ros2"
        assert reader.get_summary().statistics.chunk_count > 3
        assert [message.data for _, _, message in reader.iter_messages()] == payloads


def test_types_hashes_and_qos_are_kept(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/version", "std_msgs/msg/String", QualityOfService(depth=1, transient_local=True))
        writer.add_topic("/joint_states", JOINT_STATE, QualityOfService(reliable=False))
        writer.write_message("/version", START_NS, text("v1"))
    with AnyReader([tmp_path / "bag"]) as reader:
        connections = {connection.topic: connection for connection in reader.connections}
    version, joints = (
        connections[topic].ext.offered_qos_profiles[0] for topic in ("/version", "/joint_states")
    )
    assert version.durability is QosDurability.TRANSIENT_LOCAL and version.depth == 1
    assert joints.reliability is QosReliability.BEST_EFFORT and joints.durability is QosDurability.VOLATILE
    # The hash that ROS 2 itself gives to this type.
    hash_of_string = "RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18"
    assert connections["/version"].digest == hash_of_string


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stamps=st.lists(st.integers(0, 2**62), min_size=0, max_size=40))
def test_any_order_of_stamps_is_read_in_order(
    tmp_path_factory: pytest.TempPathFactory, stamps: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("order") / "bag"
    with BagWriter(folder) as writer:
        writer.add_topic("/text", "std_msgs/msg/String")
        for stamp in stamps:
            writer.write_message("/text", stamp, text(str(stamp)))
    with AnyReader([folder]) as reader:
        assert [stamp for _, stamp, _ in reader.messages()] == sorted(stamps)
        assert reader.message_count == len(stamps)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    write_joint_bag(tmp_path / "bag", count=3)
    with pytest.raises(UserError, match="exists already"):
        BagWriter(tmp_path / "bag")


def test_after_an_error_the_file_keeps_its_temporary_name(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/text", "std_msgs/msg/String")
        raise RuntimeError
    assert [path.name for path in (tmp_path / "bag").iterdir()] == ["bag_0.mcap.tmp"]


def test_an_unknown_type_names_topic_and_type(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer, pytest.raises(UserError, match=r"/x.*my_msgs/msg/Odd"):
        writer.add_topic("/x", "my_msgs/msg/Odd")
