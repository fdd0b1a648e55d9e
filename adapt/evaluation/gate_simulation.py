"""How often the gate is wrong, by simulation: deployments whose truth is known, looked at at every chance.

A segment gives the logarithm of the ratio of the two forecast errors, a pair of turns that of the two task
errors. Both are drawn from normal distributions about the truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from adapt.learning.gate import Decision, DrivingGate, Gate, GateSettings


@dataclass(frozen=True, slots=True)
class Truth:
    """What a candidate is: means and standard deviations of the logarithms of incumbent / candidate.

    Attributes:
        forecast_gain: above 0 where it forecasts better.
        driving_gain: above 0 where it drives better.
        forecast_scatter: of one segment.
        driving_scatter: of one pair of turns.
    """

    forecast_gain: float
    driving_gain: float
    forecast_scatter: float
    driving_scatter: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the gate made of one candidate; `pairs` is 0 where its forecasts were not enough."""

    admitted: bool
    forecasts_enough: bool
    segments: int
    pairs: int


def truths(settings: GateSettings, forecast_scatter: float, driving_scatter: float) -> dict[str, Truth]:
    """The three truths that the gate is tried on."""
    scatter = forecast_scatter, driving_scatter
    margin = math.log1p(settings.trial.margin)
    return {
        "no_difference": Truth(0.0, 0.0, *scatter),
        "drives_worse": Truth(forecast_scatter, -margin, *scatter),
        "better": Truth(forecast_scatter, driving_scatter, *scatter),
    }


def judge(settings: GateSettings, number: int, truth: Truth, generator: np.random.Generator) -> Outcome:
    """Bring one candidate, the `number`-th of its deployment from 1 on, before both parts of the gate."""
    gate = Gate(settings, number)
    segments, forecasts = _until_decided(
        gate.observe, gate.decide, truth.forecast_gain, truth.forecast_scatter, generator
    )
    if forecasts.kind != "admit":
        return Outcome(False, False, segments, 0)
    driving = DrivingGate(settings.trial, gate.threshold)
    pairs, decision = _until_decided(
        driving.observe, driving.decide, truth.driving_gain, truth.driving_scatter, generator
    )
    return Outcome(decision.kind == "admit", True, segments, pairs)


def simulate(
    settings: GateSettings,
    truth: Truth,
    runs: int,
    candidates: int,
    seed: int,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Deployments of so many candidates each, all of the same truth; `progress` is told of each.

    Returns:
        for JSON: `runs`; `admitted`, the part of deployments in which any candidate was let in, with its
        exact 95 % interval (`admitted_low`, `admitted_high`); of the first candidates `forecasts_within_40`,
        the part whose forecasts were found better within 40 segments, `admitted_within_40`, the part let in
        within 40 segments and 40 pairs; `median_segments` and `median_pairs` of those let in.
    """
    generator = np.random.default_rng(seed)
    any_admitted, first = 0, []
    for _ in range(runs):
        outcomes = [judge(settings, number, truth, generator) for number in range(1, candidates + 1)]
        any_admitted += any(each.admitted for each in outcomes)
        first.append(outcomes[0])
        progress()
    interval = stats.binomtest(any_admitted, runs).proportion_ci()
    enough = [each for each in first if each.forecasts_enough and each.segments <= 40]
    admitted = [each for each in enough if each.admitted and each.pairs <= 40]
    return {
        "runs": runs,
        "admitted": any_admitted / runs,
        "admitted_low": float(interval.low),
        "admitted_high": float(interval.high),
        "forecasts_within_40": len(enough) / runs,
        "admitted_within_40": len(admitted) / runs,
        "median_segments": float(np.median([each.segments for each in enough])) if enough else None,
        "median_pairs": float(np.median([each.pairs for each in admitted])) if admitted else None,
    }


def summary(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The figures that the gate is held to, from `simulate` of each of `truths`."""
    false = max(results[name]["admitted"] for name in ("no_difference", "drives_worse"))
    better = results["better"]
    return {
        "runs": better["runs"],
        "false_admissions": false,
        **{key: better[key] for key in ("admitted_within_40", "median_segments", "median_pairs")},
    }


def _until_decided(
    observe: Callable[[float, float], None],
    decide: Callable[[], Decision],
    gain: float,
    scatter: float,
    generator: np.random.Generator,
) -> tuple[int, Decision]:
    """Look after every observation; gives how many there were, and the decision."""
    count = 0
    while (decision := decide()).kind == "undecided":
        observe(1.0, math.exp(generator.normal(gain, scatter)))
        count += 1
    return count, decision
