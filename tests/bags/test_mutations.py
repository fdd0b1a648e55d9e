"""Files that were cut off, zeroed, flipped, shuffled: nothing crashes, nothing hangs, what is whole is read.

ADAPT_MUTATIONS says how many files; 1000 take some minutes.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from joint_bags import JOINT_STATE, START_NS, joint_state
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from adapt.bags.inspection import inspect_bag
from adapt.bags.playback import playback
from adapt.bags.reader import Bag, bag_info
from adapt.bags.recover import recover
from adapt.bags.replay import bag_ticks
from adapt.bags.topic import TopicDescription
from adapt.bags.writer import BagWriter
from adapt.errors import UserError
from adapt.robot.load import load_robot

MUTATIONS = int(os.environ.get("ADAPT_MUTATIONS", "30"))
HANGS_S = 20
ROBOT = load_robot("so101")
TOPICS = ("/joint_states", "/joint_commands")


def motion() -> Iterator[tuple[str, int, object]]:
    for number in range(80):
        stamp_ns = START_NS + number * 20_000_000
        for topic in TOPICS:
            yield topic, stamp_ns, joint_state(stamp_ns, list(np.sin(0.1 * number + np.arange(6.0))))


def mcap_bag(folder: Path) -> Path:
    with BagWriter(folder, chunk_bytes=4096) as writer:
        for topic in TOPICS:
            writer.add_topic(topic, JOINT_STATE)
        for topic, stamp_ns, message in motion():
            writer.write_message(topic, stamp_ns, message)
    return folder


def sqlite_bag(folder: Path) -> Path:
    types = get_typestore(Stores.ROS2_JAZZY)
    with Writer(folder, version=8, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connections = {topic: writer.add_connection(topic, JOINT_STATE, typestore=types) for topic in TOPICS}
        for topic, stamp_ns, message in motion():
            writer.write(connections[topic], stamp_ns, types.serialize_cdr(message, JOINT_STATE))
    return folder


def truncated(content: bytearray, generator: random.Random) -> bytearray:
    return content[: generator.randrange(len(content))]


def zeroed(content: bytearray, generator: random.Random) -> bytearray:
    start, length = generator.randrange(len(content)), generator.choice([1, 8, 64, 512, 4096])
    end = min(start + length, len(content))
    content[start:end] = bytes(end - start)
    return content


def flipped(content: bytearray, generator: random.Random) -> bytearray:
    for _ in range(generator.choice([1, 1, 4, 32])):
        content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
    return content


def shuffled(content: bytearray, generator: random.Random) -> bytearray:
    size = generator.choice([16, 256, 1024])
    blocks = [content[start : start + size] for start in range(0, len(content), size)]
    first, second = (generator.randrange(len(blocks)) for _ in range(2))
    blocks[first], blocks[second] = blocks[second], blocks[first]
    return bytearray(b"".join(blocks))


def grown(content: bytearray, generator: random.Random) -> bytearray:
    place, length = generator.randrange(len(content)), generator.choice([1, 9, 300])
    return content[:place] + bytearray(generator.randbytes(length)) + content[place:]


MUTANTS: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (
    truncated,
    zeroed,
    flipped,
    shuffled,
    grown,
)


@contextmanager
def no_hang() -> Iterator[None]:
    def tell(*_: object) -> None:
        raise AssertionError(f"still busy after {HANGS_S} s")

    before = signal.signal(signal.SIGALRM, tell)
    signal.alarm(HANGS_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def refusal(bag: Path, work: Callable[[], object]) -> str:
    """The one line with which something is refused; empty where it is done."""
    try:
        work()
    except UserError as error:
        assert str(bag) in str(error) and "\n" not in str(error)
        return str(error)
    return ""


@pytest.mark.parametrize("make", [mcap_bag, sqlite_bag])
def test_mutated_bags_are_read_or_refused_by_name(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    bag = make(tmp_path / "bag")
    paths = sorted(bag.iterdir())
    whole = {path: path.read_bytes() for path in paths}
    refused = read = 0
    for trial in range(MUTATIONS):
        generator = random.Random(trial)
        path = paths[1] if trial % 8 == 0 else paths[0]
        path.write_bytes(generator.choice(MUTANTS)(bytearray(whole[path]), generator))
        with no_hang():
            told = [
                refusal(bag, lambda: bag_info(bag)),
                refusal(bag, lambda: inspect_bag(ROBOT, bag)),
                refusal(bag, lambda: list(bag_ticks(bag, ROBOT))),
                refusal(bag, lambda: list(playback(bag))),
            ]
        refused += any(told)
        read += not any(told)
        path.write_bytes(whole[path])
    assert refused > MUTATIONS // 5 and read > 0
    assert list(bag_ticks(bag, ROBOT))


def test_of_a_mutated_recording_every_whole_chunk_is_recovered(tmp_path: Path) -> None:
    bag = mcap_bag(tmp_path / "bag")
    path = bag / "bag_0.mcap"
    whole = path.read_bytes()
    with Bag(bag) as opened:
        sent = {(message.topic, message.stamp_ns, bytes(message.data)) for message in opened.raw()}
    kept = []
    for trial in range(MUTATIONS):
        generator = random.Random(10_000 + trial)
        path.write_bytes(generator.choice(MUTANTS[:4])(bytearray(whole), generator))
        out = tmp_path / "saved"
        with no_hang():
            if not refusal(bag, lambda out=out: recover(bag, out)):  # type: ignore[misc]
                with Bag(out) as opened:
                    found = [(each.topic, each.stamp_ns, bytes(each.data)) for each in opened.raw()]
                kept.append(len(found) / len(sent))
                # A topic's name and a record outside of chunks carry no checksum; what is in a chunk does.
                assert len(set(found) - sent) <= len(found) and len(found) <= len(sent) + 8
        shutil.rmtree(out, ignore_errors=True)
    assert len(kept) > MUTATIONS // 2 and np.mean(kept) > 0.5


def test_damage_is_told_with_what_was_read_and_where(tmp_path: Path) -> None:
    bag = mcap_bag(tmp_path / "bag")
    path = bag / "bag_0.mcap"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    told = refusal(bag, lambda: list(bag_ticks(bag, ROBOT)))
    found = re.search(
        r"after (\d+) messages, the last on /joint_\w+ at \d+ ns: from byte (\d+) of bag_0.mcap", told
    )
    assert found is not None, told
    assert 0 < int(found[1]) < 160 and abs(int(found[2]) - len(content) // 2) < 4096
    assert "adapt bags recover" in told
    inspection = inspect_bag(ROBOT, bag)
    assert "from byte" in inspection.problems[0] and 0 < inspection.fields[0].messages < 80


def test_hundreds_of_messages_of_an_unknown_type_spoil_nothing_else(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", chunk_bytes=4096) as writer:
        for topic in TOPICS:
            writer.add_topic(topic, JOINT_STATE)
        writer.add_described_topic(TopicDescription("/mystery", "their_msgs/msg/Secret", ""))
        for topic, stamp_ns, message in motion():
            writer.write_message(topic, stamp_ns, message)
            writer.write("/mystery", stamp_ns, random.Random(stamp_ns).randbytes(40))
            writer.write("/mystery", stamp_ns, b"")
    mystery = bag_info(tmp_path / "bag").topic("/mystery")
    assert mystery is not None and mystery.messages == 320 and "their_msgs/msg/Secret" in str(mystery.problem)
    whole = list(bag_ticks(mcap_bag(tmp_path / "plain"), ROBOT))
    assert [tick.stamp_ns for tick in bag_ticks(tmp_path / "bag", ROBOT)] == [tick.stamp_ns for tick in whole]
    assert not inspect_bag(ROBOT, tmp_path / "bag").problems


def test_a_clock_that_jumps_in_a_bag_costs_no_more_than_the_ticks_around_it(tmp_path: Path) -> None:
    jump_ns = 3600 * 10**9
    with BagWriter(tmp_path / "bag", chunk_bytes=4096) as writer:
        for topic in TOPICS:
            writer.add_topic(topic, JOINT_STATE)
        for number in range(300):
            stamp_ns = START_NS + number * 20_000_000 + (-jump_ns if number >= 150 else 0)
            for topic in TOPICS:
                writer.write_message(topic, stamp_ns, joint_state(stamp_ns, [0.1] * 6))
    ticks = list(bag_ticks(tmp_path / "bag", ROBOT))
    # The bag is read by its log time: the later half comes first, then an hour of nothing.
    assert sum(tick.complete for tick in ticks) > 140
    assert len(ticks) < 320
