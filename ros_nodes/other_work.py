"""What else the machine did: time of its processors that others took, which may be why a node is late."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

PERIOD_S = 0.05
KEPT = 2400
BEFORE_S = 0.5
"""What happened so long before an event may have brought it about."""
MUCH_S, MUCH_STOLEN_S = 0.2, 0.06
"""Time of the processors within `BEFORE_S` that makes a node late: of other processes, which share with ours,
and of the hypervisor, which takes a processor from whoever has it. The latter is what is left of the wall's
time when all that Linux accounts for is taken off: a machine that is halted as a whole is not told so.
What is left on a busy machine that nobody halts stays below 0.03 s."""
TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


class OtherWork:
    """Looks again and again at who had the processors; use as a context manager.

    Where Linux does not say, nothing is ever explained.
    """

    def __init__(self, ours: Callable[[], Iterable[int]]) -> None:
        """`ours` gives the ids of the processes that are not others, besides this one."""
        self._ours = ours
        self._samples: deque[tuple[int, float, float]] = deque(maxlen=KEPT)
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._look, name="other work", daemon=True)

    def __enter__(self) -> OtherWork:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self._leave.set()
        self._thread.join()

    def explains(self, stamp_ns: int) -> str:
        """How others may have made a node late at an instant of the wall's time; empty where they did not."""
        others, stolen = self.taken(stamp_ns)
        if others < MUCH_S and stolen < MUCH_STOLEN_S:
            return ""
        return (
            f"other processes had {others:.2f} s and the hypervisor {stolen:.2f} s"
            f" of the processors in the {BEFORE_S:g} s before"
        )

    def taken(self, stamp_ns: int) -> tuple[float, float]:
        """Time of the processors that other processes and the hypervisor had in the `BEFORE_S` before, s."""
        since_ns = stamp_ns - round(BEFORE_S * 1e9)
        until_ns = stamp_ns + round(PERIOD_S * 1e9)
        before = [each for each in list(self._samples) if since_ns < each[0] <= until_ns]
        return sum(each[1] for each in before), sum(each[2] for each in before)

    def _look(self) -> None:
        known = _machine(), _own({os.getpid(), *self._ours()})
        while not self._leave.wait(PERIOD_S):
            now = _machine(), _own({os.getpid(), *self._ours()})
            (wall, busy, idle), (wall_before, busy_before, idle_before) = now[0], known[0]
            taken = busy - busy_before
            stolen = wall - wall_before - taken - (idle - idle_before)
            # What a process took that has ended meanwhile is not known, and laid to nobody's charge.
            whole = known[1].keys() <= now[1].keys()
            ours = sum(time_s - known[1].get(pid, 0.0) for pid, time_s in now[1].items())
            others = max(0.0, taken - ours) if whole else 0.0
            self._samples.append((time.time_ns(), others, stolen))
            known = now


def _machine() -> tuple[float, float, float]:
    """Time of all processors together by the wall's clock, and how much of it they were busy and idle, s."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return 0.0, 0.0, 0.0
    processors = sum(line.startswith("cpu") for line in lines) - 1
    user, nice, system, idle, waiting, interrupts, soft_interrupts = map(int, lines[0].split()[1:8])
    busy = (user + nice + system + interrupts + soft_interrupts) * TICK_S
    return processors * time.monotonic(), busy, (idle + waiting) * TICK_S


def _own(pids: Iterable[int]) -> dict[int, float]:
    """Time of the processor by process, s; without those that have ended."""
    found = {}
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found[pid] = (int(fields[11]) + int(fields[12])) * TICK_S
    return found
