"""How well the beat was kept: an honest count."""

from __future__ import annotations

from collections import deque

import numpy as np

KEPT = 30_000
"""Ticks over which percentiles are taken: twenty minutes at 25 Hz."""


class Timing:
    """Collects, tick by tick, when the control thread woke and how long it planned."""

    def __init__(self, period_ns: int):
        self._period_ns = period_ns
        self._first_ns: int | None = None
        self._last_ns = 0
        self._jitter_ns: deque[int] = deque(maxlen=KEPT)
        self._planning_ns: deque[int] = deque(maxlen=KEPT)
        self.ticks = 0
        self.missed = 0

    def woke(self, due_ns: int, now_ns: int) -> None:
        """A tick that was due began."""
        self._first_ns = now_ns if self._first_ns is None else self._first_ns
        self._last_ns = now_ns
        self.ticks += 1
        self._jitter_ns.append(abs(now_ns - due_ns))

    def planned(self, duration_ns: int) -> None:
        """A plan took this long."""
        self._planning_ns.append(duration_ns)

    def skipped(self, ticks: int) -> None:
        """Deadlines passed without their proposal."""
        self.missed += ticks

    def summary(self) -> dict[str, float]:
        """Rates in Hz, times in ms; percentiles over the last `KEPT` ticks."""
        span_s = (self._last_ns - (self._first_ns or 0)) * 1e-9
        result = {
            "configured_hz": 1e9 / self._period_ns,
            "kept_hz": (self.ticks - 1) / span_s if self.ticks > 1 and span_s > 0 else 0.0,
            "ticks": float(self.ticks),
            "missed": float(self.missed),
        }
        for name, values in (("jitter", self._jitter_ns), ("planning", self._planning_ns)):
            sample = np.array(values if values else [0], dtype=np.float64) * 1e-6
            result[f"{name}_p50_ms"] = float(np.percentile(sample, 50))
            result[f"{name}_p99_ms"] = float(np.percentile(sample, 99))
            result[f"{name}_max_ms"] = float(sample.max())
        return result
