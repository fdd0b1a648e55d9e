"""The control thread's sleep, on clocks that jump."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy")

import rclpy
from rclpy.clock import ClockType, ROSClock
from rclpy.time import Time

from ros_nodes.real_time import request_priority, sleep_until

SECOND_NS = 1_000_000_000
STAY = threading.Event()


class Jumping:
    """The wall's clock as a thread may see it: each look gives the next of some times."""

    ros_time_is_active = False

    def __init__(self, *times_ns: int):
        self._times: Iterator[int] = iter(times_ns)

    def now(self) -> Time:
        return Time(nanoseconds=next(self._times))


def test_it_wakes_when_the_time_has_come() -> None:
    clock = ROSClock()
    due_ns = clock.now().nanoseconds + 20_000_000
    assert sleep_until(clock, due_ns, SECOND_NS, STAY) >= due_ns


def test_what_is_due_already_is_not_slept_for() -> None:
    assert sleep_until(Jumping(105), 100, 10, STAY) == 105  # type: ignore[arg-type]


def test_a_clock_that_was_set_back_is_noticed_after_one_nap() -> None:
    clock = Jumping(20 * SECOND_NS, 10 * SECOND_NS)
    assert sleep_until(clock, 20 * SECOND_NS + 1_000_000, SECOND_NS, STAY) == 10 * SECOND_NS  # type: ignore[arg-type]


def test_who_leaves_is_not_held_up_by_a_time_that_stands_still() -> None:
    clock, leave = ROSClock(), threading.Event()
    clock._set_ros_time_is_active(True)
    thread = threading.Thread(target=sleep_until, args=(clock, 100, 150, leave))
    thread.start()
    leave.set()
    thread.join(10.0)
    assert not thread.is_alive()


@pytest.mark.parametrize(("jump_to", "woke_at"), [(200, 200), (5_000, 5_000), (0, 0)])
def test_simulated_time_is_waited_for_and_its_jumps_are_noticed(jump_to: int, woke_at: int) -> None:
    clock = ROSClock()
    clock._set_ros_time_is_active(True)

    def set_time(nanoseconds: int) -> None:
        clock.set_ros_time_override(Time(nanoseconds=nanoseconds, clock_type=ClockType.ROS_TIME))

    set_time(100)
    woke: list[int] = []
    thread = threading.Thread(target=lambda: woke.append(sleep_until(clock, 200, 150, STAY)))
    thread.start()
    set_time(150)
    assert not woke
    set_time(jump_to)
    thread.join(10.0)
    assert woke == [woke_at]


def test_a_priority_that_the_user_may_not_have_is_told_with_the_cure(domain: int) -> None:
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node("driver", context=context)
    said: list[str] = []
    node.get_logger = lambda: SimpleNamespace(warning=said.append)
    try:
        assert request_priority(node, 1000) == 0 and request_priority(node, 0) == 0
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
    assert len(said) == 1
    assert said[0].startswith("parameter 'real_time_priority' of node 'driver': 1000 was refused")
    assert "'rtprio' in /etc/security/limits.conf" in said[0]


def test_a_thread_gets_the_priority_where_it_may_and_hands_it_on() -> None:
    given: list[int] = []
    policies: list[int] = []

    def run() -> None:
        refusal = SimpleNamespace(warning=lambda said: None)
        node = SimpleNamespace(get_name=lambda: "driver", get_logger=lambda: refusal)
        given.append(request_priority(node, 1))  # type: ignore[arg-type]
        child = threading.Thread(target=lambda: policies.append(os.sched_getscheduler(0)))
        child.start()
        child.join()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if given == [0]:
        pytest.skip("this user may not have real-time priorities")
    assert policies == [os.SCHED_FIFO] and os.sched_getscheduler(0) == os.SCHED_OTHER
