from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapt.errors import UserError
from adapt.stream.forecast_message import Forecast, decode_forecast, forecast_data, forecast_layout


@dataclass
class Dimension:
    label: str
    size: int


@dataclass
class Layout:
    dim: list


@dataclass
class Message:
    data: list
    layout: Layout = field(default_factory=lambda: Layout([]))


def message_of(forecast: Forecast) -> Message:
    dimensions = [Dimension(label, size) for label, size in forecast_layout(forecast)]
    return Message(list(forecast_data(forecast)), Layout(dimensions))


@given(index=st.integers(0, 2**40), ticks=st.integers(1, 20), entries=st.integers(1, 9))
def test_a_forecast_comes_back(index, ticks, entries):
    values = np.random.default_rng(ticks).normal(size=(ticks, entries))
    read = decode_forecast(message_of(Forecast(index, values)))
    assert read.index == index
    np.testing.assert_array_equal(read.observation, values)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda message: message.data.pop(),
        lambda message: message.data.__setitem__(3, float("nan")),
        lambda message: message.data.__setitem__(1, 5.0),
        lambda message: message.data.__setitem__(1, 0.0),
        lambda message: message.layout.dim.pop(),
        lambda message: message.data.clear(),
    ],
)
def test_what_is_no_forecast_is_refused(spoil):
    message = message_of(Forecast(3, np.zeros((2, 6))))
    spoil(message)
    with pytest.raises(UserError, match="topic /adapt/forecast: not a forecast"):
        decode_forecast(message)
