"""Making a cut-off or damaged MCAP recording readable again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from adapt.bags.salvage import Damage, Salvage
from adapt.bags.writer import BagWriter
from adapt.errors import UserError


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was saved.

    Attributes:
        bag: the new bag's folder.
        messages: saved messages by topic.
        damaged_chunks: chunks that were there whole but did not pass their checksum.
        unread_bytes: bytes of the sources that could not be read.
        damage: where they are, and why.
    """

    bag: Path
    messages: dict[str, int]
    damaged_chunks: int
    unread_bytes: int
    damage: tuple[Damage, ...]

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
    salvages = [Salvage(source) for source in _sources(path)]
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
    damage = tuple(chain.from_iterable(salvage.damage for salvage in salvages))
    return Recovery(
        folder,
        dict(writer.message_counts),
        sum(salvage.damaged_chunks for salvage in salvages),
        sum(each.bytes for each in damage),
        damage,
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
