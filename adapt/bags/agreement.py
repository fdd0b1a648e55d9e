"""Do live and replay agree? Ticks made anew from raw messages are held against those made live."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapt.bags.reader import Bag
from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification
from adapt.stream.assembler import PROPOSAL_TOPIC, TickAssembler
from adapt.stream.tick import Tick
from adapt.stream.tick_message import TICK_TOPIC, decode_tick

LATEST_NS = 100_000_000
"""A message may reach the recorder so much later than the planner."""
PARTS = ("observation", "valid", "command", "proposed", "applied", "version")


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many of the live ticks came out the same, bit for bit.

    Attributes:
        ticks: that were compared.
        same: of them.
        different: how often each part differed.
    """

    ticks: int
    same: int
    different: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def compare_with_live(
    path: Path, specification: RobotSpecification, msg_dir: Path | None = None
) -> Agreement | None:
    """Make the ticks of a bag anew, by the same code, and compare them with the recorded ones.

    The first ticks, whose messages lie before the bag begins, are left out.

    Returns:
        None where there is nothing to compare: no ticks, or not the messages that they were made of.

    Raises:
        UserError: the bag cannot be read.
    """
    different: Counter[str] = Counter()
    ticks = same = 0
    for live, again in _pairs(path, specification, msg_dir):
        found = [part for part in PARTS if not _equal(getattr(live, part), getattr(again, part))]
        ticks, same = ticks + 1, same + (not found)
        different.update(found)
    return Agreement(ticks, same, dict(different)) if ticks else None


def _pairs(
    path: Path, specification: RobotSpecification, msg_dir: Path | None
) -> Iterator[tuple[Tick, Tick]]:
    assembler = TickAssembler(specification)
    delay_ns = round(specification.sampling_delay_s * 1e9)
    silent = {channel.topic for channel in specification.channels.values()} | {specification.action.topic}
    waiting: deque[tuple[int, Tick]] = deque()
    first_ns: int | None = None

    def made(until_ns: float) -> Iterator[tuple[Tick, Tick]]:
        while waiting and waiting[0][0] + LATEST_NS < until_ns:
            _, live = waiting.popleft()
            if first_ns is not None and live.stamp_ns > first_ns:
                yield live, assembler.assemble(live.index, live.stamp_ns + delay_ns)

    with Bag(path, msg_dir) as bag:
        for topic, _, receive_ns, message in bag.messages([*assembler.topics, PROPOSAL_TOPIC, TICK_TOPIC]):
            yield from made(receive_ns)
            if topic == TICK_TOPIC:
                waiting.append((receive_ns, decode_tick(message)))
                continue
            try:
                assembler.feed(topic, message, receive_ns)
            except UserError:  # As live: a message that makes no sense is not followed.
                continue
            silent.discard(topic)
            if first_ns is None and not silent:
                first_ns = receive_ns
    yield from made(float("inf"))


def _equal(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return one == other
