"""Open-loop error on unseen motions against the amount of real data, method by method."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapt.errors import UserError
from adapt.evaluation.adaptation import STRIDE, complete_runs, measured_entries, measured_unit, run_windows
from adapt.evaluation.adaptation_methods import Method
from adapt.evaluation.open_loop import Forecaster, OpenLoopError, open_loop_error
from adapt.evaluation.statistics import Estimate, mean_interval
from adapt.model.windows import Windows
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import Tick

Ticks = list[Tick]


def check_ahead(specification: RobotSpecification, ahead_s: float) -> None:
    """Compare an instant with the robot's horizon.

    Raises:
        UserError: it is no step of it.
    """
    steps = ahead_s * specification.rate_hz
    if not 1 <= round(steps) <= specification.horizon_ticks or abs(steps - round(steps)) > 1e-6:
        longest = specification.horizon_ticks * specification.period_s
        raise UserError(
            f"{ahead_s:g} s ahead is no step of the horizon: choose a multiple of"
            f" {specification.period_s:g} s up to {longest:g} s"
        )


def draw_pieces(
    bags: Sequence[Iterable[Tick]], count: int, longest: int, generator: np.random.Generator
) -> list[Ticks]:
    """Ticks to learn from: pieces of all bags in random order, the last one cut short.

    What a robot did in one minute tells less than what it did in six pieces of ten seconds, and which
    minute it was matters much: so each draw takes pieces of everything. Of two draws with the same seed
    the smaller is the beginning of the larger.

    Args:
        bags: the ticks of each.
        count: how many ticks are wanted.
        longest: a piece has at most so many; shorter ones are the ends of bags.
        generator: of the order.

    Raises:
        UserError: there are fewer ticks.
    """
    pieces = [
        ticks[start : start + longest] for ticks in map(list, bags) for start in range(0, len(ticks), longest)
    ]
    chosen: list[Ticks] = []
    for number in generator.permutation(len(pieces)):
        if count == 0:
            break
        chosen.append(pieces[number][:count])
        count -= len(chosen[-1])
    if count == 0:
        return chosen
    raise UserError(
        f"{sum(map(len, chosen))} ticks to learn from, and {count} too few: ask for fewer minutes"
    )


def windows_of(
    specification: RobotSpecification, pieces: Iterable[Iterable[Tick]], stride: int = 1
) -> Windows:
    """All windows within the pieces.

    Raises:
        UserError: there is none.
    """
    parts = [run_windows(specification, run, stride) for piece in pieces for run in complete_runs(piece)]
    if not sum(map(len, parts)):
        length = (specification.history_ticks + 1 + specification.horizon_ticks) * specification.period_s
        raise UserError(f"no unbroken run of {length:g} s in the data: give longer bags or more minutes")
    return Windows.join(parts)


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Errors of several draws of the real data.

    Attributes:
        entries: names of the observation entries that were measured, all in `unit`.
        step_s: time between two steps of the horizon, s.
        steps: of the horizon.
        windows: how many were measured on.
        errors: by method and minutes of real data, one for each seed; one alone where nothing is learned.
    """

    entries: tuple[str, ...]
    unit: str
    step_s: float
    steps: int
    windows: int
    errors: dict[str, dict[float, list[OpenLoopError]]]

    def estimates(self, figure: Callable[[OpenLoopError], float]) -> dict[str, dict[float, Estimate]]:
        """A figure of the errors with its interval, by method and minutes."""
        return {
            method: {minutes: _estimate([figure(each) for each in errors]) for minutes, errors in row.items()}
            for method, row in self.errors.items()
        }

    def distance(self, ahead_s: float) -> Callable[[OpenLoopError], float]:
        """The figure of `estimates` that is the RMS distance over all entries at one step of the horizon."""
        step = round(ahead_s / self.step_s) - 1
        return lambda error: math.sqrt(len(self.entries)) * float(error.by_step[step])

    def as_dict(self, ahead_s: Sequence[float] = ()) -> dict[str, Any]:
        """For JSON; `rmse_rad` is over windows, steps and entries, `distance_rad` over windows at an instant.

        Where the unit is another one, the names are `rmse` and `distance`.
        """
        suffix = "_rad" if self.unit == "rad" else ""
        distances = {f"{each:g}": _plain(self.estimates(self.distance(each))) for each in ahead_s}
        return {
            "unit": self.unit,
            "entries": list(self.entries),
            "windows": self.windows,
            "stride_ticks": STRIDE,
            "horizon_s": self.step_s * self.steps,
            f"rmse{suffix}": _plain(self.estimates(lambda error: error.total)),
            f"distance{suffix}": distances,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Experiment:
    """The real data, alike for all methods.

    Attributes:
        specification: the robot.
        known: ticks of the bags to learn from.
        unseen: windows to measure on.
        longest: ticks of a piece of `draw_pieces`.
    """

    specification: RobotSpecification
    known: list[Ticks]
    unseen: Windows
    longest: int

    def error(self, forecaster: Forecaster) -> OpenLoopError:
        """On the unseen windows."""
        return open_loop_error(forecaster, self.unseen, measured_entries(self.specification))

    def draw(self, minutes: float, seed: int) -> list[Ticks]:
        """The real data of a seed."""
        count = round(minutes * 60 * self.specification.rate_hz)
        return draw_pieces(self.known, count, self.longest, np.random.default_rng(seed))


def curves(
    experiment: Experiment,
    methods: Mapping[str, Method],
    minutes: Sequence[float],
    seeds: Sequence[int],
    fixed: Mapping[str, Forecaster],
    done: Callable[[str], None] = lambda what: None,
) -> Curves:
    """Learn by each method from each amount of data, once for each seed.

    Args:
        experiment: the data.
        methods: how to learn, by name.
        minutes: of real data.
        seeds: each draws other pieces of the data, batches and fresh weights; all methods get the same.
        fixed: forecasts that learn nothing, by name.
        done: told after each model.

    Raises:
        UserError: there are fewer data to learn from than asked for.
    """
    experiment.draw(max(minutes, default=0.0), 0)  # Too few data should be told before the work begins.
    errors: dict[str, dict[float, list[OpenLoopError]]] = {
        name: {length: [error] for length in (0.0, *minutes)}
        for name, error in ((key, experiment.error(each)) for key, each in fixed.items())
    }
    for name, learn in methods.items():
        errors[name] = {length: [] for length in minutes}
        for length in minutes:
            for seed in seeds:
                windows = windows_of(experiment.specification, experiment.draw(length, seed))
                errors[name][length].append(experiment.error(learn(windows, seed)))
                done(f"{name}, {length:g} min")
    specification, entries = experiment.specification, measured_entries(experiment.specification)
    return Curves(
        entries=tuple(each.split("/")[-1] for each in specification.observation_names[entries]),
        unit=measured_unit(specification),
        step_s=specification.period_s,
        steps=specification.horizon_ticks,
        windows=len(experiment.unseen),
        errors=errors,
    )


def _estimate(values: list[float]) -> Estimate:
    if len(values) == 1:
        return Estimate(values[0], values[0], values[0], 1)
    return mean_interval(values)


def _plain(estimates: dict[str, dict[float, Estimate]]) -> dict[str, dict[str, Any]]:
    return {
        method: {f"{minutes:g}": each.as_dict() for minutes, each in row.items()}
        for method, row in estimates.items()
    }
