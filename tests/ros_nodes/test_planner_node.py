"""The planner as a real process over DDS."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from listener import Listener
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from adapt.model.checkpoint import load_card
from adapt.robot.load import load_robot
from adapt.stream.tick_message import decode_tick
from ros_nodes.base import LATCHED, RELIABLE, to_nanoseconds, to_stamp

pytestmark = pytest.mark.ros
ROBOT = load_robot("so101")
NAMES = list(ROBOT.action.entries)
POSE = np.linspace(-0.3, 0.4, 6)
GOAL = POSE + 0.05


def start(*parameters: str) -> subprocess.Popen[str]:
    arguments = [part for parameter in parameters for part in ("-p", parameter)]
    command = [sys.executable, "-m", "ros_nodes.planner_node", "--ros-args", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@contextmanager
def running(*parameters: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Ends with SIGINT, after which the node must leave in order; gives what it said, once it has ended."""
    process = start("robot:=so101", *parameters)
    said: list[str] = []
    try:
        yield process, said
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGINT)
        said.append(process.communicate(timeout=30)[1])
    assert process.returncode == 0, said[0]


def call(listener: Listener, kind: type, service: str, request: Any) -> Any:
    client = listener.node.create_client(kind, service)
    listener.until(client.service_is_ready)
    future = client.call_async(request)
    listener.until(future.done)
    return future.result()


def change_state(listener: Listener, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(call(listener, ChangeState, "/planner/change_state", request).success)


def set_parameter(listener: Listener, name: str, value: str | int) -> str:
    """The reason for which it was refused; empty where it was not."""
    content = (
        ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
        if isinstance(value, str)
        else ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=value)
    )
    request = SetParameters.Request(parameters=[Parameter(name=name, value=content)])
    result = call(listener, SetParameters, "/planner/set_parameters", request).results[0]
    assert result.successful == (not result.reason)
    return str(result.reason)


class Robot:
    """An arm that stands at POSE and obeys every proposal; its reference is at GOAL."""

    def __init__(self, listener: Listener, process: subprocess.Popen[str]):
        node = listener.node
        self._clock = node.get_clock()
        self._times = node.create_publisher(Clock, "/clock", RELIABLE)
        self._ahead_ns: int | None = None
        self._states = node.create_publisher(JointState, "/joint_states", RELIABLE)
        self._commands = node.create_publisher(JointState, "/joint_commands", RELIABLE)
        self._reference = node.create_publisher(JointTrajectory, "/reference", LATCHED)
        self.listener = listener
        self.process = process
        self.silent = False
        self.proposals: list[JointTrajectory] = []
        self.diagnostics: dict[str, str] = {}
        self.ticks: list[Any] = listener.hear(Float64MultiArray, "/adapt/tick")
        node.create_subscription(JointTrajectory, "/adapt/proposal", self._obey, RELIABLE)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._note, RELIABLE)
        node.create_timer(0.02, self._measure)
        self._give_reference()

    def now_ns(self) -> int:
        """The wall's time, or simulated time once there is one."""
        return int(self._clock.now().nanoseconds) + (self._ahead_ns or 0)

    def simulate_time(self, now_ns: int) -> None:
        """From now on time is simulated, and it is this late."""
        self._ahead_ns = now_ns - int(self._clock.now().nanoseconds)
        self._give_reference()

    def _give_reference(self) -> None:
        path = JointTrajectory(joint_names=NAMES, points=[JointTrajectoryPoint(positions=GOAL.tolist())])
        path.header.stamp = to_stamp(self.now_ns())
        self._reference.publish(path)

    def until_counted(self, name: str, at_least: int = 1) -> None:
        self.listener.until(lambda: int(self.diagnostics.get(name, "0")) >= at_least)

    def until_proposed(self, more: int) -> None:
        wanted = len(self.proposals) + more
        self.listener.until(lambda: len(self.proposals) >= wanted)

    def until_ticked(self, more: int) -> None:
        wanted = len(self.ticks) + more
        self.listener.until(lambda: len(self.ticks) >= wanted)

    def _measure(self) -> None:
        if self._ahead_ns is not None:
            self._times.publish(Clock(clock=to_stamp(self.now_ns())))
        if not self.silent:
            self._states.publish(self._message(POSE))

    def _obey(self, proposal: JointTrajectory) -> None:
        self.proposals.append(proposal)
        self._commands.publish(self._message(np.array(proposal.points[0].positions)))

    def _note(self, message: DiagnosticArray) -> None:
        self.diagnostics = {pair.key: pair.value for pair in message.status[0].values}

    def _message(self, position: np.ndarray) -> JointState:
        message = JointState(name=NAMES[::-1], position=position[::-1].tolist())
        message.header.stamp = to_stamp(self.now_ns())
        return message


@contextmanager
def driving(domain: int, checkpoint: Path, *parameters: str) -> Iterator[Robot]:
    small = (f"checkpoint:={checkpoint}", "samples:=4", "iterations:=1", *parameters)
    with Listener(domain) as listener, running(*small) as (process, _):
        robot = Robot(listener, process)
        if "use_sim_time:=true" in parameters:
            robot.simulate_time(1_000_000_000_000)
        assert change_state(listener, Transition.TRANSITION_CONFIGURE)
        assert change_state(listener, Transition.TRANSITION_ACTIVATE)
        yield robot


def test_messages_become_ticks_and_ticks_become_proposals(domain: int, checkpoint: Path) -> None:
    version = load_card(checkpoint).version
    with driving(domain, checkpoint) as robot:
        robot.until_counted("count/planner", 20)
        versions: list[String] = []
        robot.listener.node.create_subscription(String, "/adapt/model_version", versions.append, LATCHED)
        robot.listener.until(lambda: versions)
    assert versions[0].data == robot.diagnostics["version"] == version
    assert {each.header.frame_id for each in robot.proposals} == {version}

    stamps = [to_nanoseconds(each.header.stamp) for each in robot.proposals]
    steps = np.diff(stamps) * 1e-9
    assert (steps > 0).all() and np.median(steps) == pytest.approx(ROBOT.period_s, rel=0.1)
    # Until there is a history the reference is sent; then the untrained policy proposes to stay.
    np.testing.assert_array_equal(robot.proposals[0].points[0].positions, GOAL)
    assert all(list(each.joint_names) == NAMES for each in robot.proposals)
    planned = next(each for each in robot.proposals if len(each.points) == ROBOT.horizon_ticks - 1)
    assert np.abs(np.array(planned.points[0].positions) - POSE).max() < 0.2
    after = [point.time_from_start.sec + point.time_from_start.nanosec * 1e-9 for point in planned.points]
    np.testing.assert_allclose(after, np.arange(len(after)) * ROBOT.period_s, atol=1e-9)

    ticks = [decode_tick(each) for each in robot.ticks]
    assert all(earlier.index < later.index for earlier, later in itertools.pairwise(ticks))
    assert all(earlier.stamp_ns < later.stamp_ns for earlier, later in itertools.pairwise(ticks))
    complete = [tick for tick in ticks if tick.complete and tick.version]
    assert len(complete) >= 10
    proposed = {tuple(each.points[0].positions) for each in robot.proposals}
    for tick in complete:
        np.testing.assert_allclose(tick.observation, POSE, atol=1e-12)
        np.testing.assert_array_equal(tick.command, GOAL)
        assert tuple(tick.proposed) in proposed and tick.version == version


def test_the_controller_changes_while_it_drives_and_nonsense_is_refused(
    domain: int, checkpoint: Path
) -> None:
    with driving(domain, checkpoint) as robot:
        robot.until_counted("count/planner")
        listener = robot.listener
        assert set_parameter(listener, "controller", "direct") == ""
        robot.until_proposed(5)
        assert len(robot.proposals[-1].points) == ROBOT.horizon_ticks
        np.testing.assert_array_equal(robot.proposals[-1].points[0].positions, GOAL)

        refused = "parameter 'controller': 'driect' is none of planner, policy, direct, none"
        assert set_parameter(listener, "controller", "driect") == refused
        assert "no 'store' was given" in set_parameter(listener, "version", "0123456789ab")
        assert (
            set_parameter(listener, "samples", 8) == "parameter 'samples' cannot change while the node runs"
        )
        robot.until_proposed(2)
        assert len(robot.proposals[-1].points) == ROBOT.horizon_ticks

        assert set_parameter(listener, "controller", "none") == ""
        robot.until_ticked(3)
        proposed = len(robot.proposals)
        robot.until_ticked(10)
        assert len(robot.proposals) == proposed

        assert set_parameter(listener, "controller", "policy") == ""
        robot.until_counted("count/policy")


def test_a_sensor_that_falls_silent_and_nonsense_on_topics_end_nothing(domain: int, checkpoint: Path) -> None:
    with driving(domain, checkpoint) as robot:
        robot.until_counted("count/planner", 5)
        robot.silent = True
        # Counters tell of the start, too, where measurements came late: the ticks tell of this silence.
        ticked = len(robot.ticks)
        robot.listener.until(lambda: any(not decode_tick(tick).valid.any() for tick in robot.ticks[ticked:]))
        robot.until_ticked(10)
        proposed = len(robot.proposals)
        robot.until_ticked(10)
        assert len(robot.proposals) == proposed
        assert not decode_tick(robot.ticks[-1]).valid.any()

        nonsense = JointState(name=NAMES[1:], position=[0.0] * 5)
        robot._states.publish(nonsense)
        nonsense = JointState(name=NAMES, position=[float("nan")] * 6)
        robot._states.publish(nonsense)
        robot._reference.publish(JointTrajectory(joint_names=NAMES))
        robot.until_counted("refused//joint_states: not finite")
        robot.silent = False
        robot.until_proposed(20)


def test_a_pause_in_the_debugger_begins_a_new_history_and_ends_nothing(domain: int, checkpoint: Path) -> None:
    with driving(domain, checkpoint) as robot:
        robot.until_counted("count/planner", 5)
        short = int(robot.diagnostics["count/history too short"])
        robot.process.send_signal(signal.SIGSTOP)
        paused = robot.now_ns() + 1_000_000_000
        robot.listener.until(lambda: robot.now_ns() > paused)
        robot.process.send_signal(signal.SIGCONT)
        robot.until_counted("count/history too short", short + 1)
        # Noticed in its sleep, or while it planned.
        assert {"beat_lost", "deadline_missed"} & set(robot.listener.kinds())
        robot.until_counted("count/planner", int(robot.diagnostics["count/planner"]) + 5)


def test_a_clock_that_jumps_back_begins_anew_and_ends_nothing(domain: int, checkpoint: Path) -> None:
    with driving(domain, checkpoint, "use_sim_time:=true") as robot:
        robot.until_counted("count/planner", 5)
        planned = int(robot.diagnostics["count/planner"])
        robot.simulate_time(990_000_000_000)
        robot.listener.until(lambda: "beat_lost" in robot.listener.kinds())
        robot.until_counted("count/planner", planned + 5)


def test_it_rests_when_deactivated_and_goes_on_after(domain: int, checkpoint: Path) -> None:
    with driving(domain, checkpoint, "controller:=direct") as robot:
        robot.until_proposed(5)
        assert change_state(robot.listener, Transition.TRANSITION_DEACTIVATE)
        robot.listener.until(lambda: robot.diagnostics.get("controller") == "direct")
        robot.diagnostics = {}
        proposed = len(robot.proposals)
        robot.listener.until(lambda: robot.diagnostics)
        assert len(robot.proposals) <= proposed + 1
        assert change_state(robot.listener, Transition.TRANSITION_ACTIVATE)
        robot.until_proposed(5)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        (["robot:=so101", "controler:=direct"], "parameter 'controler' of node 'planner': unknown"),
        (["robot:=so100"], "configs/robots/so100.yaml: no such file"),
        (["robot:=so101", "samples:=1"], "parameter 'samples' of node 'planner': Input should be greater"),
        (["robot:=so101", "threads:=0"], "parameter 'threads' of node 'planner': must be 1 or more"),
    ],
)
def test_wrong_parameters_end_it_with_one_line(domain: int, parameters: list[str], told: str) -> None:
    process = start(*parameters)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2 and errors.count("\n") == 1 and told in errors, errors


@pytest.mark.parametrize(
    ("parameter", "told"),
    [
        ("checkpoint:=/not/there.safetensors", "/not/there.json: no such file"),
        ("controller:=driect", "parameter 'controller': 'driect' is none of"),
    ],
)
def test_what_cannot_be_configured_is_told_and_drives_nothing(
    domain: int, checkpoint: Path, parameter: str, told: str
) -> None:
    parameters = [] if parameter.startswith("checkpoint") else [f"checkpoint:={checkpoint}"]
    with Listener(domain) as listener, running(parameter, *parameters) as (_, said):
        assert not change_state(listener, Transition.TRANSITION_CONFIGURE)
    assert told in said[0] and "Traceback" not in said[0], said[0]
