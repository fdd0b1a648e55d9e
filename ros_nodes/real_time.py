"""What a control thread needs of the machine: to wake in time, and to run before others."""

from __future__ import annotations

import gc
import os
import threading

from rclpy.clock import Clock

from adapt.errors import UserError

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


def set_priority(priority: int) -> None:
    """Let the calling thread run before all of the ordinary ones (SCHED_FIFO); 0 leaves it as it is.

    Raises:
        OSError: this user may not, or `priority` is none.
    """
    if priority:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))


def try_priority(node: str, priority: int) -> None:
    """Find out, before anything moves, whether a thread of this process may have a priority.

    Raises:
        UserError: it may not.
    """
    policy, own = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        set_priority(priority)
    except OSError as error:
        raise UserError(
            f"parameter 'real_time_priority' of node '{node}': {priority} was refused ({error.strerror}):"
            " give 1 to 99 and allow it by 'rtprio' in /etc/security/limits.conf, or leave it at 0"
        ) from error
    os.sched_setscheduler(0, policy, own)


def settle_memory() -> None:
    """What lives until now lives to the end: it need not be looked through by the collector in mid-beat."""
    gc.collect()
    gc.freeze()
