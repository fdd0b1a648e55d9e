"""Bags through the very same stream and learner as live."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from adapt.bags.reader import Bag
from adapt.errors import UserError
from adapt.learning.event import Event
from adapt.learning.learner import Learner
from adapt.robot.specification import RobotSpecification
from adapt.stream.assembler import TickAssembler
from adapt.stream.tick import Tick
from adapt.stream.tick_message import TICK_TOPIC, decode_tick

logger = logging.getLogger(__name__)

LONGEST_SILENCE_NS = 3_000_000_000
"""Where no message comes for longer, ticks without any news are left out; their numbers are too."""
PAUSE_NS = 2_000_000_000
"""Time laid between two bags that are replayed as one stream: more than any guard time needs."""


@dataclass(frozen=True, slots=True)
class ReplayEvent:
    """Something the learner did, after which tick."""

    stamp_ns: int
    event: Event


def bag_ticks(path: Path, specification: RobotSpecification, msg_dir: Path | None = None) -> Iterator[Tick]:
    """The ticks of a bag, in order, while it is read; memory stays bounded.

    Where the bag holds ticks that a live run published, these are given: a replay sees exactly what
    the robot saw. Otherwise they are assembled on a grid whose first tick holds the first instant at
    which all channels have a value. A message is known from its log time on, as it was live.

    Raises:
        UserError: the bag cannot be read, or lacks what the robot file names.
    """
    with Bag(path, msg_dir) as bag:
        recorded = bag.info.topic(TICK_TOPIC)
        if recorded is not None and recorded.messages:
            yield from _recorded(bag, specification)
        else:
            yield from _assembled(bag, specification)


def one_after_the_other(bags: Iterable[Iterator[Tick]]) -> Iterator[Tick]:
    """Ticks of several bags as one stream: stamps and numbers go on rising, with a gap between bags.

    A bag that already begins after the one before it keeps its stamps.
    """
    last: Tick | None = None
    for ticks in bags:
        before, shift_ns, shift = last, 0, 0
        for number, tick in enumerate(ticks):
            if number == 0 and before is not None:
                shift_ns = max(0, before.stamp_ns + PAUSE_NS - tick.stamp_ns)
                shift = max(0, before.index + 2 - tick.index)
            last = replace(tick, stamp_ns=tick.stamp_ns + shift_ns, index=tick.index + shift)
            yield last


class TickClock:
    """A clock that stands at the end of the newest tick; what a learner in a replay takes for now."""

    def __init__(self, specification: RobotSpecification):
        self._late_ns = round((specification.sampling_delay_s + specification.period_s) * 1e9)
        self.now_ns = 0

    def __call__(self) -> int:
        """Time in ns of the robot's clock."""
        return self.now_ns

    def advance(self, tick: Tick) -> None:
        """Move to the instant at which `tick` was complete."""
        self.now_ns = tick.stamp_ns + self._late_ns


def learn(
    learner: Learner,
    clock: TickClock,
    ticks: Iterable[Tick],
    report: Callable[[Tick, list[Event]], None] = lambda tick, events: None,
) -> list[ReplayEvent]:
    """Feed ticks to a learner as a live node does, as fast as the machine allows.

    Between two ticks the learner finishes all that it can do, so that the result does not depend on
    the speed of the machine.

    Args:
        learner: made with `clock`.
        clock: follows the ticks.
        ticks: in order.
        report: called after each tick with what the learner did.
    """
    told: list[ReplayEvent] = []
    for tick in ticks:
        clock.advance(tick)
        learner.feed(tick)
        events = learner.work()
        while not learner.idle:
            events += learner.work()
        told += [ReplayEvent(tick.stamp_ns, event) for event in events]
        report(tick, events)
    return told


def _recorded(bag: Bag, specification: RobotSpecification) -> Iterator[Tick]:
    sizes = (specification.observation_size, specification.action_size, specification.command_size)
    schema_hash = specification.schema_hash
    for _, _, _, message in bag.messages([TICK_TOPIC]):
        tick = decode_tick(message)
        found = (len(tick.observation), len(tick.applied), len(tick.command))
        if found != sizes or tick.schema_hash != schema_hash:
            raise UserError(
                f"{bag.path}: topic {TICK_TOPIC}: ticks with schema '{tick.schema_hash}' and {found}"
                f" observations, actions and commands, but robot '{specification.name}' has '{schema_hash}'"
                f" and {sizes}: give the robot file of the recording"
            )
        yield tick


def _assembled(bag: Bag, specification: RobotSpecification) -> Iterator[Tick]:
    assembler = TickAssembler(specification)
    _check_topics(bag, assembler, specification)
    silent = {channel.topic for channel in specification.channels.values()}
    grid: _Grid | None = None
    for topic, _, receive_ns, message in bag.messages(assembler.topics):
        if grid is not None:
            for index, tick_ns in grid.until(receive_ns):
                yield assembler.assemble(index, tick_ns)
        try:
            assembler.feed(topic, message, receive_ns)
        except UserError as error:
            if topic != specification.task.command.topic:
                raise UserError(f"{bag.path}: {error}") from error
            # As live: a path that makes no sense is not followed, and nothing else is lost.
            logger.warning("%s: %s", bag.path, error)
        silent.discard(topic)
        if grid is None and not silent:
            grid = _Grid(receive_ns, specification)
    if grid is not None:
        for index, tick_ns in grid.until(bag.info.end_ns):
            yield assembler.assemble(index, tick_ns)


def _check_topics(bag: Bag, assembler: TickAssembler, specification: RobotSpecification) -> None:
    info = bag.info
    optional = specification.task.command.topic
    for topic, kind in assembler.topics.items():
        found = info.topic(topic)
        if found is None or not found.messages:
            if topic == optional:
                continue
            known = ", ".join(each.name for each in info.topics) or "none"
            raise UserError(
                f"{bag.path}: the topic {topic} of robot '{specification.name}' is not in the bag;"
                f" there are: {known}"
            )
        if found.type != kind:
            raise UserError(
                f"{bag.path}: topic {topic} is a {found.type}, but robot '{specification.name}' says {kind}:"
                " correct 'type' in the robot file"
            )


class _Grid:
    """The instants of ticks, from the first one on."""

    def __init__(self, known_ns: int, specification: RobotSpecification):
        self._period = 1e9 / specification.rate_hz
        self._first_ns = known_ns + round(specification.sampling_delay_s * 1e9)
        self._index = 0

    def until(self, now_ns: int) -> Iterator[tuple[int, int]]:
        """Number and instant of the ticks that are over by `now_ns` and were not given yet."""
        silence = now_ns - self._instant(self._index) > LONGEST_SILENCE_NS
        last = self._index + round(LONGEST_SILENCE_NS / self._period) if silence else None
        while self._instant(self._index + 1) <= now_ns and self._index != last:
            yield self._index, self._instant(self._index)
            self._index += 1
        if silence:
            self._index = int((now_ns - self._first_ns) // self._period)

    def _instant(self, index: int) -> int:
        return self._first_ns + round(index * self._period)
