"""What a bag must know of a topic so that any tool can read it: type, definition, hash, QoS."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import yaml
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore

from adapt.errors import UserError


class RawMessage(NamedTuple):
    """One message as it came over the wire.

    `stamp_ns` is when it was received (the log time), in ns of the robot's clock; `data` is CDR.
    """

    topic: str
    stamp_ns: int
    data: bytes


@dataclass(frozen=True, slots=True)
class QualityOfService:
    """The part of a publisher's QoS that a bag keeps, so that a player can offer the same."""

    depth: int = 10
    reliable: bool = True
    transient_local: bool = False

    def to_yaml(self) -> str:
        """A list of one profile, in the form of rosbag2 metadata up to version 8, which all readers take."""
        unlimited = {"sec": 9223372036, "nsec": 854775807}
        profile = {
            "history": 1,
            "depth": self.depth,
            "reliability": 1 if self.reliable else 2,
            "durability": 1 if self.transient_local else 2,
            "deadline": unlimited,
            "lifespan": unlimited,
            "liveliness": 1,
            "liveliness_lease_duration": unlimited,
            "avoid_ros_namespace_conventions": False,
        }
        return yaml.dump([profile], Dumper=PlainDumper, sort_keys=False).strip()


class PlainDumper(yaml.SafeDumper):
    """YAML that repeats a value instead of pointing back to it, as the ordinary tools write it."""

    def ignore_aliases(self, data: object) -> bool:
        """Never an alias."""
        return True


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """A topic as it stands in a bag."""

    name: str
    type: str
    definition: str
    """Text of the message definition and of all that it uses."""
    encoding: str = "ros2msg"
    """How `definition` is written: ros2msg or ros2idl."""
    type_hash: str = ""
    """REP 2016 hash (RIHS01), empty if unknown."""
    qos: str = ""
    """YAML list of the publishers' QoS profiles."""


@cache
def standard_types() -> Typestore:
    """The messages that come with ROS 2. Shared: do not register types in it."""
    return get_typestore(Stores.ROS2_JAZZY)


def describe_topic(
    name: str, type_name: str, qos: QualityOfService | None = None, types: Typestore | None = None
) -> TopicDescription:
    """Describe a topic of a known type, by default one of the standard messages.

    Raises:
        UserError: the type is not in `types`.
    """
    store = types or standard_types()
    if type_name not in store.fielddefs:
        raise UserError(f"topic {name}: the type {type_name} is not known here: give its .msg file")
    definition, _ = store.generate_msgdef(type_name, ros_version=2)
    profile = (qos or QualityOfService()).to_yaml()
    return TopicDescription(name, type_name, definition, "ros2msg", store.hash_rihs01(type_name), profile)
