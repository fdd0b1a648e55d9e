from __future__ import annotations

import itertools
import threading
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from adapt.bags.ring import OVERHEAD_BYTES, Ring
from adapt.bags.topic import RawMessage

SECOND = 1_000_000_000


@given(
    steps=st.lists(st.integers(0, SECOND), min_size=1, max_size=60),
    sizes=st.lists(st.integers(0, 500), min_size=60, max_size=60),
    max_bytes=st.integers(100, 20_000),
)
def test_what_is_neither_old_nor_dropped_is_there(steps: list[int], sizes: list[int], max_bytes: int) -> None:
    ring = Ring(seconds=2.0, max_bytes=max_bytes)
    now, added = 0, []
    for k, step in enumerate(steps):
        now += step
        message = RawMessage(f"/topic{k % 3}", now, bytes(sizes[k]))
        ring.add(message)
        added.append(message)
        assert ring.bytes <= max_bytes
    kept = ring.between(0, now)
    assert kept == added[len(added) - len(kept) :]
    young = [message for message in added if message.stamp_ns >= now - 2 * SECOND]
    if not ring.dropped:
        assert kept == young
    dropped_before = added[: len(added) - len(kept)]
    assert all(Counter(m.topic for m in dropped_before)[topic] >= n for topic, n in ring.dropped.items())
    assert sum(len(message.data) + OVERHEAD_BYTES for message in kept) == ring.bytes


def test_the_latched_message_in_force_opens_every_window() -> None:
    ring = Ring(seconds=1.0, max_bytes=10**6, transient_local=["/version", "/description"])
    ring.add(RawMessage("/description", 0, b"arm"))
    for k in range(100):
        ring.add(RawMessage("/joints", k * SECOND // 10, b"x"))
        if k in (10, 60, 95):
            ring.add(RawMessage("/version", k * SECOND // 10, b"v%d" % k))
    start = 93 * SECOND // 10
    window = ring.between(start, 99 * SECOND // 10)
    latched = [(m.topic, m.data, m.stamp_ns < start) for m in window if m.topic != "/joints"]
    assert latched == [
        ("/description", b"arm", True),
        ("/version", b"v60", True),
        ("/version", b"v95", False),
    ]
    stamps = [message.stamp_ns for message in window]
    assert stamps == sorted(stamps) and start - stamps[0] < 10


def test_a_clock_that_is_set_back_begins_anew() -> None:
    ring = Ring(seconds=5.0, max_bytes=10**6)
    for stamp in (100 * SECOND, 101 * SECOND, 1 * SECOND, 2 * SECOND):
        ring.add(RawMessage("/a", stamp, b""))
    assert [message.stamp_ns for message in ring.between(0, 200 * SECOND)] == [SECOND, 2 * SECOND]
    assert ring.dropped == {}


def test_a_window_can_be_taken_while_messages_arrive() -> None:
    ring = Ring(seconds=1.0, max_bytes=10**7)
    ending = threading.Event()

    def add() -> None:
        stamp = 0
        while not ending.is_set():
            stamp += SECOND // 1000
            ring.add(RawMessage("/a", stamp, stamp.to_bytes(8, "little")))

    thread = threading.Thread(target=add)
    thread.start()
    try:
        for _ in range(100):
            stamps = [message.stamp_ns for message in ring.between(0, 10**18)]
            assert all(later - earlier == SECOND // 1000 for earlier, later in itertools.pairwise(stamps))
    finally:
        ending.set()
        thread.join()
