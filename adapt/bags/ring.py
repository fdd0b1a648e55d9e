"""The last seconds of every topic, in memory, as raw bytes."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Collection

from adapt.bags.topic import RawMessage

OVERHEAD_BYTES = 200
"""What a stored message takes besides its data, about."""


class Ring:
    """Keeps what was received in the last `seconds`, within `max_bytes`.

    The newest message of each transient-local topic is kept for ever: a bag without the latched
    state of its topics cannot be understood. Safe for one thread that adds and others that read.

    Args:
        seconds: how long a message stays.
        max_bytes: memory for all of them; where it does not suffice the oldest go before their time.
        transient_local: topics of which the newest message never goes.
    """

    def __init__(self, seconds: float, max_bytes: int, transient_local: Collection[str] = ()) -> None:
        self._span_ns = round(seconds * 1e9)
        self._max_bytes = max_bytes
        self._transient_local = frozenset(transient_local)
        self._messages: deque[RawMessage] = deque()
        self._latched: dict[str, RawMessage] = {}
        self._bytes = 0
        self._dropped: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, message: RawMessage) -> None:
        """Store a message, in the order of arrival."""
        with self._lock:
            if self._messages and message.stamp_ns < self._messages[-1].stamp_ns - self._span_ns:
                # The clock was set back (a simulation began again): what is here belongs to another run.
                while self._messages:
                    self._evict()
            self._messages.append(message)
            self._bytes += len(message.data) + OVERHEAD_BYTES
            while self._messages[0].stamp_ns < message.stamp_ns - self._span_ns:
                self._evict()
            while self._bytes > self._max_bytes and self._messages:
                self._dropped[self._evict().topic] += 1

    def between(self, start_ns: int, end_ns: int) -> list[RawMessage]:
        """Messages received in [start_ns, end_ns], in order.

        Before them stand the latched messages that were in force at the start, with log times just
        before it, so that a player shows them first and without a wait.
        """
        with self._lock:
            in_force = dict(self._latched)
            stored = list(self._messages)
        window = []
        for message in stored:
            if start_ns <= message.stamp_ns <= end_ns:
                window.append(message)
            elif message.stamp_ns < start_ns and message.topic in self._transient_local:
                in_force[message.topic] = message
        first_ns = start_ns - len(in_force)
        before = [message._replace(stamp_ns=first_ns + k) for k, message in enumerate(in_force.values())]
        return before + window

    @property
    def dropped(self) -> dict[str, int]:
        """Messages that had to go before their time since the ring was made, by topic."""
        with self._lock:
            return dict(self._dropped)

    @property
    def bytes(self) -> int:
        """Memory in use, about; without the latched messages."""
        return self._bytes

    def _evict(self) -> RawMessage:
        message = self._messages.popleft()
        self._bytes -= len(message.data) + OVERHEAD_BYTES
        if message.topic in self._transient_local:
            self._latched[message.topic] = message
        return message
