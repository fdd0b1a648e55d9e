"""What stand-ins of all kinds share: a time of their own, commands on their way, later changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import Any, Generic, TypeVar

import numpy as np

from adapt.errors import UserError
from adapt.sim.scenario import ScenarioFile
from adapt.stream.tick import FloatArray

ScenarioKind = TypeVar("ScenarioKind", bound=ScenarioFile)


class HiddenRobot(ABC, Generic[ScenarioKind]):
    """One robot of `scenario`, in its own simulated time. The same calls and seed give the same robot.

    Attributes:
        now_ns: how far the robot has been simulated, ns.
        scenario: the numbers in force now.
    """

    def __init__(
        self, scenario: ScenarioKind, wanted: FloatArray, step_s: float, seed: int, start_ns: int
    ) -> None:
        """Begin at `start_ns`; `wanted` (A,) is in force until the first command; one step takes `step_s`."""
        self.scenario = scenario
        self.now_ns = self._start_ns = start_ns
        self._step_ns = round(step_s * 1e9)
        self._wanted = self._at_start = wanted
        self._commanded = False
        self._on_the_way: deque[tuple[int, FloatArray]] = deque()
        self._events = deque(sorted(scenario.events, key=lambda event: event.time_s))
        seeds = np.random.SeedSequence(seed).spawn(4)
        self._delays, self._losses, self._noise, self._start = (np.random.default_rng(each) for each in seeds)

    def command(self, stamp_ns: int, values: FloatArray) -> None:
        """Tell the robot an action (A,) at `stamp_ns`; it takes the scenario's delay to act.

        Raises:
            ValueError: a value is not finite, or there are not A of them.
        """
        if values.shape != self._wanted.shape or not np.isfinite(values).all():
            raise ValueError(f"a command must be {len(self._wanted)} finite numbers, not {values}")
        lost = self._losses.uniform() < self.scenario.lost_commands
        delay_s, mean_jitter_s = self._delay_and_jitter_s()
        jitter_s = self._delays.exponential() * mean_jitter_s
        if lost:
            return
        self._commanded = True
        due = stamp_ns + round((delay_s + jitter_s) * 1e9)
        if self._on_the_way:
            due = max(due, self._on_the_way[-1][0])
        self._on_the_way.append((due, np.array(values, dtype=np.float64)))

    def advance(self, to_ns: int) -> None:
        """Simulate whole physics steps up to `to_ns`; a time that has passed changes nothing."""
        while self.now_ns + self._step_ns <= to_ns:
            while self._events and self._start_ns + round(self._events[0].time_s * 1e9) <= self.now_ns:
                self._change(self._events.popleft().set)
            while self._on_the_way and self._on_the_way[0][0] <= self.now_ns:
                self._wanted = self._on_the_way.popleft()[1]
            self._step()
            self.now_ns += self._step_ns

    def put_back(self) -> None:
        """Put the robot back to where it started, as somebody does who picks it up; its time goes on, and
        commands that were on their way are lost. It is let go at once, and does what it did before the first
        command until the next.
        """
        self._on_the_way.clear()
        self._wanted, self._commanded = self._at_start, True
        self._return()

    def set(self, field: str, value: Any) -> None:
        """Change one number of the scenario from now on, such as `payload_mass`.

        Raises:
            UserError: there is no such field, or the value is out of its range.
        """
        try:
            self._change({field: value})
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise UserError(f"stand-in: cannot set '{field}' to {value}: {reason}") from error

    def _change(self, values: dict[str, Any]) -> None:
        changed = self.scenario.changed(values)
        self._configure(changed)
        self.scenario = changed

    @abstractmethod
    def _delay_and_jitter_s(self) -> tuple[float, float]:
        """From a command to its effect, and the mean of an exponential time added; the order is kept."""

    @abstractmethod
    def _step(self) -> None:
        """One physics step under what is wanted now."""

    @abstractmethod
    def _return(self) -> None:
        """Put the robot to its start, at rest."""

    @abstractmethod
    def _configure(self, scenario: ScenarioKind) -> None:
        """Give the robot the numbers of `scenario`; its motion goes on.

        Raises:
            ValueError: they do not fit this robot; nothing has changed.
        """
