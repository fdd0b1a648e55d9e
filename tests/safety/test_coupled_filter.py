"""The filter where limits couple entries: a quadratic program, its clamp, and what leaves in the end."""

from __future__ import annotations

from collections import Counter

import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from adapt.evaluation.safety_filter import Judge, walled
from adapt.robot.couplings import Coupling
from adapt.robot.load import load_robot
from adapt.safety.box import Box
from adapt.safety.filter import SafetyFilter
from adapt.safety.program import layout_of, nearest_command
from adapt.safety.walls import Walls

ROBOTS = {name: walled(load_robot(name), 6, seed=0) for name in ("so101", "go2")}
# A loaded machine must not fail a test: what is late here is so by the number of iterations alone.
FILTERS = {name: SafetyFilter(robot, time_limit_s=10.0) for name, robot in ROBOTS.items()}


def start_of(robot):
    return np.array(robot.rest_action or np.zeros(robot.action_size))


def wild(size):
    return st.one_of(
        arrays(np.float64, size, elements=st.floats(-4, 4)),
        arrays(np.float64, size, elements=st.floats(allow_nan=True, allow_infinity=True)),
        arrays(np.float64, size, elements=st.sampled_from([-1e308, 1e308, 5e-324, 0.0, 1.0, -1.0])),
        arrays(np.float64, st.integers(0, size + 1), elements=st.floats(-1, 1)),
        st.just(None),
    )


@pytest.mark.parametrize("name", ROBOTS)
def test_no_sequence_of_proposals_breaks_a_wall(name):
    robot, safety_filter = ROBOTS[name], FILTERS[name]

    @settings(max_examples=40, deadline=None)
    @given(st.lists(wild(robot.action_size), min_size=1, max_size=25))
    def whatever_is_proposed(proposals):
        judge = Judge(robot, safety_filter.reset(start_of(robot)))
        for proposal in proposals:
            projection = safety_filter.brake() if proposal is None else safety_filter.project(proposal)
            assert not judge.broken(projection.command)
            assert 0.0 <= projection.slack <= 1.0

    whatever_is_proposed()


@pytest.mark.parametrize("name", ROBOTS)
def test_the_walls_are_reached_and_followed(name):
    robot, safety_filter = ROBOTS[name], FILTERS[name]
    generator = np.random.default_rng(3)
    judge = Judge(robot, safety_filter.reset(start_of(robot)))
    outcomes = Counter()
    for _ in range(30):
        far = generator.uniform(-2.0, 2.0, robot.action_size)
        for _ in range(12):
            projection = safety_filter.project(far)
            outcomes[projection.solver] += 1
            assert not judge.broken(projection.command)
    assert outcomes["solved"] > 100 and outcomes["late"] + outcomes["infeasible"] < 0.02 * 360


def exact(robot, last, step, proposal):
    """Another solver's answer to the same question, with every line of the stopping distance."""
    box = Box(robot)
    walls = Walls(robot, box)
    within = box.interval(last, step, None)
    command = cvxpy.Variable(len(last))
    rate = np.array([[each.barrier] for each in robot.action.couplings.values()])
    approach = cvxpy.multiply(
        np.sign(walls.matrix), cvxpy.outer(np.ones(len(rate)), command) - np.outer(np.ones(len(rate)), last)
    )
    lines = [
        cvxpy.multiply(1 / rate + j - 1, approach) - box.sharpest * (j / rate + j * (j - 1) / 2)
        for j in range(1, 6)
    ]
    way = cvxpy.sum(cvxpy.multiply(np.abs(walls.matrix), cvxpy.maximum(0.0, *lines)), axis=1)
    constraints = [
        command >= within.low,
        command <= within.high,
        walls.matrix @ command <= walls.ahead(last, walls.bound),
        walls.matrix @ command + way <= walls.bound,
    ]
    wanted = np.clip(proposal, box.lower, box.upper)
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(command - wanted)), constraints)
    problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10)
    return command.value


@pytest.mark.parametrize("name", ROBOTS)
def test_it_is_the_nearest_command_by_another_solver(name):
    robot, safety_filter = ROBOTS[name], FILTERS[name]
    generator = np.random.default_rng(5)
    safety_filter.reset(start_of(robot))
    last, step = safety_filter.last, np.zeros(robot.action_size)
    solved = 0
    for _ in range(60):
        proposal = last + generator.normal(size=len(last)) * generator.choice([0.05, 0.2, 1.0])
        projection = safety_filter.project(proposal)
        if projection.solver in (None, "solved"):
            np.testing.assert_allclose(projection.command, exact(robot, last, step, proposal), atol=1e-4)
            solved += projection.solver == "solved"
        step, last = projection.command - last, projection.command
    assert solved > 15


@pytest.mark.parametrize("outcome", ["late", "infeasible", "wrong"])
@pytest.mark.parametrize("name", ROBOTS)
def test_without_an_answer_the_clamp_is_inside_and_still_gets_somewhere(name, outcome, monkeypatch):
    robot = ROBOTS[name]
    safety_filter = FILTERS[name]
    generator = np.random.default_rng(7)

    def fail(parameters):
        # Also an answer that is far outside must not be believed.
        return (generator.normal(size=robot.action_size), "solved") if outcome == "wrong" else (None, outcome)

    monkeypatch.setattr(safety_filter._solver, "solve", fail)
    judge = Judge(robot, safety_filter.reset(start_of(robot)))
    travelled = 0.0
    for _ in range(40):
        far = generator.uniform(-2.0, 2.0, robot.action_size)
        for _ in range(10):
            before = judge.last
            projection = safety_filter.project(far)
            assert not judge.broken(projection.command)
            travelled += float(np.abs(projection.command - before).sum())
    assert travelled > 1.0


def test_braking_comes_to_rest_without_the_solver(monkeypatch):
    robot, safety_filter = ROBOTS["so101"], FILTERS["so101"]
    generator = np.random.default_rng(11)
    for _ in range(20):
        judge = Judge(robot, safety_filter.reset(start_of(robot)))
        far = generator.uniform(-2.0, 2.0, robot.action_size)
        for _ in range(int(generator.integers(1, 8))):
            assert not judge.broken(safety_filter.project(far).command)
        with monkeypatch.context() as patch:
            patch.setattr(safety_filter, "_solver", None)
            for _ in range(10):
                assert not judge.broken(safety_filter.brake().command)
        assert safety_filter.at_rest


def test_the_wall_is_named_and_room_is_told():
    robot, safety_filter = ROBOTS["so101"], FILTERS["so101"]
    safety_filter.reset(start_of(robot))
    wall = robot.action.couplings["wall_0"]
    against = np.array([wall.weights[entry] for entry in robot.action.entries])
    for _ in range(40):
        projection = safety_filter.project(safety_filter.last + 0.05 * against)
    assert projection.reason is not None and projection.reason.startswith("coupling_wall_")
    assert projection.slack < 1e-3


def test_a_start_behind_a_wall_is_brought_before_it():
    for name, robot in ROBOTS.items():
        behind = start_of(robot) + 1.5
        start = FILTERS[name].reset(behind)
        assert "coupling" in Judge(robot, start).broken(behind)
        judge = Judge(robot, start)
        assert not judge.broken(start)
        assert not judge.broken(FILTERS[name].project(behind).command)


def test_the_program_is_canonicalised_once_and_depends_on_its_parameters_alone():
    walls = Walls(ROBOTS["so101"], Box(ROBOTS["so101"]))
    problem, parameters, _ = nearest_command(layout_of(walls))
    assert problem.is_dpp() and problem.is_qp()
    assert sum(each.size for each in parameters.values()) == 6 * 3 + 6 * 2 + 2 * walls.pieces * len(
        walls.pairs[0]
    )


@pytest.mark.parametrize(
    ("couplings", "words"),
    [
        ({"table": {"weights": {"elbow": 1.0}, "at_most": 1.0}}, "coupling 'table': .* no entry 'elbow'"),
        ({"table": {"weights": {"elbow_flex": 0.0}, "at_most": 1.0}}, "all weights are 0"),
        ({"table": {"weights": {"elbow_flex": 1.0}, "at_most": -2.0}}, "no action satisfies"),
        ({"table": {"weights": {"elbow_flex": 1.0}, "at_most": 0.0, "barrier": 0.0}}, "greater than 0"),
        ({"table": {"weights": {"elbow_flex": float("nan")}, "at_most": 0.0}}, "finite"),
    ],
)
def test_a_wrong_coupling_is_an_error_at_start_up(couplings, words):
    action = load_robot("so101").action
    with pytest.raises(ValidationError, match=words):
        type(action).model_validate({**action.model_dump(exclude={"names"}), "couplings": couplings})


def test_effort_keeps_the_set_point_near_a_joint_that_is_held():
    robot = load_robot("so101")
    content = robot.action.model_dump(exclude={"names"})
    for each in content["limits"].values():
        each["effort"] = {"stiffness": 10.0, "limit": 2.0}
    action = type(robot.action).model_validate(content)
    held = np.zeros(6)
    safety_filter = SafetyFilter(robot.model_copy(update={"action": action}))
    judge = Judge(robot, safety_filter.reset(held))
    for _ in range(30):
        projection = safety_filter.project(np.full(6, 1.5), held)
        assert not judge.broken(projection.command)
        assert (np.abs(projection.command - held) <= 0.2).all()
    np.testing.assert_allclose(projection.command, 0.2, atol=1e-6)
    assert projection.reason == "effort"
    # Pushed away by somebody, it gives way as fast as the other limits allow, and keeps those.
    for pushed in np.linspace(0.0, -1.5, 20):
        assert not judge.broken(safety_filter.project(np.full(6, 1.5), held + pushed).command)
    for _ in range(20):
        assert not judge.broken(safety_filter.project(np.full(6, 1.5), held - 1.5).command)
    # The gripper's range ends before.
    assert (np.abs(safety_filter.last + 1.5)[:5] <= 0.2 + 1e-9).all()


def test_barriers_slow_the_approach():
    robot = load_robot("so101")

    def ticks_to_arrive(barrier):
        coupling = Coupling(weights={"elbow_flex": 1.0}, at_most=0.5, barrier=barrier)
        walled = robot.model_copy(
            update={"action": robot.action.model_copy(update={"couplings": {"wall": coupling}})}
        )
        safety_filter = SafetyFilter(walled)
        judge = Judge(walled, safety_filter.reset(np.zeros(6)))
        for tick in range(60):
            assert not judge.broken(safety_filter.project(np.full(6, 1.0)).command)
            if judge.last[2] > 0.49:
                return tick
        return 60

    assert ticks_to_arrive(1.0) < ticks_to_arrive(0.3) < 60
