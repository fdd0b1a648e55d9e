"""Writing a rosbag2 folder with MCAP storage that survives a kill."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import yaml
from mcap.writer import CompressionType, Writer
from rosbags.typesys.store import Typestore

from adapt.bags.topic import PlainDumper, QualityOfService, TopicDescription, describe_topic, standard_types
from adapt.errors import UserError
from adapt.files import sync_folder, write_text

CHUNK_BYTES = 256 * 1024
"""Size of a chunk before compression: the most that a kill can cost."""


class BagWriter:
    """A bag folder `<folder>/` with `<name>_0.mcap` and, once closed, `metadata.yaml`.

    Until it is closed the file is named `<name>_0.mcap.tmp`. Every full chunk goes to the operating
    system at once, so that a killed process loses at most the chunk it was filling, and
    `adapt.bags.recover` makes the rest readable. As a context manager it closes the bag, or, after
    an error, leaves the .tmp file for recovery.

    Raises:
        UserError: the folder exists and is not empty.
    """

    def __init__(self, folder: Path, types: Typestore | None = None, chunk_bytes: int = CHUNK_BYTES) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder}: exists already; choose another folder or remove it")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.path = folder / f"{folder.name}_0.mcap"
        self.message_counts: dict[str, int] = {}
        """Messages written so far, by topic."""
        self._types = types or standard_types()
        self._temporary = self.path.with_name(f"{self.path.name}.tmp")
        self._file = self._temporary.open("xb")
        self._writer = Writer(self._file, chunk_size=chunk_bytes, compression=CompressionType.ZSTD)
        self._writer.start(profile="ros2", library="adapt")
        self._file.flush()
        self._topics: dict[str, TopicDescription] = {}
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        self._first_ns: int | None = None
        self._last_ns = 0

    def add_topic(self, topic: str, type_name: str, qos: QualityOfService | None = None) -> None:
        """Make `topic` known, with a type of this writer's type store.

        Raises:
            UserError: the type is unknown, or the topic is there already with another one.
        """
        known = self._topics.get(topic)
        if known is None:
            self.add_described_topic(describe_topic(topic, type_name, qos, self._types))
        elif known.type != type_name:
            raise UserError(f"{self.folder}: topic {topic} has the type {known.type}, not {type_name}")

    def add_described_topic(self, topic: TopicDescription) -> None:
        """Make a topic known as another bag described it."""
        if topic.type not in self._schemas:
            schema = self._writer.register_schema(topic.type, topic.encoding, topic.definition.encode())
            self._schemas[topic.type] = schema
        metadata = {"offered_qos_profiles": topic.qos, "topic_type_hash": topic.type_hash}
        channel = self._writer.register_channel(topic.name, "cdr", self._schemas[topic.type], metadata)
        self._channels[topic.name] = channel
        self._topics[topic.name] = topic
        self.message_counts[topic.name] = 0

    def write(self, topic: str, stamp_ns: int, data: bytes | memoryview) -> None:
        """Append CDR bytes received at `stamp_ns`. The topic must have been added."""
        self._writer.add_message(self._channels[topic], stamp_ns, bytes(data), stamp_ns)
        # A finished chunk leaves Python's buffer here, not when the next one happens to push it out.
        self._file.flush()
        self.message_counts[topic] += 1
        self._first_ns = stamp_ns if self._first_ns is None else min(self._first_ns, stamp_ns)
        self._last_ns = max(self._last_ns, stamp_ns)

    def write_message(self, topic: str, stamp_ns: int, message: object) -> None:
        """Append a message object of this writer's type store."""
        self.write(topic, stamp_ns, self._types.serialize_cdr(message, self._topics[topic].type))

    def close(self) -> Path:
        """Finish the file, give it its name, write the metadata; returns the folder."""
        self._writer.finish()  # type: ignore[no-untyped-call]
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self.path)
        sync_folder(self.folder)
        start_ns = 0 if self._first_ns is None else self._first_ns
        topics, counts = self._topics.values(), self.message_counts
        metadata = metadata_yaml(self.path.name, topics, counts, start_ns, self._last_ns)
        write_text(self.folder / "metadata.yaml", metadata)
        return self.folder

    def abandon(self) -> None:
        """Let go of the file without finishing it; it keeps its temporary name."""
        self._file.close()

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


def metadata_yaml(
    file_name: str, topics: Iterable[TopicDescription], counts: dict[str, int], start_ns: int, end_ns: int
) -> str:
    """The `metadata.yaml` of a bag of one MCAP file, in rosbag2's version 8, which Humble to Rolling read."""
    span = {
        "starting_time": {"nanoseconds_since_epoch": start_ns},
        "duration": {"nanoseconds": end_ns - start_ns},
        "message_count": sum(counts.values()),
    }
    information = {
        "version": 8,
        "storage_identifier": "mcap",
        "relative_file_paths": [file_name],
        **span,
        "topics_with_message_count": [
            {
                "topic_metadata": {
                    "name": topic.name,
                    "type": topic.type,
                    "serialization_format": "cdr",
                    "offered_qos_profiles": topic.qos,
                    "type_description_hash": topic.type_hash,
                },
                "message_count": counts[topic.name],
            }
            for topic in topics
        ],
        "compression_format": "",
        "compression_mode": "",
        "files": [{"path": file_name, **span}],
        "custom_data": None,
        "ros_distro": "",
    }
    return yaml.dump({"rosbag2_bagfile_information": information}, Dumper=PlainDumper, sort_keys=False)
