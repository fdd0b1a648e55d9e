"""Making a cut-off or damaged MCAP recording readable again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from mcap.records import Channel, Chunk, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk

from adapt.bags.topic import TopicDescription
from adapt.bags.writer import BagWriter
from adapt.errors import UserError


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was saved.

    Attributes:
        bag: the new bag's folder.
        messages: saved messages by topic.
        damaged_chunks: chunks that were there whole but did not pass their checksum.
        unread_bytes: bytes at the end of the sources, after the last record that could be read.
    """

    bag: Path
    messages: dict[str, int]
    damaged_chunks: int
    unread_bytes: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "bag": str(self.bag)}


def recover(path: Path, out: Path | None = None) -> Recovery:
    """Save every whole chunk of a recording into a new bag; the source stays as it is.

    Args:
        path: a bag folder with .mcap or .mcap.tmp files, or one such file.
        out: folder of the new bag; by default `<name>_recovered` beside the source.

    Raises:
        UserError: there is no MCAP file, nothing could be read from it, or `out` exists.
    """
    salvages = [_Salvage(source) for source in _sources(path)]
    found = chain.from_iterable(salvage.messages() for salvage in salvages)
    first = next(found, None)
    if first is None:
        raise UserError(f"{path}: not one whole chunk in it: nothing to recover")
    name = path.name.removesuffix(".tmp").removesuffix(".mcap")
    folder = out or path.with_name(f"{name}_recovered")
    with BagWriter(folder) as writer:
        for topic, message in chain([first], found):
            if topic.name not in writer.message_counts:
                writer.add_described_topic(topic)
            writer.write(topic.name, message.log_time, message.data)
    return Recovery(
        folder,
        dict(writer.message_counts),
        sum(salvage.damaged_chunks for salvage in salvages),
        sum(salvage.unread_bytes for salvage in salvages),
    )


def _sources(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted([*path.glob("*.mcap"), *path.glob("*.mcap.tmp")])
        if not found:
            raise UserError(f"{path}: no .mcap or .mcap.tmp file in it, and only those can be recovered")
        return found
    if not path.is_file():
        raise UserError(f"{path}: no such recording")
    if not path.name.endswith((".mcap", ".mcap.tmp")):
        raise UserError(f"{path}: only .mcap and .mcap.tmp recordings can be recovered")
    return [path]


class _Salvage:
    """Reads what is whole in one MCAP file, from its beginning, without its index."""

    def __init__(self, path: Path) -> None:
        self.damaged_chunks = 0
        self.unread_bytes = 0
        self._path = path
        self._schemas: dict[int, Schema] = {}
        self._topics: dict[int, TopicDescription] = {}

    def messages(self) -> Iterator[tuple[TopicDescription, Message]]:
        for record in self._records():
            if isinstance(record, Schema):
                self._schemas[record.id] = record
            elif isinstance(record, Channel):
                self._topics[record.id] = self._described(record)
            elif isinstance(record, Message) and record.channel_id in self._topics:
                yield self._topics[record.channel_id], record

    def _records(self) -> Iterator[McapRecord]:
        size = self._path.stat().st_size
        with self._path.open("rb") as file:
            records = StreamReader(file, emit_chunks=True, record_size_limit=size).records
            position = 0
            while True:
                try:
                    record = next(records, None)
                except Exception:  # The file ends or breaks here: whatever the parser met is the end.
                    self.unread_bytes = size - position
                    return
                if record is None:
                    return
                position = file.tell()
                if isinstance(record, Chunk):
                    yield from self._chunk(record)
                else:
                    yield record

    def _chunk(self, chunk: Chunk) -> list[McapRecord]:
        try:
            return breakup_chunk(chunk, validate_crc=True)
        except Exception:  # A chunk with a wrong checksum, or that does not unpack: skipped and counted.
            self.damaged_chunks += 1
            return []

    def _described(self, channel: Channel) -> TopicDescription:
        schema = self._schemas.get(channel.schema_id)
        return TopicDescription(
            channel.topic,
            schema.name if schema else "unknown/msg/Unknown",
            schema.data.decode(errors="replace") if schema else "",
            schema.encoding if schema else "",
            channel.metadata.get("topic_type_hash", ""),
            channel.metadata.get("offered_qos_profiles", ""),
        )
