import pytest
from small_robot import ROBOT

from adapt.bags.inspection import inspect_bag
from adapt.bags.replay import bag_ticks
from adapt.errors import UserError
from adapt.evaluation.replay_speed import replay_alone, write_motion_bag


def test_the_bag_that_is_made_is_a_robot_in_motion(tmp_path):
    bag = write_motion_bag(tmp_path / "bag", ROBOT, 2.0)
    inspection = inspect_bag(ROBOT, bag)
    rates = {each.name: each.rate_hz for each in inspection.fields}
    assert not inspection.problems
    assert rates["channels.joint_position"] == pytest.approx(50, rel=0.01)
    assert rates["action"] == pytest.approx(25, rel=0.01)
    complete = sum(tick.complete for tick in bag_ticks(bag, ROBOT))
    assert complete > 0.99 * 120 * ROBOT.rate_hz


def test_what_the_command_refuses_is_told_by_the_other_process(bag, tmp_path):
    with pytest.raises(UserError, match="not_there"):
        replay_alone({"bags": [bag], "robot": str(tmp_path / "not_there.yaml"), "out": tmp_path / "out"})


@pytest.mark.slow
def test_speed_memory_and_sameness_are_told(adapt, bag, checkpoint):
    found = adapt.json("bench", "replay", "--bag", bag, "--checkpoint", checkpoint)
    assert found["identical"] is True
    assert found["speed"]["predict"] > 0 and found["speed"]["learn"] > 0
    assert 100 < found["peak_mb"] < 1000
    assert found["minutes"] == pytest.approx(1.0, abs=0.01)
