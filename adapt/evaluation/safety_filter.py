"""The safety filter against a general solver, against the clock, and against proposals that mean ill."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from adapt.robot.couplings import Coupling
from adapt.robot.specification import RobotSpecification
from adapt.safety.box import Box
from adapt.safety.filter import SafetyFilter
from adapt.safety.program import layout_of, nearest_command, parameter_values
from adapt.safety.walls import Walls

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[int], None]
"""Told how many are done."""

EPISODE = 100
"""Proposals between two fresh starts."""
ENTRIES = 3
"""How many entries a random wall couples."""


@dataclass(frozen=True)
class FilterFigures:
    """What was measured.

    Attributes:
        p50_ms: of a projection for which the quadratic program had to be solved.
        p99_ms: likewise.
        p50_all_ms: of every projection.
        max_abs_diff: from the other solver's command, in the action's unit, over all cases with an answer.
        cases: compared.
        solved: of them, by the quadratic program; the others the box alone decided.
        clamped: of them, without an answer in time; the command is safe but need not be the nearest.
        proposals: that meant ill.
        violations: limits that a command broke, of all cases and proposals, without any tolerance.
    """

    p50_ms: float
    p99_ms: float
    p50_all_ms: float
    max_abs_diff: float
    cases: int
    solved: int
    clamped: int
    proposals: int
    violations: int

    def as_dict(self) -> dict[str, Any]:
        """As numbers by name."""
        return asdict(self)


def walled(robot: RobotSpecification, walls: int, seed: int) -> RobotSpecification:
    """The robot with so many random walls around where it rests, besides its own; some with a barrier."""
    generator = np.random.default_rng(seed)
    entries = robot.action.entries
    rest = _rest(robot)
    couplings = dict(robot.action.couplings)
    for number in range(walls):
        weights = np.zeros(len(entries))
        chosen = generator.choice(len(entries), size=min(ENTRIES, len(entries)), replace=False)
        weights[chosen] = generator.normal(size=len(chosen))
        weights *= generator.uniform(0.5, 2.0) / np.linalg.norm(weights)
        couplings[f"wall_{number}"] = Coupling(
            weights=dict(zip(entries, weights.tolist(), strict=True)),
            at_most=float(weights @ rest + np.linalg.norm(weights) * generator.uniform(0.1, 0.4)),
            barrier=float(generator.choice([1.0, 0.5, 0.2])),
        )
    return robot.model_copy(update={"action": robot.action.model_copy(update={"couplings": couplings})})


class Judge:
    """Holds commands against the robot file, with no tolerance; knows nothing of how they were made."""

    def __init__(self, robot: RobotSpecification, start: FloatArray) -> None:
        """Begin at rest at `start`, shape (A,)."""
        limits = list(robot.action.limits.values())
        self._lower, self._upper = np.array([each.position for each in limits]).T
        self._velocity = np.array([each.velocity for each in limits]) * robot.period_s
        self._acceleration = np.array([each.acceleration for each in limits]) * robot.period_s**2
        jerks = [np.inf if each.jerk is None else each.jerk for each in limits]
        self._jerk = np.array(jerks) * robot.period_s**3
        couplings = list(robot.action.couplings.values())
        entries = robot.action.entries
        weights = [[each.weights.get(entry, 0.0) for entry in entries] for each in couplings]
        self._weights = np.array(weights).reshape(len(couplings), len(entries))
        self._at_most = np.array([each.at_most for each in couplings])
        self._left = 1.0 - np.array([each.barrier for each in couplings])
        self._before = self.last = start
        self._bend = np.zeros(len(start))

    def broken(self, command: FloatArray) -> list[str]:
        """The limits that this next command breaks."""
        distance, distance_before = (self._at_most - self._weights @ each for each in (command, self.last))
        bend = command - 2.0 * self.last + self._before
        held = {
            "finite": np.isfinite(command),
            "position": (self._lower <= command) & (command <= self._upper),
            "velocity": np.abs(command - self.last) <= self._velocity,
            "acceleration": np.abs(bend) <= self._acceleration,
            "jerk": np.abs(bend - self._bend) <= self._jerk,
            "coupling": distance >= 0.0,
            "barrier": distance >= self._left * distance_before,
        }
        self._before, self.last, self._bend = self.last, command, bend
        return [name for name, each in held.items() if not each.all()]


def measure_filter(
    robot: RobotSpecification, cases: int, proposals: int, seed: int, progress: Progress
) -> FilterFigures:
    """Judge the filter of a robot with couplings.

    Args:
        robot: the robot; it has couplings.
        cases: projections to time and to compare with cvxpy's own solution by another solver (Clarabel).
        proposals: that mean ill: not finite, huge, tiny, of another length, jumping, pressing on.
        seed: of both.
        progress: told how many of `cases` + `proposals` are done.

    Raises:
        UserError: cvxpy or OSQP is not installed.
    """
    generator = np.random.default_rng(seed)
    safety_filter = SafetyFilter(robot)
    reference = _Reference(robot)
    judge = Judge(robot, safety_filter.reset(_rest(robot)))
    took, outcomes, differences, broken = [], [], [0.0], 0
    for number in range(cases):
        if number % EPISODE == 0:
            judge = Judge(robot, safety_filter.reset(_somewhere(robot, generator)))
            reference.begin(judge.last)
        proposal = judge.last + generator.normal(size=robot.action_size) * generator.choice([0.05, 0.2, 1.0])
        began = time.perf_counter()
        projection = safety_filter.project(proposal)
        took.append(1e3 * (time.perf_counter() - began))
        outcomes.append(projection.solver)
        broken += len(judge.broken(projection.command))
        nearest = reference.nearest(proposal)
        if projection.solver in (None, "solved"):
            differences.append(float(np.abs(projection.command - nearest).max()))
        reference.went(projection.command)
        progress(number + 1)
    for number in range(proposals):
        if number % EPISODE == 0:
            judge = Judge(robot, safety_filter.reset(_somewhere(robot, generator)))
        projection = safety_filter.project(_ill_meant(judge.last, number, generator))
        broken += len(judge.broken(projection.command))
        progress(cases + number + 1)
    asked = [each for each, outcome in zip(took, outcomes, strict=True) if outcome is not None] or [0.0]
    counts = Counter(outcomes)
    return FilterFigures(
        p50_ms=float(np.percentile(asked, 50)),
        p99_ms=float(np.percentile(asked, 99)),
        p50_all_ms=float(np.median(took)),
        max_abs_diff=max(differences),
        cases=cases,
        solved=counts["solved"],
        clamped=counts["late"] + counts["infeasible"],
        proposals=proposals,
        violations=broken,
    )


class _Reference:
    """cvxpy's own solution of the same problem."""

    def __init__(self, robot: RobotSpecification) -> None:
        self._box = Box(robot)
        self._walls = Walls(robot, self._box)
        self._problem, self._parameters, self._command = nearest_command(layout_of(self._walls))
        self.begin(_rest(robot))

    def begin(self, start: FloatArray) -> None:
        self._last, self._step = start, np.zeros_like(start)

    def went(self, command: FloatArray) -> None:
        self._step, self._last = command - self._last, command

    def nearest(self, proposal: FloatArray) -> FloatArray:
        within, bound = self._box.interval(self._last, self._step, None), self._walls.bound
        values = parameter_values(
            np.clip(proposal, self._box.lower, self._box.upper),
            within.low,
            within.high,
            self._walls.ahead(self._last, bound),
            bound,
            self._walls.lines(self._last, self._step),
        )
        ends = np.cumsum([each.size for each in self._parameters.values()])
        for parameter, value in zip(self._parameters.values(), np.split(values, ends[:-1]), strict=True):
            parameter.value = value
        solve: Callable[..., float] = self._problem.solve
        solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10)
        return np.asarray(self._command.value)


def _rest(robot: RobotSpecification) -> FloatArray:
    return np.array(robot.rest_action or np.zeros(robot.action_size))


def _somewhere(robot: RobotSpecification, generator: np.random.Generator) -> FloatArray:
    return _rest(robot) + generator.normal(size=robot.action_size) * 0.3


def _ill_meant(last: FloatArray, number: int, generator: np.random.Generator) -> FloatArray:
    size = len(last)
    match number % 10:
        case 0:
            proposal = generator.uniform(-4.0, 4.0, size)
            proposal[generator.integers(size)] = generator.choice([np.nan, np.inf, -np.inf])
            return proposal
        case 1:
            return np.asarray(generator.choice([-1.0, 1.0], size) * 10.0 ** generator.uniform(0, 308, size))
        case 2:
            return np.asarray(generator.choice([-1.0, 1.0], size) * 5e-324)
        case 3:
            return np.zeros(generator.choice([0, 1, size - 1, size + 1, 1000]))
        case 4 | 5:
            # There and back, as fast as may be.
            return np.asarray(last + 10.0 * (-1.0) ** (number // 10))
        case _:
            return np.asarray(last + generator.normal(size=size) * generator.choice([1e-3, 0.1, 3.0]))
