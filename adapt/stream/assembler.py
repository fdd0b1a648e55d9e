"""Messages become ticks: the same code for live topics and for bags."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import numpy as np

from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification
from adapt.stream.decode import message_stamp, read_field
from adapt.stream.reference import Reference
from adapt.stream.tick import BoolArray, FloatArray, Tick

PROPOSAL_TOPIC = "/adapt/proposal"
KEPT_S = 3.0
"""How long messages are kept for ticks that are still to come."""


class Signal:
    """Recent stamped values of one message field, in order of their stamps."""

    def __init__(self, size: int):
        self._size = size
        self._samples: deque[tuple[int, FloatArray]] = deque()

    def add(self, stamp_ns: int, values: FloatArray, *, stamped: bool = True) -> bool:
        """Keep a sample; False where it is not newer than the one before.

        Simulated time goes in steps: of those that carry no stamp of their own the last of a step counts.
        """
        if not stamped and self._samples and stamp_ns == self._samples[-1][0]:
            self._samples.pop()
        if self._samples and stamp_ns <= self._samples[-1][0]:
            return False
        self._samples.append((stamp_ns, values))
        while stamp_ns - self._samples[0][0] > KEPT_S * 1e9:
            self._samples.popleft()
        return True

    def clear(self) -> None:
        """Forget everything."""
        self._samples.clear()

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest sample; None without one."""
        return self._samples[-1][0] if self._samples else None

    def at(self, stamp_ns: int, max_age_ns: int) -> tuple[FloatArray, bool]:
        """The value at an instant: between two samples linear, after the newest one held.

        Returns:
            the values, and False where there is no sample or those around are more than
            `max_age_ns` apart from the instant or from each other.
        """
        before: tuple[int, FloatArray] | None = None
        after: tuple[int, FloatArray] | None = None
        for sample in reversed(self._samples):
            if sample[0] <= stamp_ns:
                before = sample
                break
            after = sample
        if before is None:
            return (np.zeros(self._size), False) if after is None else (after[1], False)
        if after is None:
            return before[1], stamp_ns - before[0] <= max_age_ns
        share = (stamp_ns - before[0]) / (after[0] - before[0])
        return before[1] + share * (after[1] - before[1]), after[0] - before[0] <= max_age_ns

    def latest(self) -> FloatArray:
        """The newest sample; NaN if there is none."""
        return self._samples[-1][1] if self._samples else np.full(self._size, np.nan)

    def held(self, start_ns: int, end_ns: int) -> FloatArray:
        """The newest sample within an interval; NaN if there is none."""
        for stamp, values in reversed(self._samples):
            if start_ns <= stamp < end_ns:
                return values
        return np.full(self._size, np.nan)

    def mean(self, start_ns: int, end_ns: int) -> FloatArray:
        """Average over an interval, each sample in force until the next; NaN where nothing was."""
        edges = [start_ns]
        values: list[FloatArray] = []
        in_force: FloatArray | None = None
        for stamp, sample in self._samples:
            if stamp >= end_ns:
                break
            if stamp > start_ns:
                if in_force is None:
                    return np.full(self._size, np.nan)
                values.append(in_force)
                edges.append(stamp)
            in_force = sample
        if in_force is None:
            return np.full(self._size, np.nan)
        values.append(in_force)
        edges.append(end_ns)
        shares = np.diff(np.array(edges, dtype=np.int64)) / (end_ns - start_ns)
        return np.asarray(shares @ np.stack(values), dtype=np.float64)


class TickAssembler:
    """Collects the messages of one robot and makes ticks of them.

    Times are those of the message headers; where a message has none, the time it was received.
    """

    def __init__(self, specification: RobotSpecification):
        self._specification = specification
        self._schema_hash = specification.schema_hash
        self._channels = {key: Signal(len(each.names)) for key, each in specification.channels.items()}
        self._applied = Signal(specification.action_size)
        self._proposed = Signal(specification.action_size)
        self._versions: deque[tuple[int, str]] = deque(maxlen=256)
        period_s = specification.clock_period_s
        self._clock_period_ns = None if period_s is None else round(period_s * 1e9)
        self.reference = Reference(specification.task.command)
        self.refused: Counter[str] = Counter()
        """Messages that were not used, by topic and reason."""

    def reset(self) -> None:
        """Forget what was heard, but for the reference: after the clock has jumped, stamps mean nothing."""
        for signal in (*self._channels.values(), self._applied, self._proposed):
            signal.clear()
        self._versions.clear()

    @property
    def topics(self) -> dict[str, str]:
        """The topics to feed, and their message types."""
        sources = [
            *self._specification.channels.values(),
            self._specification.action,
            self._specification.task.command,
        ]
        return {source.topic: source.type for source in sources}

    def feed(self, topic: str, message: Any, receive_ns: int) -> None:
        """Take a message of any topic; those of no interest are ignored.

        Raises:
            UserError: the message lacks what the robot file names.
        """
        own_stamp = message_stamp(message)
        stamped, stamp = own_stamp is not None, receive_ns if own_stamp is None else own_stamp
        specification = self._specification
        for key, channel in specification.channels.items():
            if channel.topic == topic:
                self.feed_measurement(key, stamp, read_field(message, channel), stamped=stamped)
        if topic == specification.action.topic:
            entries = specification.action.entries
            self.feed_applied(stamp, read_field(message, specification.action, entries), stamped=stamped)
        if topic == specification.task.command.topic:
            self.reference.feed(message, receive_ns)
        if topic == PROPOSAL_TOPIC:
            self.feed_proposal(stamp, _first_point(message, specification), message.header.frame_id)

    def feed_measurement(
        self, channel: str, stamp_ns: int, values: FloatArray, *, stamped: bool = True
    ) -> None:
        """Take what a channel measured at an instant, in the order of its names; see `Signal.add`."""
        topic = self._specification.channels[channel].topic
        self._take(self._channels[channel], topic, stamp_ns, values, stamped)

    def feed_applied(self, stamp_ns: int, action: FloatArray, *, stamped: bool = True) -> None:
        """Take what the robot was told at an instant; see `Signal.add`."""
        self._take(self._applied, self._specification.action.topic, stamp_ns, action, stamped)

    def feed_proposal(self, stamp_ns: int, action: FloatArray, version: str) -> None:
        """Take what the planner proposed at an instant."""
        if self._take(self._proposed, PROPOSAL_TOPIC, stamp_ns, action, stamped=True):
            self._versions.append((stamp_ns, version))

    def observe(self, tick_ns: int) -> tuple[FloatArray, BoolArray]:
        """Observation and validity of the tick at `tick_ns`, each of shape (O,).

        With a sampling delay that covers the sensors' periods the answer is final. Without one, the
        newest messages hold until the next come; the tick that is assembled later lies between them.
        """
        sampled = tick_ns - round(self._specification.sampling_delay_s * 1e9)
        values, valid = [], []
        for key, channel in self._specification.channels.items():
            value, known = self._channels[key].at(sampled, round(channel.max_age_s * 1e9))
            values.append(value)
            valid.append(np.full(len(value), known))
        if self._clock_period_ns is not None:
            values.append(clock(sampled, self._clock_period_ns))
            valid.append(np.full(2, True))
        return np.concatenate(values), np.concatenate(valid)

    def ticks_behind(self, tick_ns: int) -> int:
        """How many whole ticks the oldest channel's newest measurement is older than what a tick asks for.

        0 where a channel has not been heard at all: its values are not valid.
        """
        sampled = tick_ns - round(self._specification.sampling_delay_s * 1e9)
        heard = [signal.newest_ns for signal in self._channels.values()]
        oldest = min((each for each in heard if each is not None), default=sampled)
        return int(max(0, sampled - oldest) // round(self._specification.period_s * 1e9))

    def commands(self, tick_ns: int, ahead: int) -> FloatArray:
        """The reference of the tick at `tick_ns` and of the next `ahead` ticks. Shape (ahead + 1, C)."""
        sampled = tick_ns - round(self._specification.sampling_delay_s * 1e9)
        steps = np.round(np.arange(ahead + 1) * self._specification.period_s * 1e9).astype(np.int64)
        return self.reference.at(sampled + steps)

    def latest_applied(self) -> FloatArray:
        """The newest action that the robot was told, shape (A,); NaN where none is known."""
        return self._applied.latest()

    def assemble(self, index: int, tick_ns: int) -> Tick:
        """Make the tick of the period that began at `tick_ns`, once that period is over.

        The applied action is the average of the commands in force in that period, by time. With a
        dead time of one tick that is the command which left on the beat. Without, the command before
        is in force until the plan is made: the average says what the robot was told, and the share of
        the older command is the planning time over the period.
        """
        observation, valid = self.observe(tick_ns)
        period_ns = round(self._specification.period_s * 1e9)
        end = tick_ns + period_ns
        # A proposal that leaves on the beat may be early: half a period on both sides tells it from
        # its neighbours. One that leaves as soon as it is planned comes within its own period.
        first = tick_ns - (period_ns // 2 if self._specification.dead_time_ticks else 0)
        last = tick_ns + (period_ns // 2 if self._specification.dead_time_ticks else period_ns)
        proposed = self._proposed.held(first, last)
        made = [name for stamp, name in self._versions if first <= stamp < last]
        self.reference.forget_before(tick_ns - round(KEPT_S * 1e9))
        return Tick(
            index=index,
            stamp_ns=tick_ns - round(self._specification.sampling_delay_s * 1e9),
            observation=observation,
            valid=valid,
            command=self.commands(tick_ns, 0)[0],
            proposed=proposed,
            applied=self._applied.mean(tick_ns, end),
            version=made[-1] if made else "",
            schema_hash=self._schema_hash,
        )

    def _take(self, signal: Signal, topic: str, stamp: int, values: FloatArray, stamped: bool) -> bool:
        if not np.isfinite(values).all():
            self.refused[f"{topic}: not finite"] += 1
            return False
        if not signal.add(stamp, values, stamped=stamped):
            self.refused[f"{topic}: out of order or twice"] += 1
            return False
        return True


def clock(stamp_ns: int, period_ns: int) -> FloatArray:
    """Cosine and sine of the robot's clock, of a period.

    Its phase at time zero means nothing: a gait that follows the clock falls into step with it
    wherever it begins. The remainder is taken of whole nanoseconds, since in a double the time since
    1970 has lost its last digits.
    """
    phase = 2.0 * np.pi * (stamp_ns % period_ns) / period_ns
    return np.array([np.cos(phase), np.sin(phase)])


def _first_point(message: Any, specification: RobotSpecification) -> FloatArray:
    if list(message.joint_names) != list(specification.action.entries) or not message.points:
        raise UserError(f"topic {PROPOSAL_TOPIC}: not a proposal for robot '{specification.name}'")
    return np.asarray(message.points[0].positions, dtype=np.float64)
