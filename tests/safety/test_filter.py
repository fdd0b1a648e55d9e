import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from adapt.robot.interface import JointLimits
from adapt.robot.load import load_robot
from adapt.robot.specification import RobotSpecification
from adapt.safety.filter import SafetyFilter


def robot_with(
    limits: list[JointLimits], rate_hz: float = 25.0, deceleration: float = 30.0
) -> RobotSpecification:
    so101 = load_robot("so101")
    named = {f"joint_{n}": each for n, each in enumerate(limits)}
    return so101.model_copy(
        update={
            "rate_hz": rate_hz,
            "action": so101.action.model_copy(update={"limits": named, "targets": None}),
            "fallback": so101.fallback.model_copy(update={"deceleration": deceleration}),
        }
    )


joint_limits = st.builds(
    lambda low, width, velocity, acceleration, jerk: JointLimits(
        position=(low, low + width), velocity=velocity, acceleration=acceleration, jerk=jerk
    ),
    st.floats(-5, 5),
    st.floats(0.01, 10),
    st.floats(0.05, 20),
    st.floats(0.5, 500),
    st.one_of(st.none(), st.floats(50, 5000)),
)


class Judge:
    """Holds what is published against the limits of the robot file, with no tolerance."""

    def __init__(self, robot: RobotSpecification, start: np.ndarray) -> None:
        limits = list(robot.action.limits.values())
        self.lower, self.upper = np.array([each.position for each in limits]).T
        self.step = np.array([each.velocity for each in limits]) * robot.period_s
        self.change = np.array([each.acceleration for each in limits]) * robot.period_s**2
        jerks = [np.inf if each.jerk is None else each.jerk for each in limits]
        self.jerk = np.array(jerks) * robot.period_s**3
        self.before = self.last = start
        self.bend = np.zeros(len(start))

    def see(self, command: np.ndarray) -> None:
        assert np.isfinite(command).all()
        assert (self.lower <= command).all() and (command <= self.upper).all()
        assert (np.abs(command - self.last) <= self.step).all()
        bend = command - 2 * self.last + self.before
        assert (np.abs(bend) <= self.change).all()
        # What differences of differences lose by rounding.
        assert (np.abs(bend - self.bend) <= self.jerk + 1e-14 * np.abs(command).max()).all()
        self.before, self.last, self.bend = self.last, command, bend


adversarial = st.one_of(
    arrays(np.float64, 3, elements=st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)),
    arrays(np.float64, 3, elements=st.floats(-6, 6)),
    arrays(np.float64, 3, elements=st.sampled_from([-1e300, 1e300, 5e-324, 0.0])),
    arrays(np.float64, st.integers(0, 5), elements=st.floats(-1, 1)),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(joint_limits, min_size=3, max_size=3),
    st.sampled_from([10.0, 25.0, 200.0]),
    st.lists(st.one_of(adversarial, st.just(None)), min_size=1, max_size=60),
)
def test_no_sequence_of_proposals_breaks_a_limit(limits, rate_hz, proposals):
    robot = robot_with(limits, rate_hz)
    safety_filter = SafetyFilter(robot)
    judge = Judge(robot, safety_filter.reset(np.zeros(3)))
    for proposal in proposals:
        projection = safety_filter.brake() if proposal is None else safety_filter.project(proposal)
        judge.see(projection.command)
        assert 0.0 <= projection.slack <= 1.0
        assert (projection.entry is None) or projection.changed


@pytest.mark.parametrize("rate_hz", [25.0, 100.0])
def test_full_speed_at_a_limit_always_leaves_room_to_stop(rate_hz):
    robot = robot_with([JointLimits(position=(-1.0, 1.0), velocity=4.0, acceleration=7.0)] * 2, rate_hz)
    safety_filter = SafetyFilter(robot)
    judge = Judge(robot, safety_filter.reset(np.zeros(2)))
    for target in [np.array([9.0, -9.0])] * 200 + [np.array([-9.0, 9.0])] * 200:
        judge.see(safety_filter.project(target).command)
    # It does not only stay inside: it gets there.
    np.testing.assert_allclose(judge.last, [-1.0, 1.0], atol=1e-6)
    assert safety_filter.project(np.array([-9.0, 9.0])).reason == "position"


def test_projection_agrees_with_a_quadratic_program():
    """The same conditions, written in cvxpy and solved by a general solver, braking tick by tick."""
    generator = np.random.default_rng(0)
    size, ahead = 4, 6
    limits = [
        JointLimits(position=(-0.3, 0.5), velocity=4.0, acceleration=20.0 + 30.0 * joint)
        for joint in range(size)
    ]
    robot = robot_with(limits)
    lower, upper = np.array([each.position for each in limits]).T
    velocity = np.array([each.velocity for each in limits]) * robot.period_s
    acceleration = np.array([each.acceleration for each in limits]) * robot.period_s**2

    # The whole way to rest is a variable here; the filter has it in closed form.
    last, before = cvxpy.Parameter(size), cvxpy.Parameter(size)
    proposal = cvxpy.Parameter(size)
    path = cvxpy.Variable((ahead + 1, size))
    steps = cvxpy.diff(cvxpy.vstack([before[None, :], last[None, :], path]), axis=0)
    changes = cvxpy.diff(steps, axis=0)
    constraints = [path >= lower[None, :], path <= upper[None, :], steps[-1] == 0]
    constraints += [cvxpy.abs(steps[1:]) <= velocity[None, :], cvxpy.abs(changes) <= acceleration[None, :]]
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(path[0] - proposal)), constraints)
    assert problem.is_dpp()

    safety_filter = SafetyFilter(robot)
    previous = current = safety_filter.reset(np.zeros(size))
    changed = 0
    for _ in range(300):
        wanted = current + generator.normal(size=size) * generator.choice([0.02, 0.1, 0.5])
        before.value, last.value, proposal.value = previous, current, wanted
        problem.solve(solver=cvxpy.OSQP, eps_abs=1e-8, eps_rel=1e-8, max_iter=20000)
        projection = safety_filter.project(wanted)
        np.testing.assert_allclose(projection.command, path.value[0], atol=1e-4)
        changed += projection.changed
        previous, current = current, projection.command
    assert 50 < changed < 300


def test_safe_proposals_pass_untouched():
    robot = load_robot("so101")
    safety_filter = SafetyFilter(robot)
    safety_filter.reset(np.zeros(robot.action_size))
    for n in range(50):
        proposal = 0.1 * np.sin(0.2 * n + np.arange(robot.action_size)) * min(1.0, n / 20)
        projection = safety_filter.project(proposal)
        assert not projection.changed
        np.testing.assert_array_equal(projection.command, proposal)


@pytest.mark.parametrize(
    ("proposal", "reason"),
    [
        (np.full(6, np.nan), "not_finite"),
        (np.full(6, -np.inf), "not_finite"),
        (np.zeros(5), "wrong_length"),
        (np.zeros((6, 1)), "wrong_length"),
        (np.full(6, 1e308), "acceleration"),
        (np.full(6, 5e-324), None),
    ],
)
def test_the_reason_of_a_change_is_named(proposal, reason):
    safety_filter = SafetyFilter(load_robot("so101"))
    safety_filter.reset(np.zeros(6))
    assert safety_filter.project(proposal).reason == reason


def test_braking_comes_to_rest_at_the_fallbacks_deceleration():
    robot = robot_with(
        [JointLimits(position=(-9.0, 9.0), velocity=4.0, acceleration=60.0)], deceleration=10.0
    )
    safety_filter = SafetyFilter(robot)
    safety_filter.reset(np.zeros(1))
    for _ in range(10):
        safety_filter.project(np.array([9.0]))
    commands = [safety_filter.last]
    while not safety_filter.at_rest:
        commands.append(safety_filter.brake().command)
    # From 4 rad/s at 10 rad/s^2 in ticks of 0.04 s.
    assert len(commands) - 1 == pytest.approx(10, abs=1)
    decelerations = np.diff(commands, n=2, axis=0) / robot.period_s**2
    np.testing.assert_allclose(decelerations[:-1], -10.0, rtol=1e-5)
    np.testing.assert_array_equal(safety_filter.brake().command, commands[-1])


def test_a_start_outside_the_limits_is_brought_inside():
    robot = load_robot("so101")
    safety_filter = SafetyFilter(robot)
    start = safety_filter.reset(np.full(6, 2.0))
    assert all(
        value <= each.position[1] for value, each in zip(start, robot.action.limits.values(), strict=True)
    )
    with pytest.raises(ValueError, match="cannot start"):
        safety_filter.reset(np.full(6, np.nan))
