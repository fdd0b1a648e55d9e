"""What the planner believed when something went wrong: predicted against seen, entry by entry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rosbags.serde import SerdeError

from adapt.bags.topic import RawMessage, standard_types
from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification
from adapt.settings import Settings
from adapt.stream.forecast_message import FORECAST_TOPIC, FORECAST_TYPE, Forecast, decode_forecast
from adapt.stream.tick import FloatArray, Tick
from adapt.stream.tick_message import TICK_TOPIC, TICK_TYPE, decode_tick

RECENT_S = 1.0
"""Errors of so long before the trigger are told apart from the usual ones before."""


class EntryBelief(Settings):
    """One entry of the observation; numbers in `unit`."""

    name: str
    unit: str
    predicted: float
    seen: float
    error: float
    """RMS of predicted - seen over the last `RECENT_S` before the trigger."""
    usual: float | None
    """The same over the ticks in the bag before that; None without any."""


class Belief(Settings):
    """The last tick at or before the trigger of which something had been foretold."""

    stamp_ns: int
    lead_s: float
    """How long before the tick it had been foretold."""
    entries: tuple[EntryBelief, ...]
    """The most surprising first."""


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """What the planner saw and expected, out of recorded messages.

    Attributes:
        ticks: in order of their numbers.
        forecasts: by the number of the tick under way when they were made.
    """

    ticks: Sequence[Tick]
    forecasts: dict[int, Forecast]


def read_account(specification: RobotSpecification, messages: Iterable[RawMessage]) -> Account:
    """Decode ticks and forecasts; those that cannot be read or are of another robot are left out."""
    ticks, forecasts = {}, {}
    for topic, _, data in messages:
        try:
            if topic == TICK_TOPIC:
                tick = decode_tick(standard_types().deserialize_cdr(data, TICK_TYPE))
                if len(tick.observation) == specification.observation_size:
                    ticks[tick.index] = tick
            elif topic == FORECAST_TOPIC:
                forecast = decode_forecast(standard_types().deserialize_cdr(data, FORECAST_TYPE))
                if forecast.observation.shape[1] == specification.observation_size:
                    forecasts[forecast.index] = forecast
        except (SerdeError, UserError):
            continue
    return Account([ticks[index] for index in sorted(ticks)], forecasts)


def believed(specification: RobotSpecification, account: Account, stamp_ns: int) -> Belief | None:
    """What had been foretold of the tick at `stamp_ns`, as soon as free actions were to act on it.

    None where no forecast was recorded: nobody planned, or the model's latents cannot be read.
    """
    lead = 1 + specification.dead_time_ticks
    compared: list[tuple[Tick, FloatArray]] = [
        (tick, account.forecasts[tick.index - lead].observation[lead - 1])
        for tick in account.ticks
        if tick.stamp_ns <= stamp_ns and tick.valid.all() and tick.index - lead in account.forecasts
    ]
    if not compared:
        return None
    last, predicted = compared[-1]
    errors = np.stack([foretold - tick.observation for tick, foretold in compared])
    recent = np.array([last.stamp_ns - tick.stamp_ns <= RECENT_S * 1e9 for tick, _ in compared])
    now, before = _root_mean_square(errors[recent]), errors[~recent]
    usual = _root_mean_square(before) if len(before) else None
    surprise = now if usual is None else now / np.maximum(usual, 1e-12)
    entries = sorted(specification.vector_indices, key=lambda entry: -surprise[entry])
    return Belief(
        stamp_ns=last.stamp_ns,
        lead_s=lead * specification.period_s,
        entries=tuple(
            EntryBelief(
                name=specification.observation_names[entry],
                unit=specification.observation_units[entry],
                predicted=float(predicted[entry]),
                seen=float(last.observation[entry]),
                error=float(now[entry]),
                usual=None if usual is None else float(usual[entry]),
            )
            for entry in entries
        ),
    )


def _root_mean_square(errors: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(np.mean(errors**2, axis=0)), dtype=np.float64)
