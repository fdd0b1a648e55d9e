"""Which real ticks may be spent on what."""

from __future__ import annotations

from enum import Enum

import numpy as np

from adapt.robot.specification import Budget

GOLDEN = (5**0.5 - 1) / 2


class Split(str, Enum):
    """What a segment may be used for."""

    ADAPT = "adapt"
    GATE = "gate"
    AUDIT = "audit"


class SplitPlan:
    """Shares out segments by their number alone, so that nobody has seen them yet.

    Segment n falls where (offset + n * golden ratio) mod 1 lies among the shares. This sequence keeps
    every share at every length (low discrepancy) and has no period that a repeated motion could hit.

    While a candidate waits to be judged, adapt and gate change places: gate segments from before it was made
    say nothing of it, and one that is better should not wait.
    """

    def __init__(self, budget: Budget, rate_hz: float, seed: int):
        self.segment_ticks = round(budget.segment_s * rate_hz)
        self.guard_ns = round(budget.guard_s * 1e9)
        shares = {Split.ADAPT: budget.adapt, Split.GATE: budget.gate, Split.AUDIT: budget.audit}
        self.ticks = {split: round(share * budget.total_ticks) for split, share in shares.items()}
        self._splits = tuple(shares)
        usual = list(shares.values())
        self._borders = {False: np.cumsum(usual)[:-1], True: np.cumsum([usual[1], usual[0]])}
        self._offset = float(np.random.default_rng(seed).random())

    def draw(self, number: int, candidate_waits: bool = False) -> Split:
        """The split of segment `number`, counted from 0, while no split is spent."""
        place = (self._offset + number * GOLDEN) % 1.0
        return self._splits[int(np.searchsorted(self._borders[candidate_waits], place, side="right"))]
