from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapt.robot.expression import Expression

MESSAGE = SimpleNamespace(
    temperature=61.5,
    count=np.uint8(3),
    moving=True,
    state="fallback",
    position=np.array([0.5, -2.0, np.nan]),
    points=[SimpleNamespace(effort=7.0)],
    imu=SimpleNamespace(linear=SimpleNamespace(z=-9.8)),
)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("temperature > 60", True),
        ("60 <= temperature < 61", False),
        ("temperature < 60 or count == 3", True),
        ("temperature < 60 or count == 3 and not moving == 1", False),
        ("not temperature < 60", True),
        ("abs(imu.linear.z) > 9.5 and imu.linear.z < -9.5", True),
        ("position[1] < -1.9", True),
        ("position[2] > -1e9 or position[2] < 1e9", False),
        ("position[9] > 0 or position[9] <= 0", False),
        ("position[2] != 0", True),
        ("points[0].effort >= -position[1]", True),
        ("state == 'fallback'", True),
    ],
)
def test_conditions_mean_what_they_say(text, holds):
    assert Expression(text)(MESSAGE) is holds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "temperature",
        "temperature >",
        "temperature > 60; import os",
        "__class__ > 1",
        "temperature.__class__ == 1",
        "position[temperature] > 1",
        "position[0:2] > 1",
        "position[-1] > 1",
        "eval('1') > 0",
        "abs(1, 2) > 0",
        "abs(*position) > 0",
        "max(position) > 1",
        "temperature in position",
        "temperature is 1",
        "(lambda: 1) > 0",
        "[1] > 0",
        "1j > 0",
        "temperature + 1 > 0",
        "(x := 1) > 0",
        "(" * 300 + "1 > 0" + ")" * 300,
        "1 > 0 " * 200,
        "not " * 120 + "1 > 0 and",
    ],
)
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(ValueError, match=r"write comparisons|longer than"):
        Expression(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("temprature > 1", "no field 'temprature'"),
        ("imu.linear.w > 1", "no field 'imu.linear.w'"),
        ("position > 1", r"'position' is no number.*position\[0\]"),
        ("temperature[0] > 1", "'temperature' is no array"),
        ("state > 1", "compares text with a number"),
        ("imu > 1", "'imu' is no number"),
    ],
)
def test_a_field_that_is_not_there_is_named(text, told):
    with pytest.raises(ValueError, match=told):
        Expression(text)(MESSAGE)


@given(st.text(max_size=60))
def test_any_text_is_a_condition_or_refused(text):
    try:
        condition = Expression(text)
    except ValueError:
        return
    try:
        assert condition(MESSAGE) in (True, False)
    except ValueError:
        return
