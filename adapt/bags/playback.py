"""A bag as live messages: when each one is due, and with stamps of now."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from adapt.bags.reader import Bag, TopicInfo
from adapt.bags.topic import RawMessage
from adapt.errors import UserError

STAMP_OFFSET = 4
"""A header's stamp (int32 s, uint32 ns) begins right after the four bytes of the CDR encapsulation."""


@dataclass(frozen=True, slots=True)
class Due:
    """A message to publish.

    Attributes:
        topic: where.
        after_ns: when, in ns of wall time after the beginning.
        data: CDR bytes.
        stamp_after_ns: the stamp that its header should get, in ns after the beginning, so that it
            is as old when it is received as it was then; None where it has no stamp.
    """

    topic: str
    after_ns: int
    data: bytes
    stamp_after_ns: int | None


def playback(
    path: Path, topics: Collection[str] = (), speed: float = 1.0, msg_dir: Path | None = None
) -> Iterator[Due]:
    """Messages of a bag in the order of their log time; all topics where none are given.

    Raises:
        UserError: the bag cannot be read, or a message is shorter than its header.
    """
    with Bag(path, msg_dir) as bag:
        start_ns = bag.info.start_ns
        headers = {topic.name: bag.starts_with_header(topic.type) for topic in bag.info.topics}
        for message in bag.raw(topics or None):
            after_ns = round((message.stamp_ns - start_ns) / speed)
            stamp_ns = _stamp(path, message) if headers[message.topic] else 0
            stamp_after_ns = round((stamp_ns - start_ns) / speed) if stamp_ns else None
            yield Due(message.topic, after_ns, message.data, stamp_after_ns)


def topics_to_play(path: Path, topics: Collection[str] = (), msg_dir: Path | None = None) -> list[TopicInfo]:
    """The topics of a bag that `topics` names, or all.

    Raises:
        UserError: the bag cannot be read, has no messages, or lacks one of the topics.
    """
    with Bag(path, msg_dir) as bag:
        info = bag.info
    known = {topic.name: topic for topic in info.topics}
    missing = [name for name in topics if name not in known]
    if missing:
        raise UserError(f"{path}: the topic {missing[0]} is not in the bag; it has: {', '.join(known)}")
    chosen = [known[name] for name in topics] or list(info.topics)
    if not sum(topic.messages for topic in chosen):
        raise UserError(f"{path}: there is nothing to play in it")
    return chosen


def _stamp(path: Path, message: RawMessage) -> int:
    try:
        return header_stamp(message.data)
    except (struct.error, IndexError) as error:
        where = f"topic {message.topic} at {message.stamp_ns} ns"
        raise UserError(f"{path}: {where}: too short for its header: play other topics") from error


def header_stamp(data: bytes) -> int:
    """The stamp, in ns, of a CDR message that begins with a header; 0 where nobody filled it in."""
    seconds, nanoseconds = struct.unpack_from(_byte_order(data) + "iI", data, STAMP_OFFSET)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def with_header_stamp(data: bytes, stamp_ns: int) -> bytes:
    """The same message with another stamp; every other byte stays."""
    changed = bytearray(data)
    struct.pack_into(_byte_order(data) + "iI", changed, STAMP_OFFSET, *divmod(stamp_ns, 1_000_000_000))
    return bytes(changed)


def _byte_order(data: bytes) -> str:
    return "<" if data[1] & 1 else ">"
