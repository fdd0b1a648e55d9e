from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from joint_bags import JOINT_STATE, START_NS, joint_state

from adapt.bags.importing import import_motions
from adapt.bags.replay import PAUSE_NS, bag_ticks, one_after_the_other
from adapt.bags.topic import standard_types
from adapt.bags.writer import BagWriter
from adapt.errors import UserError
from adapt.robot.load import load_robot
from adapt.stream.tick import Tick
from adapt.stream.tick_message import TICK_TOPIC, TICK_TYPE, tick_data, tick_layout

ROBOT = load_robot("so101")
MOTIONS = Path(__file__).resolve().parents[3] / "shared" / "data" / "so101" / "motions"
MEASURED_NS, COMMANDED_NS = 20_000_000, 40_000_000


def position_at(stamp_ns: int) -> np.ndarray:
    """All joints move linearly, so that what lies between two messages is known exactly."""
    return (stamp_ns - START_NS) * 1e-9 * np.arange(1, 7)


def write_motion(folder: Path, seconds: float, gap: tuple[float, float] | None = None, names=None) -> Path:
    """States at 50 Hz and commands at 25 Hz, but none of either within `gap` (s)."""
    with BagWriter(folder, chunk_bytes=4096) as writer:
        for topic in ("/joint_states", "/joint_commands"):
            writer.add_topic(topic, JOINT_STATE)
        for stamp_ns in range(START_NS, START_NS + round(seconds * 1e9), MEASURED_NS):
            if gap and gap[0] <= (stamp_ns - START_NS) * 1e-9 < gap[1]:
                continue
            position = list(position_at(stamp_ns))
            state = joint_state(stamp_ns, position, names or ROBOT.action.entries)
            writer.write_message("/joint_states", stamp_ns, state)
            if (stamp_ns - START_NS) % COMMANDED_NS == 0:
                command = joint_state(stamp_ns, position, ROBOT.action.entries)
                writer.write_message("/joint_commands", stamp_ns, command)
    return folder


def some_tick(index: int, stamp_ns: int) -> Tick:
    values = np.arange(6.0) + index
    return Tick(
        index, stamp_ns, values, np.ones(6, dtype=bool), values, values, values, "abc", ROBOT.schema_hash
    )


def write_ticks(folder: Path, ticks: list[Tick]) -> Path:
    types = standard_types().types
    dimension = types["std_msgs/msg/MultiArrayDimension"]
    layout = types["std_msgs/msg/MultiArrayLayout"]
    with BagWriter(folder) as writer:
        writer.add_topic(TICK_TOPIC, TICK_TYPE)
        for tick in ticks:
            labels = [dimension(label=label, size=size, stride=size) for label, size in tick_layout(tick)]
            message = types[TICK_TYPE](
                layout=layout(dim=labels, data_offset=0), data=np.array(tick_data(tick))
            )
            writer.write_message(TICK_TOPIC, tick.stamp_ns, message)
    return folder


def test_ticks_hold_what_was_measured_at_their_stamp(tmp_path):
    ticks = list(bag_ticks(write_motion(tmp_path / "bag", 4.0), ROBOT))
    assert [tick.index for tick in ticks] == list(range(len(ticks)))
    assert len(ticks) in range(97, 100)
    assert all(tick.complete for tick in ticks)
    assert ticks[0].stamp_ns == START_NS
    for tick in ticks:
        np.testing.assert_allclose(tick.observation, position_at(tick.stamp_ns), atol=1e-9)


def test_a_tick_does_not_depend_on_what_comes_after_it(tmp_path):
    whole = list(bag_ticks(write_motion(tmp_path / "whole", 3.0), ROBOT))
    cut = list(bag_ticks(write_motion(tmp_path / "cut", 1.5), ROBOT))
    assert 30 < len(cut) < len(whole)
    for one, other in zip(cut, whole, strict=False):
        assert one.stamp_ns == other.stamp_ns
        np.testing.assert_array_equal(one.observation, other.observation)
        np.testing.assert_array_equal(one.applied, other.applied)


def test_a_long_silence_is_a_gap_in_the_numbers_and_not_an_age_of_empty_ticks(tmp_path):
    ticks = list(bag_ticks(write_motion(tmp_path / "bag", 3602.0, gap=(1.0, 3601.0)), ROBOT))
    assert len(ticks) < 150
    numbers = [tick.index for tick in ticks]
    assert numbers == sorted(set(numbers))
    last = ticks[-1]
    assert last.complete
    assert last.stamp_ns == pytest.approx(ticks[0].stamp_ns + last.index * 40_000_000, abs=2)
    silent = [tick for tick in ticks if 1.2e9 < tick.stamp_ns - START_NS < 3600.9e9]
    assert silent and not any(tick.complete for tick in silent)


def test_recorded_ticks_are_given_as_they_were(tmp_path):
    ticks = [some_tick(index, START_NS + index * 40_000_000 + 7) for index in (4, 5, 9)]
    found = list(bag_ticks(write_ticks(tmp_path / "bag", ticks), ROBOT))
    assert [(tick.index, tick.stamp_ns, tick.version) for tick in found] == [
        (tick.index, tick.stamp_ns, "abc") for tick in ticks
    ]
    for tick, recorded in zip(ticks, found, strict=True):
        np.testing.assert_array_equal(recorded.observation, tick.observation)
        np.testing.assert_array_equal(recorded.applied, tick.applied)


def test_recorded_ticks_of_another_robot_are_refused(tmp_path):
    other = [
        Tick(0, START_NS, *(np.ones(3) for _ in range(5)), "", ROBOT.schema_hash),
        replace(some_tick(0, START_NS), schema_hash="of another robot"),
    ]
    for number, tick in enumerate(other):
        folder = write_ticks(tmp_path / str(number), [tick])
        with pytest.raises(UserError, match="give the robot file of the recording"):
            list(bag_ticks(folder, ROBOT))


def test_bags_one_after_the_other_go_on_rising(tmp_path):
    bag = write_motion(tmp_path / "bag", 2.0)
    ticks = list(one_after_the_other(bag_ticks(bag, ROBOT) for _ in range(3)))
    single = len(list(bag_ticks(bag, ROBOT)))
    assert len(ticks) == 3 * single
    steps = np.diff([tick.stamp_ns for tick in ticks])
    assert (steps > 0).all()
    assert np.count_nonzero(steps == PAUSE_NS) == 2
    assert np.count_nonzero(np.diff([tick.index for tick in ticks]) > 1) == 2


def test_a_bag_that_lacks_a_topic_or_a_joint_is_refused_by_name(tmp_path):
    with BagWriter(tmp_path / "states_only") as writer:
        writer.add_topic("/joint_states", JOINT_STATE)
        writer.write_message("/joint_states", START_NS, joint_state(START_NS, [0.0] * 6))
    with pytest.raises(UserError, match=r"states_only.*/joint_commands.*there are: /joint_states"):
        list(bag_ticks(tmp_path / "states_only", ROBOT))
    names = (*ROBOT.action.entries[:5], "claw")
    with pytest.raises(UserError, match=r"renamed.*'gripper' is not in the message"):
        list(bag_ticks(write_motion(tmp_path / "renamed", 1.0, names=names), ROBOT))


@pytest.mark.skipif(not MOTIONS.is_dir(), reason=f"no real logs in {MOTIONS}")
def test_a_real_log_becomes_an_unbroken_stream_of_complete_ticks(tmp_path):
    source = tmp_path / "logs"
    source.mkdir()
    (source / "slow_precision.npz").symlink_to(MOTIONS / "slow_precision.npz")
    ticks = list(bag_ticks(import_motions(source, tmp_path / "bags", ROBOT)[0], ROBOT))
    assert len(ticks) > 990
    assert all(tick.complete for tick in ticks)
    assert set(np.diff([tick.index for tick in ticks])) == {1}
