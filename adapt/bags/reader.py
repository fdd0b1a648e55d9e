"""Reading any ROS 2 bag: MCAP or sqlite3, a folder or a bare file, standard or custom messages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from rosbags.interfaces import Connection, ConnectionExtRosbag2, QosDurability
from rosbags.rosbag2 import Reader

from adapt.bags.message_types import BagTypes
from adapt.bags.salvage import first_damage, one_line
from adapt.bags.topic import RawMessage
from adapt.errors import UserError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """A topic of a bag. `problem` says why its messages cannot be decoded; None if they can."""

    name: str
    type: str
    messages: int
    transient_local: bool
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class BagInfo:
    """What is in a bag; times in ns of the log clock."""

    path: str
    start_ns: int
    end_ns: int
    messages: int
    topics: tuple[TopicInfo, ...]

    @property
    def duration_s(self) -> float:
        """Time between the first and the last message, in s."""
        return (self.end_ns - self.start_ns) * 1e-9

    def topic(self, name: str) -> TopicInfo | None:
        """The topic of that name, if the bag has it."""
        return next((topic for topic in self.topics if topic.name == name), None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "duration_s": self.duration_s}


class Bag:
    """An open bag; use as a context manager. Memory stays bounded by a few chunks.

    Args:
        path: a bag folder, or a bare .mcap or .db3 file.
        msg_dir: folder with .msg files (`<package>/msg/<Type>.msg`) for bags that carry no definitions.

    Raises:
        UserError: the bag is missing, empty, cut off or damaged; the message names the file and the
            cure. Iterating raises it too, where damage shows only then.
    """

    def __init__(self, path: Path, msg_dir: Path | None = None) -> None:
        self.path = path
        self._msg_dir = msg_dir
        with _damage(path):
            self._reader = Reader(_storage(path))

    def __enter__(self) -> Bag:
        with _damage(self.path):
            self._reader.open()
            self._types = BagTypes(self._reader.connections, self._msg_dir)
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    @property
    def info(self) -> BagInfo:
        """Topics, types and times."""
        topics: dict[str, TopicInfo] = {}
        for connection in self._reader.connections:
            # Two publishers with different QoS are two connections of one topic.
            earlier = topics.get(connection.topic)
            topics[connection.topic] = TopicInfo(
                connection.topic,
                connection.msgtype,
                connection.msgcount + (earlier.messages if earlier else 0),
                _transient_local(connection) or bool(earlier and earlier.transient_local),
                self._types.problem(connection.msgtype),
            )
        count = self._reader.message_count
        start_ns, end_ns = (self._reader.start_time, self._reader.end_time - 1) if count else (0, 0)
        ordered = tuple(topics[name] for name in sorted(topics))
        return BagInfo(str(self.path), start_ns, end_ns, count, ordered)

    def raw(self, topics: Collection[str] | None = None) -> Iterator[RawMessage]:
        """Messages in the order of their log time, undecoded; all topics, or those asked for and there."""
        for connection, stamp_ns, data in self._stored(lambda each: topics is None or each.topic in topics):
            yield RawMessage(connection.topic, stamp_ns, data)

    def messages(self, topics: Collection[str] | None = None) -> Iterator[tuple[str, str, int, object]]:
        """Decoded messages as (topic, type, log time in ns, message), in the order of their log time.

        A topic that was asked for and is not in the bag gives nothing: look at `info`. Without
        `topics`, one that cannot be decoded is named in a warning and left out.

        Raises:
            UserError: a topic asked for has an unknown type, or a message does not fit its type.
        """
        for topic in self.info.topics:
            if topic.problem is None or (topics is not None and topic.name not in topics):
                continue
            if topics is not None:
                raise UserError(f"{self.path}: topic {topic.name}: {topic.problem}")
            logger.warning("%s: topic %s left out: %s", self.path, topic.name, topic.problem)

        def wanted(connection: Connection) -> bool:
            asked = topics is None or connection.topic in topics
            return asked and self._types.problem(connection.msgtype) is None

        for connection, stamp_ns, data in self._stored(wanted):
            misfit = f"topic {connection.topic} at {stamp_ns} ns: no valid {connection.msgtype}"
            with _damage(self.path, misfit):
                message = self._types.decode(data, connection.msgtype)
            yield connection.topic, connection.msgtype, stamp_ns, message

    def starts_with_header(self, type_name: str) -> bool:
        """Whether messages of that type begin with a std_msgs/Header."""
        return self._types.starts_with_header(type_name)

    def _stored(self, wanted: Callable[[Connection], bool]) -> Iterator[tuple[Connection, int, bytes]]:
        connections = [connection for connection in self._reader.connections if wanted(connection)]
        if not connections:
            return
        read, last = 0, ""
        try:
            for connection, stamp_ns, data in self._reader.messages(connections):
                if not isinstance(data, (bytes, memoryview)):
                    raise UserError(f"{self.path}: topic {connection.topic} at {stamp_ns} ns: holds no bytes")
                read, last = read + 1, f", the last on {connection.topic} at {stamp_ns} ns"
                yield connection, stamp_ns, data
        except UserError:
            raise
        except Exception as error:
            raise _damaged(self.path, error, f" after {read} messages{last}") from error


def read_bag(
    path: Path, topics: Collection[str] | None = None, msg_dir: Path | None = None
) -> Iterator[tuple[str, str, int, object]]:
    """Decoded messages of a bag as (topic, type, log time in ns, message); see `Bag.messages`.

    Raises:
        UserError: see `Bag`.
    """
    with Bag(path, msg_dir) as bag:
        yield from bag.messages(topics)


def bag_info(path: Path, msg_dir: Path | None = None) -> BagInfo:
    """What is in a bag.

    Raises:
        UserError: see `Bag`.
    """
    with Bag(path, msg_dir) as bag, _damage(path):
        return bag.info


def _storage(path: Path) -> Path:
    """The path that holds the bag's index, after the mistakes that have a cure of their own."""
    if not path.exists():
        raise UserError(f"{path}: no such bag")
    if path.is_dir():
        if not (path / "metadata.yaml").is_file():
            if any(path.glob("*.mcap*")):
                raise UserError(f"{path}: no metadata.yaml in it: run 'adapt bags recover {path}'")
            raise UserError(f"{path}: not a bag: there is no metadata.yaml in it")
        return path
    if path.name == "metadata.yaml":
        return path.parent
    if path.stat().st_size == 0:
        raise UserError(f"{path}: the file is empty")
    if path.suffix == ".tmp":
        raise UserError(f"{path}: the recording was cut off: run 'adapt bags recover {path}'")
    if path.suffix not in {".mcap", ".db3"}:
        raise UserError(f"{path}: not a bag: expected a bag folder, a .mcap or a .db3 file")
    return path


def _transient_local(connection: Connection) -> bool:
    extension = cast(ConnectionExtRosbag2, connection.ext)
    return any(
        profile.durability is QosDurability.TRANSIENT_LOCAL for profile in extension.offered_qos_profiles
    )


@contextmanager
def _damage(path: Path, problem: str = "") -> Iterator[None]:
    """Turn whatever a damaged file makes the parsers raise into one line that names the file."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if problem:
            raise UserError(f"{path}: {problem} ({one_line(error)})") from error
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception, after: str = "") -> UserError:
    """Says where the damage is, as far as that can be found, and the cure."""
    files = sorted(path.glob("*.mcap")) if path.is_dir() else [path] * (path.suffix == ".mcap")
    found = next((damage for file in files if (damage := first_damage(file)) is not None), None)
    where = "" if found is None else f": from byte {found.offset} of {Path(found.file).name} on"
    cure = f"run 'adapt bags recover {path}'" if files else "take the copy that is whole"
    return UserError(f"{path}: damaged or cut off{after}{where} ({one_line(error)}): {cure}")
