"""What processes hold, looked at again and again: memory and open files that only grow are a leak."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6
LEAST_SAMPLES = 12
"""Of a life that says anything about growth."""


@dataclass(frozen=True)
class Growth:
    """Of one process, from the second quarter of its life on to the last one, in the median.

    Attributes:
        node: its name.
        minutes: between the two.
        memory_mb: resident.
        open_files: descriptors.
    """

    node: str
    minutes: float
    memory_mb: float
    open_files: float


class Footprint:
    """Samples of processes, by node and process."""

    def __init__(self) -> None:
        self._lives: dict[tuple[str, int], list[tuple[float, float, int]]] = {}

    def look(self, processes: Mapping[str, int], now_s: float) -> None:
        """Sample processes, by node their ids; one that has ended meanwhile is left out."""
        for node, pid in processes.items():
            try:
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
                files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            except (FileNotFoundError, ProcessLookupError, IndexError):
                continue
            self._lives.setdefault((node, pid), []).append((now_s, pages * PAGE_MB, files))

    def growth(self) -> dict[str, Growth]:
        """Of each node's longest life, where it was long enough."""
        found: dict[str, Growth] = {}
        for (node, _), samples in sorted(self._lives.items(), key=lambda each: len(each[1])):
            if len(samples) >= LEAST_SAMPLES:
                quarter = len(samples) // 4
                early, late = samples[quarter : 2 * quarter], samples[-quarter:]
                time_s, memory, files = (
                    median(each[part] for each in late) - median(each[part] for each in early)
                    for part in range(3)
                )
                found[node] = Growth(node, time_s / 60.0, memory, files)
        return found
