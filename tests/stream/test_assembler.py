from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ros_messages import joint_state, path

from adapt.errors import UserError
from adapt.robot.load import load_robot
from adapt.stream.assembler import PROPOSAL_TOPIC, TickAssembler
from adapt.stream.tick import Tick
from adapt.stream.tick_message import tick_data

ARM = load_robot("so101")
NAMES = ARM.channels["joint_position"].names
START_NS = 1_763_800_000_000_000_000
PERIOD_NS = 40_000_000
SENSOR_NS = 20_000_000
SPEED = np.array([0.1, -0.2, 0.3, 0.0, 1.0, -1.0])


def moving(stamp_ns: int) -> np.ndarray:
    return 0.1 * np.arange(6) + SPEED * (stamp_ns - START_NS) * 1e-9


def measured(stamps_ns: list[int]) -> TickAssembler:
    assembler = TickAssembler(ARM)
    for stamp in stamps_ns:
        assembler.feed_measurement("joint_position", stamp, moving(stamp))
    return assembler


def same(first: Tick, second: Tick) -> bool:
    data = np.array(tick_data(first)).tobytes() == np.array(tick_data(second)).tobytes()
    return data and first.version == second.version


@given(st.integers(0, SENSOR_NS), st.integers(3, 12))
def test_the_observation_of_a_linear_motion_is_exact(phase_ns: int, number: int) -> None:
    assembler = measured([START_NS + phase_ns + SENSOR_NS * each for each in range(40)])
    tick = assembler.assemble(number, START_NS + number * PERIOD_NS)
    assert tick.stamp_ns == START_NS + number * PERIOD_NS - 30_000_000
    np.testing.assert_allclose(tick.observation, moving(tick.stamp_ns), atol=1e-12)
    assert tick.valid.all() and not tick.complete


@pytest.mark.parametrize(("dropped", "valid"), [(1, True), (4, True), (6, False), (12, False)])
def test_dropped_messages_are_bridged_no_longer_than_the_maximum_age(dropped: int, valid: bool) -> None:
    hole = range(10, 10 + dropped)
    assembler = measured([START_NS + SENSOR_NS * each for each in range(40) if each not in hole])
    inside_ns = START_NS + 9 * SENSOR_NS + (dropped + 1) * SENSOR_NS // 2 + 30_000_000
    observation, known = assembler.observe(inside_ns)
    assert known.tolist() == [valid] * 6
    np.testing.assert_allclose(observation, moving(inside_ns - 30_000_000), atol=1e-12)


def test_the_newest_measurement_holds_until_it_is_too_old() -> None:
    assembler = measured([START_NS])
    for age_ns, valid in ((0, True), (120_000_000, True), (120_000_001, False)):
        observation, known = assembler.observe(START_NS + 30_000_000 + age_ns)
        assert known.all() == known.any() == valid
        assert observation.tolist() == moving(START_NS).tolist()


def test_nothing_before_the_first_measurement_is_valid() -> None:
    tick = TickAssembler(ARM).assemble(0, START_NS)
    assert not tick.valid.any() and np.isfinite(tick.observation).all()
    assert not measured([START_NS]).observe(START_NS + 30_000_000 - 1)[1].any()


def test_what_is_not_finite_or_out_of_order_is_refused_and_counted() -> None:
    assembler = measured([START_NS, START_NS + SENSOR_NS])
    wrong = np.full(6, 9.0)
    for stamp in (START_NS + SENSOR_NS, START_NS + 1, START_NS - 1):
        assembler.feed("/joint_states", joint_state(stamp, NAMES, wrong), stamp)
    for value in (np.nan, np.inf, -np.inf):
        wrong[3] = value
        assembler.feed("/joint_states", joint_state(START_NS + 2 * SENSOR_NS, NAMES, wrong), 0)
        assembler.feed("/joint_commands", joint_state(START_NS, NAMES, wrong), 0)
        assembler.feed_proposal(START_NS + 30_000_000, wrong, "bad")
    assert assembler.refused == {
        "/joint_states: out of order or twice": 3,
        "/joint_states: not finite": 3,
        "/joint_commands: not finite": 3,
        "/adapt/proposal: not finite": 3,
    }
    tick = assembler.assemble(0, START_NS + 30_000_000)
    np.testing.assert_allclose(tick.observation, moving(START_NS), atol=1e-12)
    assert np.isnan(tick.applied).all() and np.isnan(tick.proposed).all() and tick.version == ""


def test_applied_is_the_time_average_of_what_was_in_force() -> None:
    assembler = TickAssembler(ARM)
    for after_ns, value in ((-PERIOD_NS, 5.0), (-10, 1.0), (PERIOD_NS // 4, 3.0), (PERIOD_NS, 100.0)):
        assembler.feed_applied(START_NS + after_ns, np.full(6, value))
    applied = assembler.assemble(0, START_NS).applied
    np.testing.assert_allclose(applied, 0.25 * 1.0 + 0.75 * 3.0, rtol=1e-9)
    assert assembler.latest_applied().tolist() == [100.0] * 6


def test_a_command_on_the_beat_counts_for_its_whole_period() -> None:
    assembler = TickAssembler(ARM)
    for number in range(4):
        assembler.feed_applied(START_NS + number * PERIOD_NS, np.full(6, float(number)))
    assert [assembler.assemble(k, START_NS + k * PERIOD_NS).applied[0] for k in range(4)] == [0, 1, 2, 3]


def test_applied_is_unknown_where_any_part_of_the_period_is() -> None:
    assembler = TickAssembler(ARM)
    assert np.isnan(assembler.assemble(0, START_NS).applied).all()
    assert np.isnan(assembler.latest_applied()).all()
    assembler.feed_applied(START_NS + 1, np.zeros(6))
    assert np.isnan(assembler.assemble(0, START_NS).applied).all()
    assert np.isnan(assembler.assemble(-1, START_NS - PERIOD_NS).applied).all()
    assert assembler.assemble(1, START_NS + PERIOD_NS).applied.tolist() == [0.0] * 6


commands = st.lists(
    st.tuples(st.integers(-3 * PERIOD_NS, 2 * PERIOD_NS), st.floats(-2, 2)), unique_by=lambda each: each[0]
)


@given(commands)
def test_the_average_lies_between_the_commands_in_force(given_commands: list[tuple[int, float]]) -> None:
    assembler = TickAssembler(ARM)
    ordered = sorted(given_commands)
    for after_ns, value in ordered:
        assembler.feed_applied(START_NS + after_ns, np.full(6, value))
    applied = assembler.assemble(0, START_NS).applied[0]
    before = [value for after_ns, value in ordered if after_ns <= 0][-1:]
    within = [value for after_ns, value in ordered if 0 < after_ns < PERIOD_NS]
    if not before:
        assert np.isnan(applied)
    else:
        assert min(before + within) - 1e-9 <= applied <= max(before + within) + 1e-9


@given(st.lists(st.integers(-19_999_999, 19_999_999), min_size=6, max_size=6))
def test_a_proposal_belongs_to_the_tick_whose_beat_is_nearest(jitters: list[int]) -> None:
    assembler = TickAssembler(ARM)
    for number, jitter in enumerate(jitters):
        stamp = START_NS + number * PERIOD_NS + jitter
        assembler.feed_proposal(stamp, np.full(6, float(number)), f"v{number}")
    ticks = [assembler.assemble(k, START_NS + k * PERIOD_NS) for k in range(6)]
    assert [tick.proposed[0] for tick in ticks] == [0, 1, 2, 3, 4, 5]
    assert [tick.version for tick in ticks] == ["v0", "v1", "v2", "v3", "v4", "v5"]


def test_a_tick_without_a_proposal_says_so() -> None:
    assembler = TickAssembler(ARM)
    assembler.feed_proposal(START_NS, np.zeros(6), "v0")
    assembler.feed_proposal(START_NS + 2 * PERIOD_NS, np.zeros(6), "v0")
    tick = assembler.assemble(1, START_NS + PERIOD_NS)
    assert np.isnan(tick.proposed).all() and tick.version == ""


def test_the_reference_of_a_tick_is_of_the_instant_of_its_observation() -> None:
    assembler = TickAssembler(ARM)
    rows = [[k * 0.04] * 6 for k in range(60)]
    assembler.feed("/reference", path(START_NS, NAMES, [k * PERIOD_NS for k in range(60)], rows), 0)
    ahead = assembler.commands(START_NS + 10 * PERIOD_NS, 13)
    assert ahead.shape == (14, 6)
    np.testing.assert_allclose(ahead[:, 0], 0.4 - 0.03 + 0.04 * np.arange(14), atol=1e-9)
    tick = assembler.assemble(10, START_NS + 10 * PERIOD_NS)
    np.testing.assert_array_equal(tick.command, ahead[0])
    assert np.isnan(assembler.assemble(0, START_NS).command).all()


Step = tuple[str, int, list[float]]


def driven_by_topics(steps: list[Step]) -> TickAssembler:
    assembler = TickAssembler(ARM)
    for kind, stamp, values in steps:
        messages: dict[str, tuple[str, Any]] = {
            "measurement": ("/joint_states", joint_state(stamp, NAMES[::-1], values[::-1])),
            "applied": ("/joint_commands", joint_state(stamp, NAMES, values)),
            "proposal": (PROPOSAL_TOPIC, path(stamp, NAMES, [0, PERIOD_NS], [values, values], "v1")),
        }
        assembler.feed(*messages[kind], receive_ns=0)
        assembler.feed("/not/of/interest", None, stamp)
    return assembler


def driven_by_values(steps: list[Step]) -> TickAssembler:
    assembler = TickAssembler(ARM)
    for kind, stamp, values in steps:
        array = np.array(values)
        if kind == "measurement":
            assembler.feed_measurement("joint_position", stamp, array)
        elif kind == "applied":
            assembler.feed_applied(stamp, array)
        else:
            assembler.feed_proposal(stamp, array, "v1")
    return assembler


steps = st.lists(
    st.tuples(
        st.sampled_from(["measurement", "applied", "proposal"]),
        st.integers(START_NS - 2 * PERIOD_NS, START_NS + 4 * PERIOD_NS),
        st.lists(st.sampled_from([0.0, 0.25, -1.5, float("nan"), float("inf")]), min_size=6, max_size=6),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(steps)
def test_live_and_replayed_messages_give_the_same_ticks_each_time(given_steps: list[Step]) -> None:
    live, replayed = driven_by_topics(given_steps), driven_by_values(given_steps)
    assert live.refused == replayed.refused
    for index in range(3):
        tick = live.assemble(index, START_NS + index * PERIOD_NS)
        assert same(tick, live.assemble(index, START_NS + index * PERIOD_NS))
        assert same(tick, replayed.assemble(index, START_NS + index * PERIOD_NS))
        assert np.isfinite(tick.observation).all()


def test_a_tick_is_complete_once_measured_and_applied_are_known() -> None:
    assembler = measured([START_NS + SENSOR_NS * each for each in range(20)])
    assert not assembler.assemble(4, START_NS + 4 * PERIOD_NS).complete
    assembler.feed_applied(START_NS, np.zeros(6))
    assert assembler.assemble(4, START_NS + 4 * PERIOD_NS).complete


def test_a_proposal_for_another_robot_is_refused() -> None:
    for message in (
        path(START_NS, NAMES[::-1], [0], [np.zeros(6)]),
        path(START_NS, NAMES[:5], [0], [np.zeros(5)]),
        path(START_NS, NAMES, [], np.zeros((0, 6))),
    ):
        with pytest.raises(UserError, match="/adapt/proposal: not a proposal for robot 'so101'"):
            TickAssembler(ARM).feed(PROPOSAL_TOPIC, message, 0)


def test_memory_is_bounded() -> None:
    assembler = measured([START_NS + SENSOR_NS * each for each in range(2000)])
    assert len(assembler._channels["joint_position"]._samples) <= 152


def test_the_topics_to_listen_to() -> None:
    assert TickAssembler(ARM).topics == {
        "/joint_states": "sensor_msgs/msg/JointState",
        "/joint_commands": "sensor_msgs/msg/JointState",
        "/reference": "trajectory_msgs/msg/JointTrajectory",
    }
