from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from joint_bags import JOINT_STATE, JOINTS, START_NS, joint_state, text, write_joint_bag
from rich.console import Console

from adapt.bags.inspection import TopicStatistics, inspect_bag
from adapt.bags.reader import bag_info
from adapt.bags.tables import print_bag, print_inspection
from adapt.bags.writer import BagWriter
from adapt.robot.load import load_robot

SO101 = load_robot("so101")
BOTH = ("/joint_states", "/joint_commands")
CRAZYFLIE = Path(__file__).resolve().parents[3] / "shared" / "data" / "bag_crazyflie_vicon_mcap" / "bags"


def test_a_bag_that_fits_has_no_problems(tmp_path: Path) -> None:
    bag = write_joint_bag(tmp_path / "bag", count=101, topics=BOTH)
    inspection = inspect_bag(SO101, bag)
    assert inspection.problems == ()
    assert len(inspection.remarks) == 1 and "/reference" in inspection.remarks[0]
    position = inspection.fields[0]
    assert (position.messages, position.gaps, position.non_finite) == (101, 0, 0)
    assert position.rate_hz == pytest.approx(50.0) and position.largest_gap_s == pytest.approx(0.02)
    assert position.age_s == 0.0
    json.dumps(inspection.as_dict(), allow_nan=False)


def test_gaps_age_and_values_that_are_not_finite(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        for topic in BOTH:
            writer.add_topic(topic, JOINT_STATE)
        for k in [*range(50), *range(70, 100)]:
            stamp_ns = START_NS + k * 20_000_000
            position = [np.nan, np.inf] + [0.0] * 4 if k == 10 else [0.0] * 6
            for topic in BOTH:
                writer.write_message(topic, stamp_ns + 200_000_000, joint_state(stamp_ns, position))
    inspection = inspect_bag(SO101, tmp_path / "bag")
    position = inspection.fields[0]
    assert (position.gaps, position.non_finite, position.messages) == (1, 2, 80)
    assert position.largest_gap_s == pytest.approx(0.42) and position.age_s == pytest.approx(0.2)
    assert position.rate_hz == pytest.approx(50)
    assert any("2 values on /joint_states are not finite" in problem for problem in inspection.problems)
    assert any("largest gap is 0.42 s" in remark for remark in inspection.remarks)
    assert any("0.2 s old" in remark for remark in inspection.remarks)


def test_a_joint_that_the_bag_does_not_have_is_named(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        for topic in BOTH:
            writer.add_topic(topic, JOINT_STATE)
            writer.write_message(topic, START_NS, joint_state(START_NS, [0.0] * 5, JOINTS[:5]))
    problems = inspect_bag(SO101, tmp_path / "bag").problems
    assert len(problems) == 2
    assert all("'gripper'" in problem and "shoulder_pan, shoulder_lift" in problem for problem in problems)


def test_a_missing_topic_and_a_wrong_type_are_named(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/joint_states", "std_msgs/msg/String")
        writer.write_message("/joint_states", START_NS, text("0 0 0"))
    problems = inspect_bag(SO101, tmp_path / "bag").problems
    assert "is a std_msgs/msg/String" in problems[0] and "correct 'type'" in problems[0]
    assert "/joint_commands is not in" in problems[1] and "it has: /joint_states" in problems[1]


def test_the_same_statistics_watch_live_topics() -> None:
    statistics = TopicStatistics(SO101)
    assert statistics.topics["/joint_states"] == JOINT_STATE
    for k in range(11):
        stamp_ns = START_NS + k * 10**8
        statistics.feed("/joint_states", stamp_ns, stamp_ns + 10**6, joint_state(stamp_ns, [0.0] * 6))
    inspection = statistics.report("the live topics", {"/joint_states": JOINT_STATE})
    assert inspection.fields[0].rate_hz == pytest.approx(10.0)
    assert any("slower than the ticks" in remark for remark in inspection.remarks)
    assert [problem.split(":")[0] for problem in inspection.problems] == ["action"]


def test_the_tables_say_what_a_person_needs(tmp_path: Path) -> None:
    bag = write_joint_bag(tmp_path / "bag", count=101, topics=BOTH)
    console = Console(record=True, width=80)
    print_inspection(inspect_bag(SO101, bag), console)
    print_bag(bag_info(bag), console)
    printed = console.export_text()
    for needed in ("joint_position", "/joint_states", "101", "50", "The robot file fits", JOINT_STATE):
        assert needed in printed


def test_real_bags_of_another_robot_are_told_apart() -> None:
    if not CRAZYFLIE.is_dir():
        pytest.skip(f"the real bags are not there: {CRAZYFLIE}")
    inspection = inspect_bag(SO101, CRAZYFLIE / "flybag")
    assert len(inspection.problems) == 2
    assert all("/vicon/Group466CF/Group466CF/pose" in problem for problem in inspection.problems)
