"""Workers for tests."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any


class Alone(AbstractContextManager["Alone"]):
    """Works in this process; after so many jobs the power is gone."""

    slots = 1

    def __init__(self, jobs: float = float("inf")) -> None:
        self.left = jobs

    def submit(self, job: Any, number: int) -> Future[bytes]:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        future: Future[bytes] = Future()
        future.set_result(job(number))
        return future

    def __exit__(self, *exception: object) -> None: ...
