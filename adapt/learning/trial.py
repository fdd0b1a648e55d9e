"""A candidate that forecasts better takes turns with the incumbent at driving the robot.

A lower forecast error is necessary and not sufficient: dynamics that forecast much better have been seen to
drive no better. Two turns make a pair. Which of the two versions begins is drawn by lot for each pair, so
that conditions that drift favour neither. Each turn lasts until enough motion was measured, and gives one
cost: the RMS of the task's error, as the robot file scales it. The pairs decide; see `DrivingGate`.

A turn ends at once where the safety node takes over or the planner's predictions prove wrong. What only a
version can be blamed for, such as a proposal that is not finite, costs a candidate the trial. Alarms that a
busy machine or a broken robot raises too (once in 100 s was seen, whoever drove) cost it the pair, and the
trial when they were raised against it more often than against the incumbent.

Somebody beside the robot may stop it, as when it falls. That costs a candidate the trial, and the incumbent
the pair. But who took over in motion may be stopped soon after (`inherits_s`) for what the other began. That
is an alarm and no more: the turn begins anew, and now with a robot that was put on its feet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from adapt.learning.event import Event
from adapt.learning.gate import Decision, DrivingGate, TrialSettings
from adapt.learning.ledger import Ledger
from adapt.learning.records import Training, Turn
from adapt.model.reward import TaskReward
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray, Tick

NO_FAULT_OF_A_VERSION = ("sensor_missing", "sensor_late", "clock_jump", "shutdown")
"""Why the safety node may fall back or stop whoever drives."""
ALARMS = {
    "prediction_error": "its predictions proved wrong",
    "proposal_late": "its plans did not come in time",
    "called": "somebody stopped the robot",
    "emergency_stop": "somebody stopped the robot",
}
BY_HAND = ("called", "emergency_stop")
"""Why the safety node stops for somebody beside the robot."""


@dataclass(slots=True)
class LiveRobot:
    """A robot that somebody drives, and who drives can be told.

    Attributes:
        specification: the robot.
        state: what the safety node said of itself last; empty before.
    """

    specification: RobotSpecification
    state: str = ""

    @property
    def running(self) -> bool:
        """Whether the safety node lets proposals through."""
        return self.state == "running"

    @property
    def stopped(self) -> bool:
        """Whether the robot stands, or lies, until somebody resets the safety node."""
        return self.state == "stopped"


def turn_order(candidate: str, incumbent: str, pair: int) -> tuple[str, str]:
    """Who drives first in a pair and who second. The lot follows from the candidate's name, which is a hash
    of its weights, so that nobody can choose it and a restart draws the same.
    """
    first = np.random.default_rng([pair, *candidate.encode()]).random() < 0.5
    return (candidate, incumbent) if first else (incumbent, candidate)


class Trial:
    """The turns of one candidate and one incumbent.

    What the ledger holds of them counts. A pair that was not finished when a learner ended begins anew.
    """

    def __init__(
        self,
        settings: TrialSettings,
        robot: LiveRobot,
        ledger: Ledger,
        training: Training,
        threshold: float,
        must_be_better: bool = False,
    ):
        """`training` made the candidate from the incumbent; for the others see `DrivingGate`."""
        specification = robot.specification
        self.candidate, self.incumbent = training.version, training.parent
        self._robot = robot
        self._ledger = ledger
        self._task = TaskReward(specification, torch.device("cpu"))
        self._episode_ticks = max(1, round(settings.episode_s * specification.rate_hz))
        self._settle_ticks = round(settings.settle_s * specification.rate_hz)
        self._settings = settings
        self._gate = DrivingGate(settings, threshold, must_be_better)
        self._lost = ""
        self._pair: list[Turn] = []
        both = self.candidate, self.incumbent
        self._alarms: Counter[str] = Counter()
        self._put_on_its_feet: int | None = None
        past = [turn for turn in ledger.records.turns if (turn.candidate, turn.incumbent) == both]
        for turn in past:
            self._count(turn)
        self._pair.clear()
        self._number = past[-1].pair + 1 if past else 0
        self._first: Tick | None = None
        self._last: Tick | None = None
        self._errors: list[float] = []
        self._limited = 0
        self._unsettled = self._settle_ticks

    @property
    def drives(self) -> str:
        """The version whose turn it is."""
        return turn_order(self.candidate, self.incumbent, self._number)[len(self._pair)]

    @property
    def winning(self) -> bool:
        """Whether there are pairs, and their evidence speaks for the candidate."""
        evidence = self._gate.evidence()
        return bool(evidence["pairs"] and evidence["e_not_worse"] > 1.0)

    def decide(self) -> Decision:
        """Decide on the turns so far."""
        if self._lost:
            return Decision("reject", self._lost, self._gate.evidence())
        return self._gate.decide()

    def evidence(self) -> dict[str, Any]:
        """What was seen so far, as numbers for the records."""
        return self._gate.evidence()

    def feed(self, tick: Tick, sealed: bool) -> list[Event]:
        """Take the next tick; `sealed` ones are not looked at. Gives what a finished turn has to tell.

        Raises:
            sqlite3.Error: a finished turn could not be written down; it begins anew.
        """
        before, self._last = self._last, tick
        if not (self._robot.running and tick.version == self.drives and _measured(tick)):
            self._unsettled = self._settle_ticks
            return []
        self._first = self._first or tick
        if before is None or tick.index != before.index + 1:
            self._unsettled = self._settle_ticks
        elif self._unsettled > 0:
            self._unsettled -= 1
        elif not sealed and self._moves(before, tick):
            error = self._error(tick.observation, tick.command)
            self._errors.append(float(error.square().mean()))
        if len(self._errors) < self._episode_ticks:
            return []
        return self._end_turn(self._first, tick, float(np.sqrt(np.mean(self._errors))))

    def hear(self, kind: str, detail: Mapping[str, Any]) -> list[Event]:
        """Take an event of another node. Gives what a finished turn has to tell.

        Raises:
            sqlite3.Error: that a turn was cut short could not be written down.
        """
        reason = str(detail.get("reason", ""))
        if kind.startswith("limited_"):
            self._limited += 1 + int(detail.get("held_back", 0))
        elif kind == "safety_stopped" and reason in BY_HAND:
            return self._stopped_by_hand(reason)
        elif kind == "prediction_error" and detail.get("version") == self.drives:
            self._cut_short(kind)
        elif kind in ("safety_fallback", "safety_stopped") and (
            reason in ALARMS or (self.drives == self.candidate and reason not in NO_FAULT_OF_A_VERSION)
        ):
            self._cut_short(reason)
        return []

    def _begin_turn(self) -> None:
        self._first = None
        self._errors = []
        self._limited = 0
        self._unsettled = self._settle_ticks

    def _end_turn(self, first: Tick, last: Tick, cost: float | None, ended: str = "") -> list[Event]:
        try:
            paired = self._count(self._written(first, last, cost, ended))
        finally:
            self._begin_turn()
        if not paired:
            return []
        self._number += 1
        return [Event("trial_pair", {"version": self.candidate, **self._gate.evidence()})]

    def _stopped_by_hand(self, reason: str) -> list[Event]:
        first, last = self._first, self._last
        if self._lost or first is None or last is None or last.version != self.drives:
            return []
        return self._end_turn(first, last, None, reason)

    def _cut_short(self, reason: str) -> None:
        last = self._last
        if self._lost or last is None or last.version != self.drives:
            return
        self._count(self._written(self._first or last, last, None, reason))
        self._begin_turn()
        self._pair.clear()
        self._number += 1
        # Now the incumbent drives: pairs for which the lot says otherwise are left out.
        while self.drives == self.candidate:
            self._number += 1

    def _written(self, first: Tick, last: Tick, cost: float | None, ended: str) -> Turn:
        return self._ledger.record_turn(
            first,
            last,
            candidate=self.candidate,
            incumbent=self.incumbent,
            version=self.drives,
            pair=self._number,
            ticks=len(self._errors),
            cost=cost,
            limited=self._limited,
            ended=ended,
        )

    def _count(self, turn: Turn) -> bool:
        """Let a turn count; gives whether it was the second of its pair."""
        if turn.cost is None and not self._own_stop(turn):
            return False
        self._put_on_its_feet = turn.pair if turn.cost is None else None
        if self._pair and self._pair[0].pair != turn.pair:
            self._pair.clear()
        self._pair.append(turn)
        if len(self._pair) < 2:
            return False
        of = {each.version: each for each in self._pair}
        self._pair.clear()
        candidate, incumbent = of[self.candidate], of[self.incumbent]
        assert candidate.cost is not None
        if incumbent.cost is None:
            self._gate.win_pair()
        else:
            limited_more = (candidate.limited > 0) - (incumbent.limited > 0)
            self._gate.observe(candidate.cost, incumbent.cost, limited_more)
        return True

    def _own_stop(self, turn: Turn) -> bool:
        """Hold what cut a turn short against who drove; gives whether it is the incumbent's lost turn."""
        by_hand = turn.ended in BY_HAND
        lasted_s = (turn.last_stamp_ns - turn.first_stamp_ns) * 1e-9
        own = by_hand and (lasted_s >= self._settings.inherits_s or turn.pair == self._put_on_its_feet)
        if by_hand:
            self._put_on_its_feet = turn.pair
        self._alarms[turn.version] += 1
        if turn.version == self.incumbent:
            return own
        if not by_hand:
            self._gate.lose_pair()
        mine, other = self._alarms[self.candidate], self._alarms[self.incumbent]
        if turn.ended not in ALARMS or own:
            self._lost = f"the safety node took over while it drove ({turn.ended.replace('_', ' ')})"
        elif mine >= other + self._settings.most_alarms:
            self._lost = f"{ALARMS[turn.ended]} in {mine} of its turns, those of the incumbent in {other}"
        return False

    def _moves(self, before: Tick, tick: Tick) -> bool:
        """Whether anything is asked or done: at rest all versions do equally well."""
        now = self._error(tick.observation, tick.command)
        seen = now - self._error(before.observation, tick.command)
        wanted = now - self._error(tick.observation, before.command)
        return float(torch.stack([seen, wanted]).abs().max()) > self._settings.still

    def _error(self, observation: FloatArray, command: FloatArray) -> torch.Tensor:
        return self._task.error(torch.from_numpy(observation), torch.from_numpy(command))


def _measured(tick: Tick) -> bool:
    return tick.complete and bool(np.isfinite(tick.command).all())
