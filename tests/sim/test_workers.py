import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from adapt.errors import UserError
from adapt.sim.workers import Job, ProcessWorkers, Workers, run_jobs

CHILD = """
import signal
import sys
sys.path.insert(0, sys.argv[1])
from test_workers import ProcessWorkers, own_process, run_jobs
with ProcessWorkers(1) as workers:
    for _, content in run_jobs(workers, own_process, [0]):
        print(content.decode(), flush=True)
    signal.pause()
"""


class HereAndNow:
    """Runs jobs in this process, `slots` at once in name only."""

    def __init__(self, slots: int = 1) -> None:
        self.slots = slots

    def submit(self, job: Job, number: int) -> Future[bytes]:
        future: Future[bytes] = Future()
        try:
            future.set_result(job(number))
        except ValueError as error:
            future.set_exception(error)
        return future


def name_of(number: int) -> bytes:
    return f"{number}".encode()


def own_process(number: int) -> bytes:
    return f"{os.getpid()}".encode()


def three_raises(number: int) -> bytes:
    if number == 3:
        raise ValueError("three is odd")
    return name_of(number)


def three_dies(number: int) -> bytes:
    if number == 3:
        os._exit(1)
    return name_of(number)


def check(workers: Workers) -> None:
    assert dict(run_jobs(workers, name_of, range(5))) == {number: name_of(number) for number in range(5)}
    made: dict[int, bytes] = {}
    with pytest.raises(UserError, match=r"shard 3: .*ValueError: three is odd"):
        made.update(run_and_keep(workers, three_raises, made))
    # What came before is kept, and so is what was under way beside the failure.
    assert {0, 1, 2} <= set(made) and 3 not in made
    if workers.slots == 1:
        assert set(made) == {0, 1, 2}, "nothing is begun after a failure"


def run_and_keep(workers: Workers, job: Job, made: dict[int, bytes]) -> Iterator[tuple[int, bytes]]:
    for number, content in run_jobs(workers, job, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]):
        made[number] = content
        yield number, content


def test_jobs_run_in_this_process() -> None:
    check(HereAndNow())


def test_processes_do_the_jobs_and_a_death_names_its_shard() -> None:
    with ProcessWorkers(2) as workers:
        assert workers.slots == 2
        check(workers)
    with ProcessWorkers(2) as workers, pytest.raises(UserError, match="shard 3: its worker failed"):
        list(run_jobs(workers, three_dies, [0, 3, 4]))


def test_workers_do_not_outlive_a_parent_that_is_killed() -> None:
    """A pool's worker would wait for its next job for ever."""
    command = [sys.executable, "-c", CHILD, Path(__file__).parent]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        worker = os.pidfd_open(int(child.stdout.readline()))
        child.send_signal(signal.SIGKILL)
    ended, _, _ = select.select([worker], [], [], 30.0)
    assert ended
