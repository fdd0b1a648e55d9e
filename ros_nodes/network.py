"""Whether there is a network to start on: DDS looks only as it starts, and stays deaf where it finds none."""

from __future__ import annotations

import fcntl
import socket
import struct
from threading import Event

from rclpy.logging import get_logger

NETWORK_WENT = "the network went as it started"
LOOK_AGAIN_S = 0.2
SIOCGIFFLAGS, IFF_RUNNING = 0x8913, 0x40
"""Of Linux: see netdevice(7)."""


def network_is_up() -> bool:
    """Whether the loopback runs, over which the nodes of a machine hear each other."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anything:
        answer = fcntl.ioctl(anything, SIOCGIFFLAGS, struct.pack("16s24x", b"lo"))
    (flags,) = struct.unpack_from("H", answer, 16)
    return bool(flags & IFF_RUNNING)


def wait_for_network(ending: Event) -> None:
    """Return once there is one, or once `ending` is set."""
    if network_is_up():
        return
    get_logger("adapt").warning("there is no network, not even the loopback: waiting")
    while not network_is_up() and not ending.wait(LOOK_AGAIN_S):
        pass
