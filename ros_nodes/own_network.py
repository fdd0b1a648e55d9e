"""A network that belongs to nobody else, so that it can be cut. Linux, and root: nothing else may do that."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000
"""Of sched.h; see unshare(2) and setns(2)."""
NAMESPACE = Path("/proc/thread-self/ns/net")
COMMON = str(NAMESPACE.readlink()) if NAMESPACE.is_symlink() else ""
"""The network in which this process was started."""


def has_own_network() -> bool:
    """Whether the calling thread has left the network that it shares with others."""
    return bool(COMMON) and str(NAMESPACE.readlink()) != COMMON


@contextmanager
def own_network() -> Iterator[bool]:
    """Threads and processes that are started from here have nothing but a loopback of their own.

    Yields:
        False where that is not allowed; then nothing has changed.
    """
    if not COMMON:
        yield False
        return
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open(NAMESPACE, os.O_RDONLY)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            yield False
            return
        try:
            _loopback("up")
            yield True
        finally:
            if libc.setns(before, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "the network could not be left")
    finally:
        os.close(before)


@contextmanager
def interrupted_network() -> Iterator[None]:
    """Cut the loopback.

    Raises:
        RuntimeError: it is that of others, too.
    """
    if not has_own_network():
        raise RuntimeError("only a network of its own is cut: see own_network")
    _loopback("down")
    try:
        yield
    finally:
        _loopback("up")


def _loopback(state: str) -> None:
    subprocess.run(["ip", "link", "set", "lo", state], check=True, capture_output=True)
