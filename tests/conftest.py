"""What all tests share: steady examples, one thread, and a ROS domain for each test that starts nodes."""

from __future__ import annotations

import fcntl
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

# A loaded machine must not fail a property; the same examples each time make a failure come again.
settings.register_profile("steady", deadline=None, derandomize=True, print_blob=False)
settings.load_profile("steady")

# Two cores are shared by several processes; more threads only wait for each other.
torch.set_num_threads(1)

# Before rclpy is imported anywhere. Shared memory would stay behind after a node is killed.
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["FASTDDS_BUILTIN_TRANSPORTS"] = "UDPv4"

DOMAINS = range(1, 102)
"""Their ports stay below those that Linux gives to outgoing connections."""


@pytest.fixture
def domain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A ROS domain that no other test on this machine uses meanwhile, also in the environment.

    The search begins somewhere else for every test, so that what one leaves behind is not met by the next.
    """
    locks = Path(tempfile.gettempdir()) / f"ros-domains-{os.getuid()}"
    locks.mkdir(exist_ok=True)
    first = zlib.crc32(request.node.nodeid.encode()) % len(DOMAINS)
    for number in (*DOMAINS[first:], *DOMAINS[:first]):
        with (locks / str(number)).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
            yield number
            return
    raise RuntimeError(f"all {len(DOMAINS)} ROS domains are locked in {locks}")


@pytest.fixture(autouse=True)
def _nodes_have_their_own_domain(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("ros"):
        request.getfixturevalue("domain")
