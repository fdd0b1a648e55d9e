import numpy as np
import pytest

from adapt.evaluation.safety_filter import Judge, walled
from adapt.robot.load import load_robot
from adapt.robot.specification import RobotSpecification
from adapt.safety.filter import SafetyFilter
from adapt.safety.smoothing import Smoothing


def with_jerk(jerk: float | None) -> RobotSpecification:
    robot = load_robot("so101")
    limits = {name: each.model_copy(update={"jerk": jerk}) for name, each in robot.action.limits.items()}
    return robot.model_copy(update={"action": robot.action.model_copy(update={"limits": limits})})


@pytest.mark.parametrize(("jerk", "ticks"), [(None, 1), (3000.0, 1), (1500.0, 2), (1000.0, 3), (100.0, 30)])
def test_so_many_commands_as_the_jerk_needs_are_averaged(jerk, ticks):
    assert Smoothing(with_jerk(jerk)).ticks == ticks


@pytest.mark.parametrize("jerk", [2000.0, 500.0])
def test_beside_walls_all_limits_hold_of_what_is_sent_and_it_comes_to_rest(jerk):
    robot = walled(with_jerk(jerk), walls=3, seed=0)
    safety_filter, generator = SafetyFilter(robot), np.random.default_rng(0)
    judge = Judge(robot, safety_filter.reset(safety_filter.last))
    target = judge.last
    for number in range(400):
        if number % 12 == 0:
            target = generator.uniform(-3.0, 3.0, size=6)
        assert judge.broken(safety_filter.project(target).command) == []
    for _ in range(200):
        assert judge.broken(safety_filter.brake().command) == []
    assert safety_filter.at_rest
    np.testing.assert_array_equal(safety_filter.brake().command, judge.last)
