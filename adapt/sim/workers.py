"""Who makes the shards: processes of this machine, or a Ray cluster. What is made does not depend on it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

from adapt.errors import UserError
from adapt.files import replacing

Job = Callable[[int], bytes]
"""Number of a shard -> its content; picklable, and a function of the number alone."""


class Workers(Protocol):
    """Something that runs jobs elsewhere."""

    slots: int
    """How many jobs are worth having under way at once."""

    def submit(self, job: Job, number: int) -> Future[bytes]:
        """Begin a job; at most `slots` may be under way."""


def run_jobs(workers: Workers, job: Job, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Run the job for every number, and give what it made as it comes, in any order.

    After a failure no job is begun any more; those under way are still given.

    Raises:
        UserError: a job raised or its worker died. The message names the shards.
    """
    waiting = deque(numbers)
    running: dict[Future[bytes], int] = {}
    failures: dict[int, BaseException] = {}
    while running or (waiting and not failures):
        while waiting and not failures and len(running) < workers.slots:
            number = waiting.popleft()
            running[workers.submit(job, number)] = number
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            number = running.pop(future)
            error = future.exception()
            if error is None:
                yield number, future.result()
            else:
                failures[number] = error
    if failures:
        names = ", ".join(str(number) for number in sorted(failures))
        first = failures[min(failures)]
        cause = getattr(first, "cause", first)  # Ray wraps what a task raised
        said = str(cause) if isinstance(cause, UserError) else f"{type(cause).__name__}: {cause}"
        raise UserError(
            f"shard {names}: its worker failed: {said}; the shards made so far are kept: once the cause is "
            "gone, run the same command again"
        ) from first


def kept_jobs(
    paths: Sequence[Path],
    job: Job,
    workers: Callable[[], AbstractContextManager[Workers]],
    report: Callable[[int], None],
) -> list[bytes]:
    """What the job makes of the numbers 0, 1, ..., kept in one file each: only what is missing is made.

    Args:
        paths: the files, in order.
        job: makes them.
        workers: asked for only where something is missing.
        report: told how many there are, first of all and after each.

    Raises:
        UserError: see `run_jobs`.
    """
    missing = [number for number, path in enumerate(paths) if not path.is_file()]
    report(len(paths) - len(missing))
    if missing:
        with workers() as crew:
            for left, (number, content) in enumerate(run_jobs(crew, job, missing), start=1 - len(missing)):
                with replacing(paths[number]) as temporary:
                    temporary.write_bytes(content)
                report(len(paths) + left)
    return [path.read_bytes() for path in paths]


class ProcessWorkers(AbstractContextManager["ProcessWorkers"]):
    """Processes of this machine, each with one thread.

    Each is a pool of its own, so that one that dies names the shard it was at, and takes no other along.
    """

    def __init__(self, count: int) -> None:
        self.slots = count
        self._stack = ExitStack()
        context = multiprocessing.get_context("spawn")
        self._pools = [
            self._stack.enter_context(ProcessPoolExecutor(1, context, initializer=become_worker))
            for _ in range(count)
        ]
        self._latest: list[Future[bytes] | None] = [None] * count

    def submit(self, job: Job, number: int) -> Future[bytes]:
        """Begin a job in a process that has none."""
        free = next(index for index, last in enumerate(self._latest) if last is None or last.done())
        future = self._pools[free].submit(job, number)
        self._latest[free] = future
        return future

    def __exit__(self, *exception: object) -> None:
        self._stack.close()


class RayWorkers(AbstractContextManager["RayWorkers"]):
    """Tasks on a Ray cluster; every node has this package installed. Shards come back to this machine."""

    def __init__(self, address: str, count: int) -> None:
        """Join a cluster, or start one of `count` workers on this machine where the address is `local`.

        Raises:
            UserError: ray is not installed, or nothing answers at the address.
        """
        try:
            import ray
        except ImportError as error:
            raise UserError("--ray: ray is not installed: pip install 'adapt[ray]'") from error
        self._ray: Any = ray
        where: dict[str, Any]
        if address == "local":
            where = {"address": "local", "num_cpus": count}
        else:
            _check_reachable(address)
            where = {"address": address}
        try:
            ray.init(**where, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(f"--ray {address}: no Ray cluster answers there: {error}") from error
        self._task = self._ray.remote(num_cpus=1)(_run)
        self.slots = max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def submit(self, job: Job, number: int) -> Future[bytes]:
        """Begin a task of one CPU."""
        future: Future[bytes] = self._task.remote(job, number).future()
        return future

    def __exit__(self, *exception: object) -> None:
        self._ray.shutdown()


def _run(job: Job, number: int) -> bytes:
    return job(number)


def _check_reachable(address: str) -> None:
    """Knock at [ray://]host:port, since ray itself gives up only after minutes, and with the process.

    Raises:
        UserError: nobody opens.
    """
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if not separator or not port.isdigit():
        raise UserError(f"--ray {address}: not an address: give 'local' or host:port")
    try:
        socket.create_connection((host, int(port)), timeout=10.0).close()
    except OSError as error:
        raise UserError(
            f"--ray {address}: nothing answers there ({error}): start it with ray start"
        ) from error


def become_worker() -> None:
    """One thread; Ctrl-C is the parent's to handle; and no life after the parent's death."""
    import signal

    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    Thread(target=follow, daemon=True).start()
