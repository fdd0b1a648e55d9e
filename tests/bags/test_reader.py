from __future__ import annotations

import logging
import random
from pathlib import Path

import pytest
from joint_bags import JOINT_STATE, START_NS, joint_state, text, write_joint_bag
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from adapt.bags.reader import Bag, bag_info, read_bag
from adapt.bags.topic import QualityOfService, TopicDescription, standard_types
from adapt.bags.writer import BagWriter
from adapt.errors import UserError

ODD_TYPE = "my_msgs/msg/Odd"
ODD_DEFINITION = "std_msgs/Header header\nint32 count\n"


def test_only_the_topics_asked_for_are_read(tmp_path: Path) -> None:
    bag = write_joint_bag(tmp_path / "bag", count=50, topics=("/a", "/b", "/c"))
    read = list(read_bag(bag, ["/b", "/not_there"]))
    assert {topic for topic, _, _, _ in read} == {"/b"}
    assert [message.position[0] for _, _, _, message in read] == list(range(50))
    assert [stamp for _, _, stamp, _ in read] == [START_NS + k * 20_000_000 for k in range(50)]


@pytest.mark.parametrize("bare", [False, True])
def test_folders_and_bare_files(tmp_path: Path, bare: bool) -> None:
    bag = write_joint_bag(tmp_path / "bag.bag", count=50)
    info = bag_info(bag / "bag.bag_0.mcap" if bare else bag)
    assert (info.messages, info.start_ns, info.end_ns) == (50, START_NS, START_NS + 49 * 20_000_000)
    assert info.topics[0].name == "/joint_states" and info.topics[0].type == JOINT_STATE
    assert info.as_dict()["duration_s"] == pytest.approx(0.98)


def test_an_empty_bag_has_no_messages(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/version", "std_msgs/msg/String", QualityOfService(transient_local=True))
    info = bag_info(tmp_path / "bag")
    assert (info.messages, info.duration_s) == (0, 0.0)
    assert info.topic("/version") is not None and info.topic("/version").transient_local
    assert list(read_bag(tmp_path / "bag")) == []


def odd_sqlite_bag(folder: Path) -> Path:
    """A bag in sqlite3 without definitions, with a custom and a standard topic."""
    types = get_typestore(Stores.ROS2_JAZZY)
    types.register(get_types_from_msg(ODD_DEFINITION, ODD_TYPE))
    header = joint_state(START_NS, [0.0] * 6).header
    with Writer(folder, version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
        odd = writer.add_connection("/odd", ODD_TYPE, msgdef="", rihs01=types.hash_rihs01(ODD_TYPE))
        plain = writer.add_connection("/text", "std_msgs/msg/String", typestore=types)
        for index in range(5):
            message = types.types[ODD_TYPE](header=header, count=index)
            writer.write(odd, START_NS + index, types.serialize_cdr(message, ODD_TYPE))
            writer.write(plain, START_NS + index, types.serialize_cdr(text("hi"), "std_msgs/msg/String"))
    return folder


def test_a_missing_type_spoils_only_its_own_topic(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bag = odd_sqlite_bag(tmp_path / "bag")
    with pytest.raises(UserError, match=r"/odd.*my_msgs/msg/Odd.*--msg-dir"):
        list(read_bag(bag, ["/odd"]))
    assert len(list(read_bag(bag, ["/text"]))) == 5
    with caplog.at_level(logging.WARNING):
        assert {topic for topic, _, _, _ in read_bag(bag)} == {"/text"}
    assert "/odd left out" in caplog.text and ODD_TYPE in caplog.text
    assert [bool(topic.problem) for topic in bag_info(bag).topics] == [True, False]
    with Bag(bag) as opened:
        assert sum(1 for _ in opened.raw(["/odd"])) == 5


def test_message_files_supply_a_missing_type(tmp_path: Path) -> None:
    bag = odd_sqlite_bag(tmp_path / "bag")
    (tmp_path / "src" / "my_msgs" / "msg").mkdir(parents=True)
    (tmp_path / "src" / "my_msgs" / "msg" / "Odd.msg").write_text(ODD_DEFINITION)
    read = list(read_bag(bag, ["/odd"], tmp_path / "src"))
    assert [message.count for _, _, _, message in read] == list(range(5))
    with Bag(bag, tmp_path / "src") as opened:
        assert opened.starts_with_header(ODD_TYPE) and not opened.starts_with_header("std_msgs/msg/String")
    (tmp_path / "src" / "my_msgs" / "msg" / "Worse.msg").write_text("int32 &&&")
    with pytest.raises(UserError, match=r"Worse\.msg"):
        bag_info(bag, tmp_path / "src")


@pytest.mark.parametrize("definition", ["int32 &&&", "my_msgs/Unknown x\n"])
def test_a_bad_definition_spoils_only_its_own_topic(tmp_path: Path, definition: str) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_described_topic(TopicDescription("/odd", ODD_TYPE, definition))
        writer.add_topic("/text", "std_msgs/msg/String")
        writer.write("/odd", 1, b"\x00\x01\x00\x00\x01\x00\x00\x00")
        writer.write_message("/text", 2, text("hi"))
    assert [message.data for _, _, _, message in read_bag(tmp_path / "bag", ["/text"])] == ["hi"]
    with pytest.raises(UserError, match="/odd"):
        list(read_bag(tmp_path / "bag", ["/odd"]))


def test_a_message_that_does_not_fit_its_type_is_named(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/joint_states", JOINT_STATE)
        writer.write("/joint_states", 17, b"\x00\x01\x00\x00\x01")
    with pytest.raises(UserError, match=r"bag: topic /joint_states at 17 ns"):
        list(read_bag(tmp_path / "bag"))


def test_what_is_no_bag_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "empty.mcap").touch()
    (tmp_path / "cut.mcap.tmp").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder").mkdir()
    for name, reason in [
        ("missing", "no such bag"),
        ("empty.mcap", "empty"),
        ("cut.mcap.tmp", "adapt bags recover"),
        ("notes.txt", "expected a bag folder"),
        ("folder", "not a bag"),
    ]:
        with pytest.raises(UserError, match=rf"{name}.*{reason}"):
            bag_info(tmp_path / name)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_mangled_files_end_in_a_user_error_or_in_messages(tmp_path: Path, storage: str) -> None:
    if storage == "mcap":
        bag = write_joint_bag(tmp_path / "bag", count=60)
        paths = [bag / "bag_0.mcap", bag / "metadata.yaml"]
    else:
        bag = odd_sqlite_bag(tmp_path / "bag")
        paths = [bag / "bag.db3", bag / "metadata.yaml"]
    whole = {path: path.read_bytes() for path in paths}
    generator = random.Random(7)
    refused = 0
    for trial in range(60):
        path = paths[0] if trial % 4 else paths[1]
        path.write_bytes(mangled(whole[path], generator))
        try:
            for topic, type_name, stamp_ns, _ in read_bag(bag):
                assert topic and type_name and isinstance(stamp_ns, int)
        except UserError as error:
            assert str(bag) in str(error) and "\n" not in str(error)
            refused += 1
        path.write_bytes(whole[path])
    assert refused > 20
    assert list(read_bag(bag, ["/joint_states", "/text"]))


def mangled(content: bytes, generator: random.Random) -> bytes:
    changed = bytearray(content)
    kind = generator.choice(["cut", "flip", "fill", "swap"])
    if kind == "cut":
        return bytes(changed[: generator.randrange(len(changed))])
    if kind == "flip":
        for _ in range(generator.randint(1, 8)):
            changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
    else:
        start, length = generator.randrange(len(changed)), generator.randint(1, 64)
        changed[start : start + length] = generator.randbytes(length) if kind == "fill" else b"\xff" * length
    return bytes(changed)


def test_the_standard_types_stay_as_they_are(tmp_path: Path) -> None:
    odd_sqlite_bag(tmp_path / "bag")
    assert ODD_TYPE not in standard_types().fielddefs
