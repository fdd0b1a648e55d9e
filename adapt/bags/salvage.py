"""What is whole in a damaged MCAP file, read without its index."""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import IO

from mcap.records import Channel, Chunk, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk
from rosbags.rosbag2.metadata import parse_qos

from adapt.bags.topic import TopicDescription

CHUNK = re.compile(rb"\x06.{36}(?:\x04\0{3}zstd|\x03\0{3}lz4|\0{4})", re.DOTALL)
"""A chunk begins with its opcode, then length, times, size and checksum (36 bytes), and how it is packed."""

MAGIC = b"\x89MCAP0\r\n"
FOOTER = struct.Struct("<QQI")
"""Where the summary starts, where its offsets start, and the checksum of all that before the checksum."""
CHECKSUM_BYTES = 4


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of a file that could not be read.

    Attributes:
        file: its path.
        offset: of the first byte.
        bytes: its length.
        reason: what the parser met there.
    """

    file: str
    offset: int
    bytes: int
    reason: str


class Salvage:
    """Reads one MCAP file from its beginning, and goes on behind whatever is damaged.

    Attributes:
        damage: filled while the messages are read.
        damaged_chunks: chunks that were there but did not pass their checksum.
    """

    def __init__(self, path: Path) -> None:
        self.damage: list[Damage] = []
        self.damaged_chunks = 0
        self._path = path
        self._schemas: dict[int, Schema] = {}
        self._topics: dict[int, TopicDescription] = {}

    def messages(self) -> Iterator[tuple[TopicDescription, Message]]:
        """Every message of which the topic is known, in the order of the file."""
        self._read_summary()
        for record in self._records():
            self._learn(record)
            if isinstance(record, Message) and record.channel_id in self._topics:
                yield self._topics[record.channel_id], record

    def _read_summary(self) -> None:
        """Where the file has a whole end, the topics stand there too: the first chunk may be the damaged."""
        end = self._path.stat().st_size - len(MAGIC)
        if end < FOOTER.size:
            return
        with self._path.open("rb") as file:
            file.seek(end - FOOTER.size)
            start, _, checksum = FOOTER.unpack(file.read(FOOTER.size))
            if not 0 < start < end:
                return
            file.seek(start)
            summary = file.read()
        summary = summary[: -len(MAGIC)]
        if zlib.crc32(summary[:-CHECKSUM_BYTES]) == checksum:
            # Behind the summary the reader looks for the file's last bytes, which may be the damaged ones.
            for record in StreamReader(BytesIO(summary + MAGIC), skip_magic=True).records:
                self._learn(record)

    def _records(self) -> Iterator[McapRecord]:
        size = self._path.stat().st_size
        if not size:
            return
        with (
            self._path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            start = 0
            while start < size:
                broken = yield from self._stretch(file, start, size)
                if broken is None:
                    return
                end, sure, reason = broken
                found = CHUNK.search(content, max(sure, start + 1))
                start = size if found is None else found.start()
                # A wrong length may have hidden the chunk that was found: then less was read than it seemed.
                lost_from = end if start >= end else sure
                self._lost(lost_from, start - lost_from, reason)

    def _stretch(
        self, file: IO[bytes], start: int, size: int
    ) -> Generator[McapRecord, None, tuple[int, int, str] | None]:
        """Records from `start` on.

        Returns:
            where the last record ended, up to where all is surely known, and why what follows cannot be
            read; None at the end of the file.
        """
        file.seek(start)
        records = StreamReader(file, skip_magic=start > 0, emit_chunks=True, record_size_limit=size).records
        end = sure = start
        while True:
            try:
                record = next(records, None)
            except Exception as error:  # The file ends or breaks here: whatever the parser met is the reason.
                return None if end == size else (end, sure, one_line(error))
            if record is None:
                return None
            begin, end = end, file.tell()
            if not isinstance(record, Chunk):
                yield record
                continue
            try:
                content = breakup_chunk(record, validate_crc=True)
            except Exception as error:  # A wrong checksum, or it does not unpack.
                self.damaged_chunks += 1
                self._lost(begin, end - begin, one_line(error))
                sure = begin + 1
                continue
            sure = end
            yield from content

    def _lost(self, offset: int, length: int, reason: str) -> None:
        """Stretches that touch are one."""
        if self.damage and self.damage[-1].offset + self.damage[-1].bytes >= offset:
            last = self.damage[-1]
            end = max(offset + length, last.offset + last.bytes)
            self.damage[-1] = replace(last, bytes=end - last.offset)
        elif length:
            self.damage.append(Damage(str(self._path), offset, length, reason))

    def _learn(self, record: McapRecord) -> None:
        if isinstance(record, Schema):
            self._schemas[record.id] = record
        elif isinstance(record, Channel):
            self._topics[record.id] = self._described(record)

    def _described(self, channel: Channel) -> TopicDescription:
        schema = self._schemas.get(channel.schema_id)
        return TopicDescription(
            channel.topic,
            schema.name if schema else "unknown/msg/Unknown",
            schema.data.decode(errors="replace") if schema else "",
            schema.encoding if schema else "",
            channel.metadata.get("topic_type_hash", ""),
            _whole_profiles(channel.metadata.get("offered_qos_profiles", "")),
        )


def first_damage(path: Path) -> Damage | None:
    """The first stretch of a file that cannot be read; None where only its index may be damaged."""
    salvage = Salvage(path)
    for _ in salvage.messages():
        if salvage.damage:
            break
    return salvage.damage[0] if salvage.damage else None


def _whole_profiles(text: str) -> str:
    """QoS profiles as they stand there; none where they are damaged, since no tool would open the bag."""
    try:
        parse_qos(text)
    except Exception:  # Foreign text, which any parser may stumble over.
        return ""
    return text


def one_line(error: Exception) -> str:
    """What went wrong, as others say it, without line breaks."""
    return " ".join(f"{type(error).__name__}: {error}".split())
