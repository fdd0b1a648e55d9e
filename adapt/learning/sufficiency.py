"""Do updates of the dynamics bring the closed loop back, or is it time for another remedy?

A robot that falls is not helped by a model that foretells the fall. So what counts here is not how well its
motion was forecast, but how well it did what it was told, by the task of the robot file.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from pydantic import Field

from adapt.errors import UserError
from adapt.learning.event import Event
from adapt.model.reward import TaskReward
from adapt.robot.specification import RobotSpecification
from adapt.settings import Settings
from adapt.stream.tick import Tick

UPDATES_DO_NOT_SUFFICE = "updates_do_not_suffice"
"""The event."""


class SufficiencySettings(Settings):
    """When updates do not suffice."""

    recovers_within_s: float = Field(default=120.0, gt=0)
    """Of being driven. A robot that does badly over all of them has not recovered."""
    error: float = Field(default=0.7, gt=0)
    """How badly, on average over ticks and all that has a wanted value: in units of the scales of the robot
    file's task."""


class Sufficiency:
    """Looks at how well a robot does what it is told, since it was last seen to change or got its version.

    A restart begins anew, and costs no more than the ticks since.
    """

    def __init__(self, settings: SufficiencySettings, specification: RobotSpecification):
        """A robot file that wants nothing of the robot has nothing to recover."""
        self._needed = round(settings.recovers_within_s * specification.rate_hz)
        self._allowed = settings.error
        self._era: tuple[str, int] | None = None
        self._ticks, self._cost = 0, 0.0
        self._told_of = ""
        try:
            self._task: TaskReward | None = TaskReward(specification, torch.device("cpu"))
        except UserError:
            self._task = None

    def feed(self, tick: Tick, version: str, changed: int) -> list[Event]:
        """Take a tick in which the robot was driven. What to do about it is told once of each version.

        Args:
            tick: not of the audit split.
            version: the incumbent.
            changed: the ledger's entry at which the robot was last found changed.
        """
        if self._era != (version, changed):
            self._era, self._ticks, self._cost = (version, changed), 0, 0.0
        if self._task is None or version == self._told_of:
            return []
        if not (tick.valid.all() and np.isfinite(tick.observation).all() and np.isfinite(tick.command).all()):
            return []
        seen, wanted = (torch.tensor(each[None]) for each in (tick.observation, tick.command))
        self._cost += float(self._task.cost(seen, wanted).mean())
        self._ticks += 1
        if self._ticks < self._needed:
            return []
        error = _error_of(self._cost / self._ticks)
        self._ticks, self._cost = 0, 0.0
        if error <= self._allowed:
            return []
        self._told_of = version
        detail = {
            "version": version,
            "ticks": self._needed,
            "error": error,
            "allowed": self._allowed,
            "cure": "adapt recover: identify the robot from its ledger, re-distil, offer what comes of it",
        }
        return [Event(UPDATES_DO_NOT_SUFFICE, detail, "error")]


def _error_of(cost: float) -> float:
    """The error, in scales, that costs as much: see `TaskReward`."""
    return math.sqrt((1.0 + cost) ** 2 - 1.0)
