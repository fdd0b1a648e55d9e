from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from joint_bags import write_joint_bag
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from adapt.bags.reader import bag_info, read_bag
from adapt.bags.recover import recover
from adapt.bags.salvage import CHUNK
from adapt.bags.writer import CHUNK_BYTES
from adapt.errors import UserError

KILLS = int(os.environ.get("ADAPT_KILLS", "5"))
WRITE_FOR_EVER = """
import itertools, os, sys
from pathlib import Path
from adapt.bags.writer import BagWriter
from adapt.bags.topic import standard_types
writer = BagWriter(Path(sys.argv[1]))
writer.add_topic("/text", "std_msgs/msg/String")
text = standard_types().types["std_msgs/msg/String"]
for index in itertools.count():
    writer.write_message("/text", index, text(data=f"{index:07d}" + os.urandom(246).hex()))
    print(index, flush=True)
"""
CHUNK_MESSAGES = CHUNK_BYTES // (4 + 4 + 500 + 31) + 2
"""CDR header, length and text; MCAP record and header. One may overfill a chunk, and one be on its way."""


@pytest.mark.parametrize("trial", range(KILLS))
def test_a_kill_costs_at_most_the_chunk_that_was_being_filled(tmp_path: Path, trial: int) -> None:
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE_FOR_EVER, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    instant = threading.Timer(random.Random(trial).uniform(0.0, 0.3), process.kill)
    instant.start()
    written = 1 + sum(line.endswith("\n") for line in process.stdout)
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    instant.join()

    with pytest.raises(UserError, match="adapt bags recover"):
        bag_info(folder)
    if written <= CHUNK_MESSAGES:
        with suppress(UserError):  # There may be no whole chunk yet, and then nothing to recover.
            recover(folder)
        return
    recovery = recover(folder)
    kept = recovery.messages["/text"]
    assert written - kept <= CHUNK_MESSAGES
    with AnyReader([recovery.bag]) as reader:
        assert [stamp for _, stamp, _ in reader.messages()] == list(range(kept))
    with next(recovery.bag.glob("*.mcap")).open("rb") as file:
        assert sum(1 for _ in make_reader(file, validate_crcs=True).iter_messages()) == kept


def test_a_flipped_bit_costs_one_chunk(tmp_path: Path) -> None:
    bag = write_joint_bag(tmp_path / "bag", count=400)
    path = bag / "bag_0.mcap"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    whole = 400
    recovery = recover(bag)
    assert recovery.damaged_chunks <= 1
    kept = [message.position[0] for _, _, _, message in read_bag(recovery.bag)]
    assert whole - 4096 // 150 - 2 <= len(kept) <= whole
    assert kept == sorted(set(kept))
    assert path.read_bytes() == bytes(content)


def test_a_lost_index_is_rebuilt(tmp_path: Path) -> None:
    bag = write_joint_bag(tmp_path / "bag", count=100)
    (bag / "metadata.yaml").unlink()
    with pytest.raises(UserError, match="adapt bags recover"):
        bag_info(bag)
    recovery = recover(bag, tmp_path / "elsewhere")
    assert recovery.bag == tmp_path / "elsewhere"
    assert (recovery.messages, recovery.damaged_chunks, recovery.unread_bytes) == (
        {"/joint_states": 100},
        0,
        0,
    )


@pytest.mark.parametrize("content", [b"", b"not a bag", b"\x89MCAP0\r\n"])
def test_what_holds_nothing_is_said_to(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mcap"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"x\.mcap.*nothing to recover"):
        recover(path)
    assert [each.name for each in tmp_path.iterdir()] == ["x.mcap"]


def test_behind_damage_every_whole_chunk_is_found_and_the_damage_is_named(tmp_path: Path) -> None:
    bag = write_joint_bag(tmp_path / "bag", count=600)
    path = bag / "bag_0.mcap"
    content = bytearray(path.read_bytes())
    chunks = [match.start() for match in CHUNK.finditer(content)]
    assert len(chunks) > 10
    first_chunk, wrong_length, zeroed = chunks[0], chunks[4], chunks[8]
    content[first_chunk + 60] ^= 1
    content[wrong_length + 1 : wrong_length + 9] = (10**6).to_bytes(8, "little")
    content[zeroed - 20 : zeroed + 30] = bytes(50)
    path.write_bytes(content)
    recovery = recover(bag)
    kept = [int(message.position[0]) for _, _, _, message in read_bag(recovery.bag)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(kept) if later != earlier + 1]
    in_a_chunk = 600 // len(chunks) + 2
    assert kept == sorted(set(kept)) and kept[0] <= in_a_chunk
    assert len(gaps) == 2 and max(gaps) <= in_a_chunk
    places = [(each.file, each.offset, each.offset + each.bytes) for each in recovery.damage]
    for damaged in (first_chunk + 60, wrong_length + 5, zeroed):
        assert any(file == str(path) and start <= damaged < end for file, start, end in places)
    assert all(each.reason for each in recovery.damage)


def test_a_first_chunk_that_is_lost_takes_no_topic_with_it(tmp_path: Path) -> None:
    bag = write_joint_bag(tmp_path / "bag", count=300)
    path = bag / "bag_0.mcap"
    content = bytearray(path.read_bytes())
    start = next(CHUNK.finditer(content)).start()
    content[start + 50 : start + 90] = bytes(40)
    path.write_bytes(content)
    assert 250 < recover(bag, tmp_path / "saved").messages["/joint_states"] < 300
    # Without a whole summary nobody knows what the messages are of.
    content[-20] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="nothing to recover"):
        recover(bag, tmp_path / "unknown")


def test_a_file_whose_last_bytes_are_damaged_gives_all_its_messages(tmp_path: Path) -> None:
    bag = write_joint_bag(tmp_path / "bag", count=100)
    path = bag / "bag_0.mcap"
    content = bytearray(path.read_bytes())
    content[-8] ^= 0x10
    path.write_bytes(content)
    assert recover(bag).messages == {"/joint_states": 100}
