"""What the robot is put through in the demonstration: measured, taught, broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydantic import Field

from adapt.bags.incident import IncidentCard, load_incident
from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification
from adapt.settings import Settings
from adapt.sim.reference import ReferencePath, ReferenceSettings
from adapt.stream.tick import FloatArray, Tick
from ros_nodes.operator import Operator

LEAD_S = 0.5
"""A path is sent this long before its first point."""


class ExerciseSettings(Settings):
    """How long each part takes; the times are of the robot's clock."""

    episodes: int = Field(default=6, ge=5)
    episode_s: float = Field(default=7.0, gt=1)
    return_s: float = Field(default=1.5, gt=0)
    """Time to move from the end of one path to the start of the next."""
    settle_s: float = Field(default=0.5, ge=0)
    """Not measured at the beginning of an episode."""
    adapt_s: float = Field(default=240.0, gt=0)
    """The longest that the robot moves to learn."""
    after_admission_s: float = Field(default=10.0, ge=0)
    """It goes on so long after the gate first admitted a version."""
    fault_after_s: float = Field(default=8.0, gt=0)
    mended_value: float = 3.0
    after_fault_s: float = Field(default=14.0, gt=1)
    incident_s: float = Field(default=60.0, gt=0)
    """The longest wait for the incident's bag after the motion has ended."""
    fault_field: str = "torque_limit"
    fault_value: float = 0.7
    """N m: the supply breaks down, and the servos are too weak to hold the arm."""
    seed: int = 7


Progress = Callable[[str, float], None]
"""Told the part that runs, and how much of it is done, from 0 to 1."""


class Exercises:
    """Drives the operator through the parts, one after the other."""

    def __init__(
        self,
        specification: RobotSpecification,
        settings: ExerciseSettings,
        operator: Operator,
        progress: Progress,
    ):
        self._specification = specification
        self._settings = settings
        self._operator = operator
        self._progress = progress
        self._generator = np.random.default_rng(settings.seed)
        self._paths = [self._path(settings.episode_s) for _ in range(settings.episodes)]
        self._pose: FloatArray = np.zeros(0)

    def measure(self, name: str, controller: str, version: str) -> tuple[str, list[list[Tick]]]:
        """Drive all measured paths with one controller; gives the version that drove and the ticks.

        The learner rests meanwhile: nothing is learned from what is measured on.
        """
        operator, settings = self._operator, self._settings
        operator.trigger("/learner/pause")
        operator.set_parameter("planner", "version", version)
        operator.set_parameter("planner", "controller", controller)
        episodes = []
        for number, path in enumerate(self._paths):
            begin = self._give(path, settings.episode_s)
            end = begin + round(settings.episode_s * 1e9)
            self._progress(name, number / len(self._paths))
            self._wait(end, name, number / len(self._paths), 1 / len(self._paths))
            measured = begin + round(settings.settle_s * 1e9)
            episodes.append(self._between(measured, end))
        return episodes[0][-1].version, episodes

    def adapt(self) -> list[Tick]:
        """Move at random while the learner learns, and let the planner follow what the gate admits."""
        operator, settings = self._operator, self._settings
        operator.set_parameter("planner", "controller", "planner")
        operator.set_parameter("planner", "version", "")
        operator.trigger("/learner/resume")
        start = operator.now_ns()
        end = start + round(settings.adapt_s * 1e9)
        enough: int | None = None
        while operator.now_ns() < (end if enough is None else min(end, enough)):
            stretch_s = 10.0
            begin = self._give(self._path(stretch_s), stretch_s)
            done = (operator.now_ns() - start) / (settings.adapt_s * 1e9)
            self._wait(begin + round(stretch_s * 1e9), "adapt", done, stretch_s / settings.adapt_s)
            if enough is None and operator.events_of("admitted"):
                enough = operator.now_ns() + round(settings.after_admission_s * 1e9)
        operator.trigger("/learner/pause")
        return self._between(start, operator.now_ns())

    def fail(self, store: Path) -> tuple[int, list[Tick], IncidentCard | None]:
        """Inject the fault in mid-motion and wait for the incident that holds it.

        Returns:
            when the fault was injected, the ticks of the whole part, and the incident's card.
        """
        operator, settings = self._operator, self._settings
        length_s = settings.fault_after_s + settings.after_fault_s
        begin = self._give(self._path(length_s), length_s)
        self._wait(begin + round(settings.fault_after_s * 1e9), "fault", 0.0, 0.4)
        fault_ns = operator.now_ns()
        operator.inject(settings.fault_field, settings.fault_value)
        self._wait(begin + round(length_s * 1e9), "fault", 0.4, 0.5)

        def card() -> IncidentCard | None:
            cards = (
                load_incident(store, event["detail"]["id"]).card for event in operator.events_of("incident")
            )
            return next(
                (each for each in cards if each.start_ns < fault_ns < each.triggers[-1].stamp_ns), None
            )

        # Mended first: as long as the fault lasts, it prolongs its incident.
        operator.inject(settings.fault_field, settings.mended_value)
        operator.wait_until(lambda: card() is not None, settings.incident_s)
        return fault_ns, self._between(begin, operator.now_ns()), card()

    def settle(self) -> None:
        """Hold the pose in which the robot was found, so that the first path has somewhere to start."""
        self._pose = self._operator.measured()[list(self._specification.command_anchor)]
        self._operator.give_reference(self._operator.now_ns(), np.stack([self._pose, self._pose]))

    def _path(self, duration_s: float) -> ReferencePath:
        limits = np.array([limit.position for limit in self._specification.action.limits.values()])
        middle, reach = limits.mean(axis=1), np.ptp(limits, axis=1)
        start = middle + self._generator.uniform(-0.15, 0.15, len(middle)) * reach
        return ReferencePath(self._specification, start, duration_s, self._generator, ReferenceSettings())

    def _give(self, path: ReferencePath, duration_s: float) -> int:
        """Send a path with the way to its start; gives the stamp at which it begins."""
        rate = self._specification.rate_hz
        wanted = path.position(np.arange(round(duration_s * rate) + 1) / rate)
        steps = max(2, round(self._settings.return_s * rate))
        phase = np.arange(steps)[:, None] / steps
        share = phase**3 * (10 - 15 * phase + 6 * phase**2)  # minimum jerk (Flash and Hogan, 1985)
        way = self._pose + share * (wanted[0] - self._pose)
        stamp = self._operator.now_ns() + round(LEAD_S * 1e9)
        self._operator.give_reference(stamp, np.concatenate([way, wanted]))
        self._pose = wanted[-1]
        return stamp + round(steps / rate * 1e9)

    def _wait(self, until_ns: int, name: str, done: float, share: float) -> None:
        start = self._operator.now_ns()

        def passed() -> bool:
            now = self._operator.now_ns()
            self._progress(name, done + share * min(1.0, (now - start) / max(1, until_ns - start)))
            return bool(self._operator.ticks and self._operator.ticks[-1].stamp_ns >= until_ns)

        if not self._operator.wait_until(passed, (until_ns - start) * 1e-9 + 10.0):
            raise UserError(
                f"demonstration, part '{name}': the planner's ticks have stopped; see the planner's log"
            )

    def _between(self, start_ns: int, end_ns: int) -> list[Tick]:
        return [tick for tick in self._operator.ticks if start_ns <= tick.stamp_ns < end_ns]
