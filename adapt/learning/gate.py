"""The gate: lets a candidate in on evidence that survives looking after every segment.

Each gate segment gives one bounded number: by how much the candidate forecasts it better than the
incumbent. Two e-processes bet against "the candidate is not better" and "it is not worse" (testing by
betting, Waudby-Smith and Ramdas, JRSS B 2024). By Ville's inequality a wealth of 1/a is reached under
the hypothesis with probability at most a, however often one looks. Candidate j spends the part
6 / (pi j)^2 of the error rate, so that all candidates together stay within it.

Where the robot moves, a candidate that forecasts better must then drive no worse: each pair of turns gives
such a number too. Only what passes both tests is let in, so one that fails either is let in with at most the
larger of the two errors (intersection-union test, Berger, Technometrics 1982): both tests may have the whole
part of the candidate, and together spend no more.

A candidate with another policy would not have come into the motion that the incumbent's policy makes: it may
have learned how not to fall from where the incumbent learned how falls go on. So it need not forecast that
motion better, only not much worse; but then it must drive better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from adapt.settings import Settings
from adapt.stream.tick import FloatArray

SMALLEST_ERROR = 1e-9
BETS = (np.arange(40) + 0.5) / 40
LOG_WEIGHTS = np.log(BETS**2 / np.sum(BETS**2))


def mixture(log_wealth: FloatArray) -> float:
    """The wealth of all `BETS` together, given the logarithm of each one's; always finite."""
    return math.exp(min(float(np.logaddexp.reduce(log_wealth + LOG_WEIGHTS)), 700.0))


class TrialSettings(Settings):
    """When a candidate that forecasts better may drive for good.

    On an SO-101 stand-in the logarithm of the ratio of errors of two turns of 3 s scatters by 0.17. A gain of
    17 % then takes 8 pairs, and to show that two equal versions are equal takes 22; turns of 2 and of 6 s
    take as long in all, or longer.
    """

    episode_s: float = Field(default=3.0, gt=0)
    """So much motion is measured in each turn."""
    settle_s: float = Field(default=0.6, ge=0)
    """After each change of the version, and after each interruption, so much is not measured."""
    inherits_s: float = Field(default=2.0, ge=0)
    """Somebody who stops a candidate so soon after it took over may stop what another version began."""
    still: float = Field(default=0.1, ge=0)
    """A tick is no motion where neither the command nor what tracks it moves by so many tracking scales."""
    margin: float = Field(default=0.1, gt=0, lt=1)
    """A candidate may follow its task worse by this part at most."""
    saturation: float = Field(default=0.2, gt=0)
    """A ratio of task errors of exp(this) or more counts as a whole win or loss."""
    most_pairs: int = Field(default=40, gt=0)
    """Without a decision after so many pairs of turns the candidate is rejected."""
    most_alarms: int = Field(default=2, gt=0)
    """So is one of whose turns so many more than of the incumbent's were cut short by an alarm."""


class GateSettings(Settings):
    """When a candidate is let in."""

    error_rate: float = Field(default=0.05, gt=0, lt=1)
    """Probability of ever admitting a candidate that is not better, or drives worse, over all candidates."""
    closed_loop: bool = True
    """Whether a candidate must show on the robot that it drives no worse; in a replay it cannot."""
    trial: TrialSettings = TrialSettings()
    incidents: Literal["ignored", "required"] = "ignored"
    """Whether a candidate must pass all blessed incidents before it may drive, be it on trial."""
    saturation: float = Field(default=0.1, gt=0)
    """A ratio of errors of exp(this) or more counts as a whole win, a smaller one in proportion."""
    margin_of_another_policy: float = Field(default=0.5, ge=0)
    """A candidate with another policy is judged on motion into which it would not have come. It may forecast
    that worse by this part at most, and then it must drive better; where it cannot be asked to drive, it must
    forecast better like all others."""
    most_segments: int = Field(default=40, gt=0)
    """Without a decision after so many segments the candidate is rejected."""
    forgetting: float = Field(default=2.0, ge=0)
    """A rehearsal error of at most this times the pretrained version's is never held against a candidate: one
    that has found out which arm it drives forecasts all others worse (1.2 to 1.7 times were measured).
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
        return mixture(self._log_wealth)


class Gate:
    """Judges one candidate against one incumbent."""

    def __init__(self, settings: GateSettings, candidate_number: int, margin: float = 0.0):
        """Begin with no evidence.

        Args:
            settings: thresholds.
            candidate_number: counts from 1 the candidates of this deployment that were judged on segments.
            margin: the candidate may forecast worse by this part.
        """
        self._settings = settings
        self._number = candidate_number
        self._margin = margin
        self._better = BettingTest()
        self._worse = BettingTest()
        self._squares = np.zeros(2)
        self._segments = 0
        self.threshold = 1.0 / (settings.error_rate * share_of(candidate_number))

    def observe(self, candidate_error: float, incumbent_error: float) -> None:
        """Take the two forecast errors on one gate segment that is newer than both versions."""
        allowed_error = incumbent_error * (1.0 + self._margin)
        value = advantage(candidate_error, allowed_error, self._settings.saturation)
        self._better.observe(value)
        self._worse.observe(-value)
        self._squares += np.square([candidate_error, incumbent_error])
        self._segments += 1

    def decide(self) -> Decision:
        """Decide on what was seen so far."""
        evidence, margin = self.evidence(), self._margin
        if self._better.e_value >= self.threshold and self._squares[0] < self._squares[1] * (1 + margin) ** 2:
            how = f"no worse (margin {margin:.0%})" if margin else "better"
            return Decision("admit", f"forecasts real motion {how}", evidence)
        if self._worse.e_value >= self.threshold:
            by = f" by more than {margin:.0%}" if margin else ""
            return Decision("reject", f"forecasts real motion worse{by}", evidence)
        if self._segments >= self._settings.most_segments:
            return Decision("reject", f"no decision after {self._segments} segments", evidence)
        return Decision("undecided", "not enough evidence yet", evidence)

    def evidence(self) -> dict[str, Any]:
        """What was seen so far, as numbers for the records."""
        errors = np.sqrt(self._squares / self._segments).tolist() if self._segments else (None, None)
        return {
            "candidate_number": self._number,
            "error_rate": self._settings.error_rate,
            "segments": self._segments,
            "forecast_margin": self._margin,
            "e_better": self._better.e_value,
            "e_worse": self._worse.e_value,
            "threshold": self.threshold,
            "candidate_error": errors[0],
            "incumbent_error": errors[1],
        }


class DrivingGate:
    """Judges how one candidate drives, by pairs of turns: the same bets, with a margin."""

    def __init__(self, settings: TrialSettings, threshold: float, must_be_better: bool = False):
        """Begin with no evidence.

        Args:
            settings: thresholds.
            threshold: the wealth that decides, that of the candidate's `Gate`.
            must_be_better: driving no worse is not enough.
        """
        self._settings = settings
        self._threshold = threshold
        self._must_be_better = must_be_better
        self._better = BettingTest()
        self._not_worse = BettingTest()
        self._worse = BettingTest()
        self._limited_more = BettingTest()
        self._results: list[tuple[float, float]] = []
        self._lost = self._won = 0

    def observe(self, candidate_cost: float, incumbent_cost: float, limited_more: int = 0) -> None:
        """Take the two task errors of one pair of turns.

        Args:
            candidate_cost, incumbent_cost: RMS of the task's error in each one's turn.
            limited_more: 1 where the safety node limited only the candidate, -1 only the incumbent.
        """
        saturation = self._settings.saturation
        allowed_cost = incumbent_cost * (1.0 + self._settings.margin)
        self._better.observe(advantage(candidate_cost, incumbent_cost, saturation))
        self._not_worse.observe(advantage(candidate_cost, allowed_cost, saturation))
        self._worse.observe(advantage(allowed_cost, candidate_cost, saturation))
        self._limited_more.observe(limited_more)
        self._results.append((candidate_cost, incumbent_cost))

    def lose_pair(self) -> None:
        """Take a pair in which an alarm cut the candidate's turn short: a whole loss."""
        self._better.observe(-1.0)
        self._not_worse.observe(-1.0)
        self._worse.observe(1.0)
        self._lost += 1

    def win_pair(self) -> None:
        """Take a pair in which somebody had to stop the incumbent, and not the candidate: a whole win."""
        self._better.observe(1.0)
        self._not_worse.observe(1.0)
        self._worse.observe(-1.0)
        self._won += 1

    def decide(self) -> Decision:
        """Decide on what was seen so far."""
        evidence, threshold = self.evidence(), self._threshold
        margin = f"{self._settings.margin:.0%}"
        if self._limited_more.e_value >= threshold:
            return Decision("reject", "is limited by the safety node more often", evidence)
        if self._worse.e_value >= threshold:
            return Decision("reject", f"drives worse by more than {margin}", evidence)
        better = self._better.e_value >= threshold
        enough = better or (self._not_worse.e_value >= threshold and not self._must_be_better)
        if enough and self._no_disaster():
            reason = "drives better" if better else f"drives no worse (margin {margin})"
            return Decision("admit", reason, evidence)
        if evidence["pairs"] >= self._settings.most_pairs:
            return Decision("reject", f"no decision after {evidence['pairs']} pairs of turns", evidence)
        return Decision("undecided", "not enough turns yet", evidence)

    def evidence(self) -> dict[str, Any]:
        """What was seen so far, as numbers for the records."""
        costs = np.sqrt(np.mean(np.square(self._results), axis=0)).tolist() if self._results else (None, None)
        return {
            "pairs": len(self._results) + self._lost + self._won,
            "pairs_lost_by_alarm": self._lost,
            "pairs_won_by_stop": self._won,
            "margin": self._settings.margin,
            "must_be_better": self._must_be_better,
            "e_better": self._better.e_value,
            "e_not_worse": self._not_worse.e_value,
            "e_worse": self._worse.e_value,
            "e_limited_more": self._limited_more.e_value,
            "threshold": self._threshold,
            "candidate_cost": costs[0],
            "incumbent_cost": costs[1],
        }

    def _no_disaster(self) -> bool:
        """Whether many small wins do not hide a few large losses."""
        candidate, incumbent = np.sum(np.square(self._results).reshape(-1, 2), axis=0)
        return not self._results or bool(candidate < incumbent * (1.0 + self._settings.margin) ** 2)


def share_of(candidate_number: int) -> float:
    """The part of the error rate that a candidate may spend; over all numbers from 1 on they add up to 1."""
    return 6.0 / (math.pi * candidate_number) ** 2


def advantage(candidate_error: float, incumbent_error: float, saturation: float) -> float:
    """How much better the candidate is, within [-1, 1]: the log of the ratio of errors, saturated."""
    ratio = max(incumbent_error, SMALLEST_ERROR) / max(candidate_error, SMALLEST_ERROR)
    return max(-1.0, min(1.0, math.log(ratio) / saturation))
