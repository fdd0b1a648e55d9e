import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from adapt.robot.load import load_robot
from adapt.safety.machine import RefusedError, State
from adapt.safety.supervisor import Supervisor

ROBOT = load_robot("so101")
LIMITS = list(ROBOT.action.limits.values())
LOWER, UPPER = np.array([each.position for each in LIMITS]).T
STEP = np.array([each.velocity for each in LIMITS]) * ROBOT.period_s
CHANGE = np.array([each.acceleration for each in LIMITS]) * ROBOT.period_s**2
PERIOD = round(1e9 * ROBOT.period_s)
EPOCH = 1_700_000_000_000_000_000
HOME = np.linspace(-0.5, 0.5, 6)
VERSION, OTHER = "0123456789ab", "ba9876543210"


class Bench:
    """A supervisor, its clock, and everything that it published, held against the limits."""

    def __init__(self, robot=ROBOT, **settings):
        self.now_ns = 1_000_000_000
        self.events = []
        self.sent = []
        self.position = HOME
        self.supervisor = Supervisor(robot, lambda *event: self.events.append(event), **settings)
        self.supervisor.model(VERSION, self.now_ns)
        self.supervisor.verified(VERSION, None)

    @property
    def state(self):
        return self.supervisor.state

    @property
    def clock_ns(self):
        return EPOCH + self.now_ns

    def pass_time(self, periods, sensors=True):
        """Let time pass, looking only when a message comes every half period, and when something is due."""
        end = self.now_ns + round(periods * PERIOD)
        while True:
            due = self.supervisor.due_ns
            following = self.now_ns + PERIOD // 2
            self.now_ns = min(end, following if due is None else max(self.now_ns, min(following, due)))
            if sensors:
                self.measure()
            self.step()
            if self.now_ns == end:
                return

    def measure(self, values=None):
        values = self.position if values is None else values
        self.supervisor.measurement("joint_position", values, self.clock_ns, self.now_ns)
        self.step()

    def propose(self, *points, age_ns=0, version=VERSION):
        self.supervisor.propose(points, version, self.clock_ns - age_ns, self.clock_ns, self.now_ns)
        self.step()

    def step(self):
        command = self.supervisor.step(self.now_ns)
        if command is not None:
            self._hold_against_limits(command)
            self.sent.append((self.now_ns, command))
            self.position = command

    def _hold_against_limits(self, command):
        assert self.state in (State.RUNNING, State.FALLBACK, State.STOPPED)
        assert np.isfinite(command).all()
        assert (command >= LOWER).all() and (command <= UPPER).all()
        if not self.sent:
            self.start = self.position
        before, last = [self.start, self.start, *(each for _, each in self.sent[-2:])][-2:]
        if self.sent:
            assert self.now_ns - self.sent[-1][0] >= 0.8 * PERIOD - 1
        assert (np.abs(command - last) <= STEP).all()
        assert (np.abs(command - 2 * last + before) <= CHANGE).all()

    def run(self):
        """Bring it to running, at rest at HOME."""
        self.measure()
        self.supervisor.arm(self.now_ns)
        self.propose(HOME)
        assert self.state is State.RUNNING
        return self


points = st.one_of(
    arrays(np.float64, 6, elements=st.floats(-4, 4)),
    arrays(np.float64, 6, elements=st.floats(allow_nan=True, allow_infinity=True)),
    arrays(np.float64, st.integers(0, 8), elements=st.just(0.1)),
)


class AnyLife(RuleBasedStateMachine):
    """Whatever is said to the supervisor, in any order, at any time."""

    def __init__(self):
        super().__init__()
        self.bench = Bench()
        self.armed = self.stopped = False

    @initialize(running=st.booleans())
    def begin(self, running):
        if running:
            self.bench.run()
            self.armed = True

    @rule(periods=st.floats(0.01, 6), sensors=st.booleans())
    def pass_time(self, periods, sensors):
        self.bench.pass_time(periods, sensors)

    @rule(
        plan=st.lists(points, max_size=5), age_ns=st.sampled_from([0, 0, 0, PERIOD, 9 * PERIOD, -9 * PERIOD])
    )
    def propose(self, plan, age_ns):
        self.bench.propose(*plan, age_ns=age_ns)

    @rule(values=st.one_of(st.none(), points))
    def measure(self, values):
        if values is not None and values.shape == (6,) and np.isfinite(values).all():
            # A real joint does not leap; what was told it is where the simple bench says it is.
            values = None
        self.bench.measure(values)

    @rule(jump_ns=st.sampled_from([-10_000_000_000, 10_000_000_000]))
    def clock_jump(self, jump_ns):
        self.bench.supervisor.clock(self.bench.clock_ns + jump_ns, self.bench.now_ns)

    @rule(version=st.sampled_from([VERSION, OTHER]), problem=st.sampled_from([None, None, "altered"]))
    def hear_of_a_model(self, version, problem):
        self.bench.supervisor.model(version, self.bench.now_ns)
        self.bench.supervisor.verified(version, problem)

    @rule()
    def arm(self):
        try:
            self.bench.supervisor.arm(self.bench.now_ns)
        except RefusedError:
            return
        self.armed = True

    @rule()
    def stop(self):
        self.bench.supervisor.stop(self.bench.now_ns)
        self.stopped = True

    @precondition(lambda self: self.bench.state is State.STOPPED)
    @rule()
    def reset(self):
        try:
            self.bench.supervisor.reset()
        except RefusedError:
            return
        # A new life: what it publishes next starts from the measurement again.
        self.armed = self.stopped = False
        self.bench.sent.clear()

    @invariant()
    def nothing_moves_without_arming(self):
        assert self.armed or not self.bench.sent
        assert self.armed or self.bench.state not in (State.ARMED, State.RUNNING, State.FALLBACK)

    @invariant()
    def a_stop_is_left_by_a_reset_alone(self):
        assert self.stopped == (self.bench.state is State.STOPPED)


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_proposal_leaves_in_the_instant_it_comes_and_starts_from_the_measurement():
    bench = Bench().run()
    assert [at for at, _ in bench.sent] == [bench.now_ns]
    np.testing.assert_allclose(bench.sent[0][1], HOME)


def test_the_rest_of_the_plan_is_followed_for_a_few_ticks_and_then_the_fallback():
    bench = Bench().run()
    bench.pass_time(1.0)
    plan = [HOME + 0.01 * n for n in range(1, 8)]
    bench.propose(*plan)
    start = len(bench.sent) - 1
    bench.pass_time(8.0)
    assert bench.state is State.FALLBACK
    assert bench.supervisor.counts["followed_tail"] == 3
    for (_, command), point in zip(bench.sent[start : start + 4], plan, strict=False):
        np.testing.assert_allclose(command, point)
    # Then it holds, and keeps saying so.
    np.testing.assert_array_equal(bench.sent[-1][1], bench.sent[-2][1])
    assert bench.now_ns - bench.sent[-1][0] <= PERIOD
    # A good proposal, and it goes on.
    bench.propose(HOME)
    assert bench.state is State.RUNNING


def test_without_a_plan_to_follow_the_fallback_is_out_within_two_periods():
    bench = Bench().run()
    bench.pass_time(2.0)
    assert bench.state is State.FALLBACK and len(bench.sent) == 2
    assert bench.supervisor.counts["fallback_proposal_late"] == 1


@pytest.mark.parametrize("point", [np.full(6, np.nan), np.full(6, np.inf), np.zeros(3), None])
def test_an_unsound_proposal_is_refused_and_leads_to_the_fallback(point):
    bench = Bench().run()
    bench.pass_time(1.0)
    bench.propose(*([] if point is None else [point, HOME]))
    assert bench.state is State.FALLBACK and len(bench.sent) == 2
    assert any(kind.startswith("proposal_") and severity == "warning" for kind, severity, _ in bench.events)


def test_an_unsound_rest_of_a_plan_is_not_followed():
    bench = Bench().run()
    bench.pass_time(1.0)
    bench.propose(HOME, HOME, np.full(6, np.nan), HOME)
    bench.pass_time(3.0)
    assert bench.supervisor.counts["followed_tail"] == 1
    assert bench.state is State.FALLBACK


@pytest.mark.parametrize("age_ns", [9 * PERIOD, -9 * PERIOD])
def test_a_proposal_of_another_time_is_dropped(age_ns):
    bench = Bench().run()
    bench.pass_time(1.0)
    bench.propose(HOME + 1.0, age_ns=age_ns)
    assert bench.state is State.RUNNING and len(bench.sent) == 1
    assert bench.supervisor.counts["proposal_stale"] == 1


def test_an_overtaken_proposal_is_dropped():
    bench = Bench().run()
    bench.pass_time(0.9)
    bench.propose(HOME + 1.0, age_ns=PERIOD)
    assert len(bench.sent) == 1 and bench.supervisor.counts["proposal_not_newer"] == 1


def test_a_flood_of_proposals_gives_no_more_than_its_share_of_commands():
    bench = Bench().run()
    for _ in range(400):
        bench.pass_time(0.05)
        bench.propose(HOME)
    assert 20 <= len(bench.sent) <= 20 / 0.8 + 1


def test_lost_sensors_lead_to_the_fallback_and_back():
    bench = Bench().run()
    for _ in range(8):
        bench.pass_time(1.0, sensors=False)
        bench.propose(HOME)
    assert bench.state is State.FALLBACK and bench.supervisor.counts["fallback_sensor_late"] == 1
    bench.measure()
    bench.propose(HOME + 1e-3, age_ns=-1)
    assert bench.state is State.RUNNING


def test_arming_needs_fresh_sensors_inside_the_limits():
    bench = Bench()
    with pytest.raises(RefusedError, match="/joint_states: start the robot's driver"):
        bench.supervisor.arm(bench.now_ns)
    bench.measure()
    bench.pass_time(10.0, sensors=False)
    with pytest.raises(RefusedError, match=r"/joint_states is 0\.40 s old"):
        bench.supervisor.arm(bench.now_ns)
    bench.measure()
    bench.supervisor.arm(bench.now_ns)
    assert bench.state is State.ARMED and not bench.sent
    outside = Bench()
    outside.measure(np.array([2.5, 0, 0, 0, 0, 0]))
    with pytest.raises(RefusedError, match=r"shoulder_pan is at .* outside its limits"):
        outside.supervisor.arm(outside.now_ns)


def test_an_arm_that_no_proposal_follows_is_taken_back():
    bench = Bench(startup_timeout_s=1.0)
    bench.measure()
    bench.supervisor.arm(bench.now_ns)
    bench.pass_time(26.0)
    assert bench.state is State.DRY_RUN
    bench.propose(HOME)
    assert not bench.sent


def test_a_dry_run_projects_and_counts_but_sends_nothing():
    bench = Bench(dry_run=True)
    bench.measure()
    with pytest.raises(RefusedError, match="dry_run"):
        bench.supervisor.arm(bench.now_ns)
    for n in range(10):
        bench.pass_time(1.0)
        bench.propose(HOME + n)
    assert not bench.sent and bench.supervisor.counts["limited_acceleration"] > 0
    assert bench.supervisor.diagnostics(bench.now_ns)["state"] == "dry_run"


def test_a_stop_brings_to_rest_and_then_is_silent_until_reset_and_armed_again():
    bench = Bench().run()
    for n in range(5):
        bench.pass_time(1.0)
        bench.propose(HOME + 0.15 * n)
    bench.supervisor.stop(bench.now_ns)
    with pytest.raises(RefusedError, match="not yet at rest"):
        bench.supervisor.reset()
    bench.pass_time(20.0)
    np.testing.assert_array_equal(bench.sent[-1][1], bench.sent[-2][1])
    count = len(bench.sent)
    bench.propose(HOME)
    assert bench.state is State.STOPPED and len(bench.sent) == count
    bench.supervisor.reset()
    bench.pass_time(1.0)
    bench.propose(HOME)
    assert bench.state is State.DRY_RUN and len(bench.sent) == count


@pytest.mark.parametrize("kind", ["hold", "damp", "stop"])
def test_each_fallback_comes_to_rest(kind):
    robot = ROBOT.model_copy(update={"fallback": ROBOT.fallback.model_copy(update={"kind": kind})})
    bench = Bench(robot).run()
    for n in range(5):
        bench.pass_time(1.0)
        bench.propose(HOME + 0.15 * n)
    bench.pass_time(40.0)
    assert bench.state is State.FALLBACK
    np.testing.assert_allclose(bench.sent[-1][1], bench.sent[-2][1], atol=1e-9)
    # Hold and damp keep telling the robot; stop falls silent.
    assert (bench.now_ns - bench.sent[-1][0] > 10 * PERIOD) == (kind == "stop")


@pytest.mark.parametrize(
    ("told", "verified", "words"),
    [
        ("", None, "nobody has told a version"),
        (VERSION, None, f"version {VERSION} is not verified yet"),
        (VERSION, "its file was altered", "its file was altered"),
    ],
)
def test_arming_needs_a_model_that_was_verified(told, verified, words):
    bench = Bench()
    bench.supervisor = Supervisor(ROBOT, lambda *event: bench.events.append(event))
    bench.measure()
    if told:
        bench.supervisor.model(told, bench.now_ns)
    if verified:
        bench.supervisor.verified(told, verified)
    with pytest.raises(RefusedError, match=words):
        bench.supervisor.arm(bench.now_ns)
    assert bench.state is State.DRY_RUN


def test_proposals_of_a_version_that_nobody_verified_move_nothing():
    bench = Bench()
    bench.measure()
    bench.supervisor.arm(bench.now_ns)
    bench.propose(HOME, version=OTHER)
    assert bench.state is State.ARMED and bench.supervisor.counts["proposal_unverified"] == 1
    bench.propose(HOME)
    assert bench.state is State.RUNNING
    for _ in range(6):
        bench.pass_time(1.0)
        bench.propose(HOME, HOME, version=OTHER)
    assert bench.state is State.FALLBACK
    # Once its file was read, it may drive; and not if it was altered meanwhile.
    bench.supervisor.model(OTHER, bench.now_ns)
    bench.supervisor.verified(OTHER, None)
    bench.propose(HOME, version=OTHER)
    assert bench.state is State.RUNNING
    bench.supervisor.verified(OTHER, "altered")
    bench.pass_time(1.0)
    bench.propose(HOME, version=OTHER)
    bench.pass_time(2.0)
    assert bench.state is State.FALLBACK


def test_a_second_planner_with_another_version_is_not_listened_to():
    bench = Bench().run()
    bench.supervisor.verified(OTHER, None)
    bench.pass_time(6.0)
    bench.propose(HOME)
    for _ in range(10):
        bench.pass_time(0.5)
        bench.propose(HOME)
        bench.pass_time(0.5)
        bench.propose(HOME + 1.0, version=OTHER)
    assert bench.state is State.RUNNING and bench.supervisor.counts["proposal_disagrees"] == 10
    np.testing.assert_allclose([command for _, command in bench.sent], np.tile(HOME, (len(bench.sent), 1)))


def test_a_version_and_its_proposals_may_come_in_either_order():
    bench = Bench().run()
    bench.supervisor.verified(OTHER, None)
    bench.pass_time(1.0)
    bench.supervisor.model(OTHER, bench.now_ns)
    bench.propose(HOME)
    bench.pass_time(1.0)
    bench.propose(HOME, version=OTHER)
    assert bench.state is State.RUNNING and not bench.supervisor.counts["proposal_disagrees"]


def test_a_sensor_that_is_frozen_while_commanded_to_move_leads_to_the_fallback():
    bench = Bench().run()
    frozen = HOME.copy()
    for n in range(30):
        for _ in range(2):
            bench.pass_time(0.5, sensors=False)
            bench.measure(frozen)
        bench.propose(HOME + min(0.02 * n, 0.3))
    assert bench.state is State.FALLBACK and bench.supervisor.counts["fallback_sensor_frozen"] == 1


def test_a_coarse_sensor_at_rest_is_not_frozen():
    bench = Bench().run()
    for n in range(60):
        bench.pass_time(0.5, sensors=False)
        bench.measure(HOME)
        bench.pass_time(0.5, sensors=False)
        bench.propose(HOME + 0.01 * (n % 2))
    assert bench.state is State.RUNNING


def test_sensors_that_do_not_speak_are_reported():
    bench = Bench(startup_timeout_s=1.0)
    bench.pass_time(60.0, sensors=False)
    late = [detail for kind, _, detail in bench.events if kind == "startup_late"]
    assert 1 <= len(late) <= 3 and "/joint_states" in late[0]["problem"]
