from dataclasses import replace
from pathlib import Path

import numpy as np
from joint_bags import JOINT_STATE, START_NS, joint_state, write_joint_bag

from adapt.bags.agreement import compare_with_live
from adapt.bags.reader import Bag
from adapt.bags.replay import bag_ticks
from adapt.bags.topic import standard_types
from adapt.bags.writer import BagWriter
from adapt.robot.load import load_robot
from adapt.stream.tick import Tick
from adapt.stream.tick_message import TICK_TOPIC, TICK_TYPE, tick_data, tick_layout

ROBOT = load_robot("so101")


def raw_bag(folder: Path) -> Path:
    with BagWriter(folder) as writer:
        for topic in ("/joint_states", "/joint_commands"):
            writer.add_topic(topic, JOINT_STATE)
        for number in range(200):
            stamp_ns = START_NS + number * 20_000_000
            position = list(np.sin(0.05 * number + np.arange(6.0)))
            writer.write_message("/joint_states", stamp_ns + 1_000_000, joint_state(stamp_ns, position))
            if number % 2:
                writer.write_message("/joint_commands", stamp_ns + 2_000_000, joint_state(stamp_ns, position))
    return folder


def with_ticks(folder: Path, raw: Path, ticks: list[Tick]) -> Path:
    """The bag as a recorder would have it beside a planner: each tick comes when its period is over."""
    types = standard_types().types
    dimension = types["std_msgs/msg/MultiArrayDimension"]
    layout = types["std_msgs/msg/MultiArrayLayout"]
    with Bag(raw) as bag, BagWriter(folder) as writer:
        for topic in ("/joint_states", "/joint_commands"):
            writer.add_topic(topic, JOINT_STATE)
        writer.add_topic(TICK_TOPIC, TICK_TYPE)
        for message in bag.raw():
            writer.write(*message)
        for tick in ticks:
            labels = [dimension(label=label, size=size, stride=size) for label, size in tick_layout(tick)]
            message = types[TICK_TYPE](
                layout=layout(dim=labels, data_offset=0), data=np.array(tick_data(tick))
            )
            writer.write_message(TICK_TOPIC, tick.stamp_ns + 75_000_000, message)
    return folder


def test_ticks_made_anew_are_those_made_live(tmp_path: Path) -> None:
    raw = raw_bag(tmp_path / "raw")
    ticks = list(bag_ticks(raw, ROBOT))
    agreement = compare_with_live(with_ticks(tmp_path / "whole", raw, ticks), ROBOT)
    assert agreement is not None and agreement.ticks > 90
    assert (agreement.same, agreement.different) == (agreement.ticks, {})


def test_a_tick_that_differs_in_one_bit_is_counted_with_its_part(tmp_path: Path) -> None:
    raw = raw_bag(tmp_path / "raw")
    ticks = list(bag_ticks(raw, ROBOT))
    ticks[40] = replace(ticks[40], observation=np.nextafter(ticks[40].observation, 9.0))
    ticks[50] = replace(ticks[50], version="another")
    agreement = compare_with_live(with_ticks(tmp_path / "changed", raw, ticks), ROBOT)
    assert agreement is not None and agreement.same == agreement.ticks - 2
    assert agreement.different == {"observation": 1, "version": 1}


def test_without_live_ticks_there_is_nothing_to_compare(tmp_path: Path) -> None:
    assert compare_with_live(write_joint_bag(tmp_path / "bag"), ROBOT) is None
