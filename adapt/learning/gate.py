"""The gate: lets a candidate in on evidence that survives looking after every segment.

Each gate segment gives one bounded number: by how much the candidate forecasts it better than the
incumbent. Two e-processes bet against "the candidate is not better" and "it is not worse" (testing by
betting, Waudby-Smith and Ramdas, JRSS B 2024). By Ville's inequality a wealth of 1/a is reached under
the hypothesis with probability at most a, however often one looks. Candidate j spends the part
6 / (pi j)^2 of the error rate, so that all candidates together stay within it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from adapt.settings import Settings

SMALLEST_ERROR = 1e-9
BETS = (np.arange(40) + 0.5) / 40
LOG_WEIGHTS = np.log(BETS**2 / np.sum(BETS**2))


class GateSettings(Settings):
    """When a candidate is let in."""

    error_rate: float = Field(default=0.05, gt=0, lt=1)
    """Probability of ever admitting a candidate that is not better, over all candidates."""
    saturation: float = Field(default=0.1, gt=0)
    """A ratio of errors of exp(this) or more counts as a whole win, a smaller one in proportion."""
    most_segments: int = Field(default=40, gt=0)
    """Without a decision after so many segments the candidate is rejected."""
    forgetting: float = Field(default=1.5, ge=0)
    """A rehearsal error of at most this times the pretrained version's is never held against a candidate.
    Above that it may lose no more in simulation than it gains on the robot, against the incumbent."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate says, and why."""

    kind: Literal["admit", "reject", "undecided"]
    reason: str
    evidence: dict[str, Any]


class BettingTest:
    """E-process against "the mean, given the past, is at most 0" for numbers within [-1, 1].

    The wealth is a mixture over constant bets, weighted by their squares: the bold ones make six whole
    wins in a row enough for a wealth of 33, and the timid ones find small effects.
    """

    def __init__(self) -> None:
        self._log_wealth = np.zeros_like(BETS)

    def observe(self, value: float) -> None:
        """Bet on one more number within [-1, 1]."""
        self._log_wealth += np.log1p(BETS * value)

    @property
    def e_value(self) -> float:
        """The wealth now, from 1 at the start."""
        log_wealth = float(np.logaddexp.reduce(self._log_wealth + LOG_WEIGHTS))
        return math.exp(min(log_wealth, 700.0))  # of which the exponential is still finite


class Gate:
    """Judges one candidate against one incumbent."""

    def __init__(self, settings: GateSettings, candidate_number: int):
        """`candidate_number` counts from 1 the candidates of this deployment that were judged on segments."""
        self._settings = settings
        self._better = BettingTest()
        self._worse = BettingTest()
        self._squares = np.zeros(2)
        self._segments = 0
        share = 6.0 / (math.pi * candidate_number) ** 2
        self.threshold = 1.0 / (settings.error_rate * share)

    def observe(self, candidate_error: float, incumbent_error: float) -> None:
        """Take the two forecast errors on one gate segment that is newer than both versions."""
        value = advantage(candidate_error, incumbent_error, self._settings.saturation)
        self._better.observe(value)
        self._worse.observe(-value)
        self._squares += np.square([candidate_error, incumbent_error])
        self._segments += 1

    def decide(self) -> Decision:
        """Decide on what was seen so far."""
        evidence = self.evidence()
        if self._better.e_value >= self.threshold and self._squares[0] < self._squares[1]:
            return Decision("admit", "forecasts real motion better", evidence)
        if self._worse.e_value >= self.threshold:
            return Decision("reject", "forecasts real motion worse", evidence)
        if self._segments >= self._settings.most_segments:
            return Decision("reject", f"no decision after {self._segments} segments", evidence)
        return Decision("undecided", "not enough evidence yet", evidence)

    def evidence(self) -> dict[str, Any]:
        """What was seen so far, as numbers for the records."""
        errors = np.sqrt(self._squares / self._segments).tolist() if self._segments else (None, None)
        return {
            "segments": self._segments,
            "e_better": self._better.e_value,
            "e_worse": self._worse.e_value,
            "threshold": self.threshold,
            "candidate_error": errors[0],
            "incumbent_error": errors[1],
        }


def advantage(candidate_error: float, incumbent_error: float, saturation: float) -> float:
    """How much better the candidate is, within [-1, 1]: the log of the ratio of errors, saturated."""
    ratio = max(incumbent_error, SMALLEST_ERROR) / max(candidate_error, SMALLEST_ERROR)
    return max(-1.0, min(1.0, math.log(ratio) / saturation))
