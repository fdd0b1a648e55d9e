from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joint_bags import JOINT_STATE, START_NS, joint_state, text, write_joint_bag

from adapt.bags.playback import header_stamp, playback, topics_to_play, with_header_stamp
from adapt.bags.topic import standard_types
from adapt.bags.writer import BagWriter
from adapt.errors import UserError


@given(old=st.integers(0, 2**31 * 10**9 - 1), new=st.integers(0, 2**31 * 10**9 - 1), little=st.booleans())
def test_only_the_stamp_changes(old: int, new: int, little: bool) -> None:
    message = joint_state(old, [0.25] * 6)
    data = bytes(standard_types().serialize_cdr(message, JOINT_STATE, little_endian=little))
    changed = with_header_stamp(data, new)
    assert (header_stamp(data), header_stamp(changed)) == (old, new)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(new, 10**9)
    assert changed == bytes(standard_types().serialize_cdr(message, JOINT_STATE, little_endian=little))


def test_a_message_keeps_its_age(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/text", "std_msgs/msg/String")
        writer.add_topic("/joint_states", JOINT_STATE)
        writer.write_message("/text", START_NS, text("first"))
        stamp_ns = START_NS + 1_000_000_000 - 3_000_000
        writer.write_message("/joint_states", START_NS + 1_000_000_000, joint_state(stamp_ns, [0.0] * 6))
        writer.write_message("/joint_states", START_NS + 2_000_000_000, joint_state(0, [0.0] * 6))
    first, second, third = playback(tmp_path / "bag", speed=2.0)
    assert (first.topic, first.after_ns, first.stamp_after_ns) == ("/text", 0, None)
    assert (second.after_ns, second.stamp_after_ns) == (500_000_000, 498_500_000)
    assert (third.after_ns, third.stamp_after_ns) == (1_000_000_000, None)


def test_the_topics_are_chosen_by_name(tmp_path: Path) -> None:
    bag = write_joint_bag(tmp_path / "bag", count=5, topics=("/a", "/b"))
    assert [topic.name for topic in topics_to_play(bag)] == ["/a", "/b"]
    assert [topic.name for topic in topics_to_play(bag, ["/b"])] == ["/b"]
    assert {due.topic for due in playback(bag, ["/b"])} == {"/b"}
    with pytest.raises(UserError, match="/c is not in the bag; it has: /a, /b"):
        topics_to_play(bag, ["/c"])
    with BagWriter(tmp_path / "empty") as writer:
        writer.add_topic("/a", JOINT_STATE)
    with pytest.raises(UserError, match="nothing to play"):
        topics_to_play(tmp_path / "empty")
