"""Signals that come at a bad moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals_interrupt_once() -> Iterator[None]:
    """The first signal raises KeyboardInterrupt, later ones do nothing: an end under way is not cut short."""
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def interrupt(*_: object) -> None:
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)
        raise KeyboardInterrupt

    for number in SIGNALS:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def signals_held_back(*, deliver: bool) -> Iterator[None]:
    """Signals wait until the end, then are delivered or forgotten. In other threads it does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = {number: signal.signal(number, lambda came, _: held.append(came)) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if deliver and held:
            signal.raise_signal(held[0])
