"""What a control thread needs of the machine: to wake in time, and to run before others."""

from __future__ import annotations

import gc
import os
import threading

from rclpy.clock import Clock
from rclpy.node import Node

LOOK_AGAIN_S = 0.001


def sleep_until(clock: Clock, due_ns: int, longest_ns: int, leave: threading.Event) -> int:
    """Sleep until `due_ns` of a node's clock, until that turns out to be further off than `longest_ns`, or
    until it is time to `leave`.

    A clock that is set back is noticed, since the sleep is by the monotonic clock; simulated time is looked
    at again and again. (The clock's own `sleep_until` sleeps on through both, and leaves a callback
    behind in the context each time.)

    Returns:
        the time on waking, ns.
    """
    while 0 < due_ns - (now_ns := int(clock.now().nanoseconds)) <= longest_ns:
        if leave.wait(LOOK_AGAIN_S if clock.ros_time_is_active else (due_ns - now_ns) * 1e-9):
            break
    return now_ns


def request_priority(node: Node, priority: int) -> int:
    """Let the calling thread, and those that it will start, run before all ordinary ones (SCHED_FIFO).

    Where this user may not, the node says so, with the cure, and goes on as others do.

    Returns:
        the priority in force; 0 for none.
    """
    try:
        if priority:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        node.get_logger().warning(
            f"parameter 'real_time_priority' of node '{node.get_name()}': {priority} was refused"
            f" ({error.strerror}), and deadlines depend on what else runs here: allow 1 to 99 to this user by"
            " 'rtprio' in /etc/security/limits.conf, or give 0"
        )
        return 0
    return priority


def settle_memory() -> None:
    """What lives until now lives to the end: it need not be looked through by the collector in mid-beat."""
    gc.collect()
    gc.freeze()
