"""Ticks of a robot without dead time, with a gait clock, shared topics and maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_encode import GO2 as PLANNED_AHEAD
from test_encode import STAMP_NS, plain

from adapt.stream.assembler import PROPOSAL_TOPIC, TickAssembler, clock
from adapt.stream.encode import MeasurementWriter, write_field, write_stamp

GO2 = PLANNED_AHEAD.model_copy(update={"dead_time_ticks": 0})
PERIOD_NS = 20_000_000
REST = np.array(GO2.rest_action)


def fed(assembler: TickAssembler, stamp_ns: int, level: float) -> None:
    measured = {
        name: (stamp_ns, np.full(len(each.names), level))
        for name, each in GO2.channels.items()
        if each.transform != "projected_gravity"
    }
    measured["projected_gravity"] = stamp_ns, np.array([0.0, 0.0, -1.0])
    for topic, message in MeasurementWriter(GO2.channels, plain).messages(measured):
        assembler.feed(topic, message, stamp_ns)


def test_one_message_feeds_all_channels_of_its_topic() -> None:
    assembler = TickAssembler(GO2)
    fed(assembler, STAMP_NS, 0.25)
    fed(assembler, STAMP_NS + PERIOD_NS, 0.75)
    observation, valid = assembler.observe(STAMP_NS + PERIOD_NS // 2)
    assert valid.all() and observation.shape == (350,) and not assembler.refused
    gravity = GO2.channel_slice("projected_gravity")
    np.testing.assert_allclose(observation[gravity], [0.0, 0.0, -1.0])
    others = [index for index in range(348) if not gravity.start <= index < gravity.stop]
    np.testing.assert_allclose(observation[others], 0.5)


def test_an_imu_that_knows_no_orientation_yet_costs_only_gravity() -> None:
    assembler = TickAssembler(GO2)
    message = plain("/imu", "sensor_msgs/msg/Imu")
    write_stamp(message, STAMP_NS)
    message.orientation.w = 0.0
    assembler.feed("/imu", message, STAMP_NS)
    _, valid = assembler.observe(STAMP_NS)
    assert valid[GO2.channel_slice("base_angular_velocity")].all()
    assert not valid[GO2.channel_slice("projected_gravity")].any()
    assert assembler.refused == {"/imu: not finite": 1}


@given(st.integers(0, 2**61), st.integers(0, 1000), st.integers(1, 10**12))
def test_the_clock_keeps_its_digits_however_late_it_is(now_ns: int, turns: int, period_ns: int) -> None:
    np.testing.assert_array_equal(clock(now_ns + turns * period_ns, period_ns), clock(now_ns, period_ns))
    assert np.linalg.norm(clock(now_ns, period_ns)) == pytest.approx(1.0)


def test_the_clock_turns_with_the_ticks_and_is_always_valid() -> None:
    assembler = TickAssembler(GO2)
    origin = np.arctan2(*assembler.observe(STAMP_NS)[0][:-3:-1])
    for number in range(60):
        observation, valid = assembler.observe(STAMP_NS + number * PERIOD_NS)
        phase = origin + 2 * np.pi * number * 0.02 / 0.5
        np.testing.assert_allclose(observation[-2:], [np.cos(phase), np.sin(phase)], atol=1e-9)
        assert valid[-2:].all() and not valid[:-2].any()


@given(st.lists(st.integers(0, PERIOD_NS - 1), min_size=6, max_size=6))
def test_a_proposal_belongs_to_the_period_in_which_it_was_planned(planning_ns: list[int]) -> None:
    assembler = TickAssembler(GO2)
    for number, after_ns in enumerate(planning_ns):
        stamp_ns = STAMP_NS + number * PERIOD_NS + after_ns
        assembler.feed_proposal(stamp_ns, np.full(12, float(number)), f"v{number}")
        assembler.feed_applied(stamp_ns, np.full(12, float(number)))
    for number, after_ns in enumerate(planning_ns):
        tick = assembler.assemble(number, STAMP_NS + number * PERIOD_NS)
        assert tick.proposed[0] == number and tick.version == f"v{number}"
        # Until the plan is made the command before is in force.
        if number or after_ns == 0:
            np.testing.assert_allclose(tick.applied, number - after_ns / PERIOD_NS, atol=1e-9)
        else:
            assert np.isnan(tick.applied).all()


def test_a_set_point_holds_until_the_next_one() -> None:
    assembler = TickAssembler(GO2)
    command = GO2.task.command
    for after, value in ((0, 0.5), (10 * PERIOD_NS, 0.0)):
        message = plain(command.topic, command.type)
        write_stamp(message, STAMP_NS + after)
        write_field(message, command, np.full(3, value))
        assembler.feed(command.topic, message, 0)
    assert np.isnan(assembler.commands(STAMP_NS - 1, 0)).all()
    assert assembler.commands(STAMP_NS, 10).tolist() == [[0.5] * 3] * 10 + [[0.0] * 3]
    assembler.reference.forget_before(STAMP_NS + 20 * PERIOD_NS)
    assert assembler.commands(STAMP_NS + 20 * PERIOD_NS, 0).tolist() == [[0.0] * 3]
    assert PROPOSAL_TOPIC not in assembler.topics


def test_of_messages_without_stamps_the_last_of_an_instant_counts() -> None:
    assembler = TickAssembler(GO2)
    scan = GO2.channels["height_scan"]
    for level in (0.25, 0.5):
        message = plain(scan.topic, scan.type)
        write_field(message, scan, np.full(315, level))
        assembler.feed(scan.topic, message, STAMP_NS)
    assert not assembler.refused
    assert assembler.observe(STAMP_NS)[0][GO2.channel_slice("height_scan")].tolist() == [0.5] * 315
