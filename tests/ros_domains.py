"""ROS domains for tests that start nodes."""

from __future__ import annotations

import fcntl
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DOMAINS = range(1, 102)
"""Their ports stay below those that Linux gives to outgoing connections."""


@contextmanager
def domain_of_its_own(name: str) -> Iterator[int]:
    """A ROS domain that no other test on this machine uses meanwhile, also in the environment.

    The search begins somewhere else for every test, so that what one leaves behind is not met by the next.
    """
    locks = Path(tempfile.gettempdir()) / f"ros-domains-{os.getuid()}"
    locks.mkdir(exist_ok=True)
    first = zlib.crc32(name.encode()) % len(DOMAINS)
    for number in (*DOMAINS[first:], *DOMAINS[:first]):
        with (locks / str(number)).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("ROS_DOMAIN_ID", str(number))
                yield number
            return
    raise RuntimeError(f"all {len(DOMAINS)} ROS domains are locked in {locks}")
