from xml.etree import ElementTree

import numpy as np
import pytest
from joint_bags import START_NS

from adapt.bags.belief import Account, believed, read_account
from adapt.bags.picture import incident_picture
from adapt.bags.topic import RawMessage, standard_types
from adapt.robot.load import load_robot
from adapt.stream.forecast_message import (
    FORECAST_TOPIC,
    FORECAST_TYPE,
    Forecast,
    forecast_data,
    forecast_layout,
)
from adapt.stream.tick import Tick
from adapt.stream.tick_message import TICK_TOPIC, TICK_TYPE, tick_data, tick_layout

ROBOT = load_robot("so101")
PERIOD_NS = 40_000_000
FAULT = 60


def tick(index: int) -> Tick:
    seen = np.sin(0.1 * index + np.arange(6.0))
    return Tick(
        index,
        START_NS + index * PERIOD_NS,
        seen,
        np.ones(6, dtype=bool),
        seen,
        seen,
        seen,
        "v",
        ROBOT.schema_hash,
    )


def account(fault: float = 0.1) -> Account:
    """Forecasts that are 0.001 off, and from a fault on `fault` off at the elbow."""
    ticks = [tick(index) for index in range(100)]
    forecasts = {}
    for index in range(100):
        ahead = np.stack([tick(index + 1 + step).observation + 0.001 for step in range(13)])
        ahead[:, 2] += np.where(index + 1 + np.arange(13) >= FAULT, fault, 0.0)
        forecasts[index] = Forecast(index, ahead)
    return Account(ticks, forecasts)


def messages(account: Account) -> list[RawMessage]:
    def raw(topic: str, kind: str, layout: list[tuple[str, int]], data: object) -> RawMessage:
        types = standard_types()
        dimension = types.types["std_msgs/msg/MultiArrayDimension"]
        dimensions = [dimension(label=label, size=size, stride=0) for label, size in layout]
        made = types.types["std_msgs/msg/MultiArrayLayout"](dim=dimensions, data_offset=0)
        message = types.types[kind](layout=made, data=np.array(data))
        return RawMessage(topic, START_NS, bytes(types.serialize_cdr(message, kind)))

    return [raw(TICK_TOPIC, TICK_TYPE, tick_layout(each), tick_data(each)) for each in account.ticks] + [
        raw(FORECAST_TOPIC, FORECAST_TYPE, forecast_layout(each), forecast_data(each))
        for each in account.forecasts.values()
    ]


def test_the_entry_that_surprised_comes_first_with_its_usual_error():
    trigger_ns = START_NS + (FAULT + 10) * PERIOD_NS
    belief = believed(ROBOT, account(), trigger_ns + PERIOD_NS // 2)
    assert (belief.stamp_ns, belief.lead_s) == (trigger_ns, pytest.approx(0.08))
    first, second = belief.entries[:2]
    assert first.name == "joint_position/elbow_flex"
    assert first.predicted - first.seen == pytest.approx(0.101)
    assert 0.03 < first.error < 0.101 and first.usual == pytest.approx(0.001)
    assert second.error == pytest.approx(0.001)


def test_what_was_recorded_is_read_and_what_is_damaged_left_out():
    recorded = messages(account())
    damaged = [recorded[0]._replace(data=recorded[0].data[:9]), recorded[-1]._replace(data=b"")]
    read = read_account(ROBOT, [*damaged, *recorded[1:-1], RawMessage("/other", 1, b"x")])
    assert [each.index for each in read.ticks] == list(range(1, 100))
    assert sorted(read.forecasts) == list(range(99))
    trigger_ns = START_NS + 70 * PERIOD_NS
    assert believed(ROBOT, read, trigger_ns) == believed(ROBOT, account(), trigger_ns)


def test_without_a_forecast_there_is_no_belief():
    assert believed(ROBOT, Account(account().ticks, {}), START_NS + 10**12) is None
    assert believed(ROBOT, account(), START_NS - 1) is None


def test_the_picture_shows_the_entries_asked_for_and_the_trigger():
    trigger_ns = START_NS + FAULT * PERIOD_NS
    drawn = incident_picture(ROBOT, account(), [trigger_ns, 0], "a < b", ["joint_position/gripper"])
    root = ElementTree.fromstring(drawn)
    told = [each.text for each in root.iter() if each.tag.endswith("text")]
    assert "a < b" in told and "joint_position/gripper, rad" in told
    lines = [each for each in root.iter() if each.tag.endswith("polyline")]
    assert len(lines) == 1 + len(range(0, 99, 13))
    assert [each.get("stroke-dasharray") for each in root.iter() if each.tag.endswith("}line")] == ["4 3"]


def test_a_picture_without_forecasts_shows_what_moved_and_none_is_drawn_of_nothing():
    drawn = incident_picture(ROBOT, Account(account().ticks, {}), [0], "still")
    assert drawn.count("<polyline") == 6 and "foretold" not in drawn
    assert incident_picture(ROBOT, Account([], {}), [0], "nothing") is None
