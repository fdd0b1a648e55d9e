"""What the planner expects of its plan, as std_msgs/Float64MultiArray: recorded, it is what was believed."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapt.errors import UserError
from adapt.stream.tick import FloatArray

FORECAST_TOPIC = "/adapt/forecast"
FORECAST_TYPE = "std_msgs/msg/Float64MultiArray"


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """What is expected if the plan is followed.

    Attributes:
        index: number of the tick under way when the plan was made.
        observation: shape (T, O), of the ticks index + 1, index + 2, ..., in the robot file's units.
    """

    index: int
    observation: FloatArray


def forecast_layout(forecast: Forecast) -> list[tuple[str, int]]:
    """Labels and lengths of the parts of `forecast_data`, in order."""
    ticks, entries = forecast.observation.shape
    return [("index", 1), ("ticks", 1), ("observation", ticks * entries)]


def forecast_data(forecast: Forecast) -> array[float]:
    """The numbers of a forecast, of type d; the observations tick by tick."""
    head = np.array([forecast.index, len(forecast.observation)], dtype=np.float64)
    return array("d", np.concatenate([head, forecast.observation.ravel()]).tobytes())


def decode_forecast(message: Any) -> Forecast:
    """Read a forecast from a message, from `rclpy` or `rosbags` alike.

    Raises:
        UserError: the layout is not that of a forecast, or a number is not finite.
    """
    data = np.asarray(message.data, dtype=np.float64)
    labels = [(dimension.label, dimension.size) for dimension in message.layout.dim]
    whole = labels == [("index", 1), ("ticks", 1), ("observation", len(data) - 2)]
    ticks = data[1] if whole and np.isfinite(data).all() else 0.0
    if not ticks >= 1 or ticks % 1 or (len(data) - 2) % ticks:
        raise UserError(f"topic {FORECAST_TOPIC}: not a forecast: its layout is {labels}")
    return Forecast(int(data[0]), data[2:].reshape(int(ticks), -1))
