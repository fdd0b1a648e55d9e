"""Nothing in the safety process is of an arm: a quadruped with shared topics, a cart moved by force."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.robot.load import load_robot
from adapt.robot.specification import RobotSpecification
from adapt.safety.machine import RefusedError, State
from adapt.safety.supervisor import Supervisor

DOG = load_robot("go2")
CART = load_robot(str(Path(__file__).parents[1] / "sim" / "cart_pole.yaml"))
MS = 1_000_000
BEAT = 20 * MS
VERSION = "0123456789ab"
EPOCH = 1_700_000_000_000 * MS
REST = np.array(DOG.rest_action)


class Bench:
    """A supervisor whose sensors speak once a beat; those of `silent` do not."""

    def __init__(self, robot: RobotSpecification) -> None:
        self.robot = robot
        self.reported: list[str] = []
        self.supervisor = Supervisor(robot, lambda kind, *_: self.reported.append(kind))
        self.now_ns = 5_000 * MS
        self.supervisor.model(VERSION, self.now_ns)
        self.supervisor.verified(VERSION, None)
        self.silent: set[str] = set()
        self.sent: list[np.ndarray] = []

    def beat(self, proposal: np.ndarray | None = None, planning_ms: int = 6) -> None:
        """Sensors at the beat; without dead time a proposal comes as soon as it is planned."""
        for name, channel in self.robot.channels.items():
            if name not in self.silent:
                values = (
                    REST if name == "joint_position" and self.robot is DOG else np.zeros(len(channel.names))
                )
                self.supervisor.measurement(name, values, EPOCH + self.now_ns, self.now_ns)
        for after in range(0, BEAT // MS):
            now_ns = self.now_ns + after * MS
            if after == planning_ms and proposal is not None:
                stamp_ns = EPOCH + now_ns
                self.supervisor.propose([proposal] * 3, VERSION, stamp_ns, stamp_ns, now_ns)
            command = self.supervisor.step(now_ns)
            if command is not None:
                self.sent.append(command)
        self.now_ns += BEAT

    def run(self, proposal: np.ndarray) -> None:
        self.beat()
        self.supervisor.arm(self.now_ns)
        for _ in range(3):
            self.beat(proposal)
        assert self.supervisor.state is State.RUNNING


def test_every_channel_must_have_spoken() -> None:
    bench = Bench(DOG)
    bench.silent = {"height_scan"}
    bench.beat()
    assert bench.supervisor.state is State.UNCONFIGURED
    with pytest.raises(RefusedError, match=r"'height_scan' has come on /height_scan"):
        bench.supervisor.arm(bench.now_ns)
    bench.silent = set()
    bench.beat()
    assert bench.supervisor.state is State.DRY_RUN


@pytest.mark.parametrize(("channel", "beats"), [("projected_gravity", 2), ("height_scan", 14)])
def test_each_sensor_may_be_as_old_as_the_robot_file_says(channel: str, beats: int) -> None:
    bench = Bench(DOG)
    bench.run(REST)
    bench.silent = {channel}
    for _ in range(beats):
        bench.beat(REST)
        assert bench.supervisor.state is State.RUNNING
    bench.beat(REST)
    assert bench.supervisor.state is State.FALLBACK
    assert bench.supervisor.counts["fallback_sensor_late"] == 1


def test_one_command_a_tick_however_long_the_planning_takes() -> None:
    bench = Bench(DOG)
    bench.run(REST)
    before = len(bench.sent)
    for planning_ms in (1, 12, 3, 15, 6, 2):
        bench.beat(REST + 0.1, planning_ms)
    assert len(bench.sent) - before == 6
    assert not any(kind.startswith("limited") for kind in bench.reported)
    np.testing.assert_allclose(bench.sent[-1], REST + 0.1)


def test_a_dog_holds_its_last_set_point_and_a_cart_is_pushed_no_more() -> None:
    for robot, proposal in ((DOG, REST + 0.2), (CART, np.array([4.0]))):
        bench = Bench(robot)
        bench.run(proposal)
        for _ in range(20):
            bench.beat()
        assert bench.supervisor.state is State.FALLBACK
        expected = proposal if robot is DOG else np.zeros(1)
        np.testing.assert_allclose(bench.sent[-1], expected, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.floats(), min_size=12, max_size=12), min_size=1, max_size=12))
def test_no_proposal_leads_out_of_the_limits(proposals: list[list[float]]) -> None:
    bench = Bench(DOG)
    bench.run(REST)
    for proposal in proposals:
        bench.beat(np.array(proposal))
    sent = np.array(bench.sent)
    low, high = np.array([each.position for each in DOG.action.limits.values()]).T
    fastest = np.array([each.velocity for each in DOG.action.limits.values()]) * DOG.period_s
    assert np.isfinite(sent).all() and (sent >= low).all() and (sent <= high).all()
    assert (np.abs(np.diff(sent, axis=0)) <= fastest).all()
