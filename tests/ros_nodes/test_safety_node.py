"""The safety node as a real process over DDS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rcl_interfaces.msg import SetParametersResult  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Empty, String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint  # noqa: E402

from adapt.model.checkpoint import load_card, shipped_checkpoint  # noqa: E402
from adapt.robot.load import find_configuration, load_robot  # noqa: E402
from ros_nodes.base import LATCHED, RELIABLE, SENSOR  # noqa: E402
from ros_nodes.requests import REQUEST, request_of  # noqa: E402

pytestmark = pytest.mark.ros
ROOT = Path(__file__).resolve().parents[2]
ROBOT = load_robot("so101")
NAMES = list(ROBOT.action.entries)
HOME = np.linspace(-0.5, 0.5, 6)


class Robot:
    """Plays the arm and the planner: measurements at 50 Hz, proposals at 25 Hz while there are any."""

    def __init__(self, domain: int) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node("tester", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.measured = HOME
        self.plan: Callable[[], list[list[float]]] | None = None
        self.commands: list[tuple[int, np.ndarray]] = []
        self.states: list[str] = []
        self.events: list[dict[str, object]] = []
        self.diagnostics: dict[str, str] = {}
        self.proposals_sent = 0
        self.last_proposal_ns = 0
        self._joints = self.node.create_publisher(JointState, "/joint_states", RELIABLE)
        self._proposals = self.node.create_publisher(JointTrajectory, "/adapt/proposal", RELIABLE)
        self.emergency = self.node.create_publisher(Empty, "/safety/emergency_stop", SENSOR)
        self.version = load_card(shipped_checkpoint(ROBOT)).version
        self._told = self.node.create_publisher(String, "/adapt/model_version", LATCHED)
        self._told.publish(String(data=self.version))
        self.node.create_subscription(JointState, "/joint_commands", self._on_command, RELIABLE)
        self.node.create_subscription(
            String, "/adapt/safety_state", lambda m: self.states.append(m.data), LATCHED
        )
        self.node.create_subscription(
            String, "/adapt/event", lambda m: self.events.append(json.loads(m.data)), RELIABLE
        )
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, RELIABLE)
        self.node.create_timer(0.02, self._measure)
        self.node.create_timer(ROBOT.period_s, self._propose)

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    def spin_until(self, condition: Callable[[], object], timeout_s: float = 20.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"timed out: {self.states} {self.diagnostics}"
            self.executor.spin_once(timeout_sec=0.02)

    def stop(self) -> bool:
        return self._ask(Trigger, "/safety/stop", Trigger.Request()).success

    def call(self, service: str, caller: str = "tester", reason: str = "a test") -> SetParametersResult:
        return self._ask(REQUEST, f"/safety/{service}", request_of(caller, reason)).result

    def arm(self) -> None:
        self.spin_until(lambda: self.call("arm").successful)

    def drive_with(self, version: str) -> None:
        self.version = version
        self._told.publish(String(data=version))

    def _ask(self, kind: type, service: str, request: object) -> Any:
        client = self.node.create_client(kind, service)
        self.spin_until(client.service_is_ready)
        future = client.call_async(request)
        self.spin_until(future.done)
        return future.result()

    def reach(self, state: str) -> None:
        self.spin_until(lambda: self.states and self.states[-1] == state)

    def _measure(self) -> None:
        message = JointState(name=NAMES, position=list(self.measured))
        message.header.stamp = self.node.get_clock().now().to_msg()
        self._joints.publish(message)

    def _propose(self) -> None:
        if self.plan is None:
            return
        message = JointTrajectory(joint_names=NAMES)
        message.header.frame_id = self.version
        message.header.stamp = self.node.get_clock().now().to_msg()
        message.points = [JointTrajectoryPoint(positions=list(point)) for point in self.plan()]
        self._proposals.publish(message)
        self.proposals_sent += 1
        self.last_proposal_ns = time.monotonic_ns()

    def _on_command(self, message: JointState) -> None:
        assert list(message.name) == NAMES and message.header.stamp.sec > 0
        self.commands.append((time.monotonic_ns(), np.array(message.position)))
        self.measured = np.array(message.position)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.diagnostics = {pair.key: pair.value for pair in message.status[0].values}

    def check_limits(self) -> None:
        limits = list(ROBOT.action.limits.values())
        lower, upper = np.array([each.position for each in limits]).T
        commands = np.array([HOME, HOME, *(command for _, command in self.commands)])
        assert np.isfinite(commands).all()
        assert ((lower <= commands) & (commands <= upper)).all()
        velocities = np.abs(np.diff(commands, axis=0)) / ROBOT.period_s
        accelerations = np.abs(np.diff(commands, n=2, axis=0)) / ROBOT.period_s**2
        # The bounds are kept to the last bit; dividing by the period here rounds again.
        assert (velocities <= [each.velocity * (1 + 1e-12) for each in limits]).all()
        assert (accelerations <= [each.acceleration * (1 + 1e-12) for each in limits]).all()


@pytest.fixture
def robot(domain: int) -> Iterator[Robot]:
    made = Robot(domain)
    yield made
    made.close()


def start(*parameters: str) -> subprocess.Popen[str]:
    arguments = [part for parameter in ("robot:=so101", *parameters) for part in ("-p", parameter)]
    return subprocess.Popen(
        [sys.executable, "-m", "ros_nodes.safety_node", "--ros-args", *arguments],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def safety() -> Iterator[subprocess.Popen[str]]:
    process = start()
    yield process
    process.kill()
    process.wait()


def test_nothing_unsafe_is_published_whatever_is_proposed(
    robot: Robot, safety: subprocess.Popen[str]
) -> None:
    robot.reach("dry_run")
    generator = np.random.default_rng(0)
    nasty = [
        [np.full(6, 1e308)],
        [np.full(6, np.nan)],
        [np.full(6, np.inf), HOME],
        [np.full(6, 5e-324)],
        [np.zeros(5)],
        [],
        [np.zeros(7), HOME],
        [HOME, np.full(6, np.nan)],
    ]

    def plan() -> list[list[float]]:
        if robot.proposals_sent < 5 or robot.proposals_sent % 3:
            return [generator.uniform(-3, 3, size=6)]
        return nasty[(robot.proposals_sent // 3) % len(nasty)]

    robot.plan = plan
    robot.spin_until(lambda: robot.proposals_sent > 3)
    assert not robot.commands, "nothing may be sent before arming"
    robot.arm()
    robot.spin_until(lambda: robot.proposals_sent > 80)
    robot.check_limits()
    assert len(robot.commands) > 40
    assert {"safety_running", "safety_fallback", "limited_acceleration"} <= {e["kind"] for e in robot.events}
    robot.spin_until(lambda: int(robot.diagnostics.get("count/proposal_wrong_length", "0")) > 0)
    assert int(robot.diagnostics["count/proposal_not_finite"]) > 0


def test_fallback_when_proposals_end_then_a_stop_that_latches(
    robot: Robot, safety: subprocess.Popen[str]
) -> None:
    robot.reach("dry_run")
    robot.arm()
    robot.plan = lambda: [HOME + 0.3 * np.sin(0.3 * robot.proposals_sent)]
    robot.spin_until(lambda: len(robot.commands) > 30)
    robot.plan = None
    robot.reach("fallback")
    fell_back = {"from": "running", "reason": "proposal_late"}
    robot.spin_until(lambda: any(event["detail"] == fell_back for event in robot.events))
    # It holds, at the robot's rate; the exact times are tested on the supervisor, without a real clock.
    before = len(robot.commands)
    robot.spin_until(lambda: len(robot.commands) > before + 5)
    gaps = np.diff([at for at, _ in robot.commands if at > robot.last_proposal_ns]) / 1e9
    assert np.median(gaps) < 2 * ROBOT.period_s
    np.testing.assert_array_equal(robot.commands[-1][1], robot.commands[-2][1])
    assert robot.stop()
    robot.reach("stopped")
    robot.plan = lambda: [HOME]
    count, sent = robot.proposals_sent, len(robot.commands)
    assert "arm is refused while stopped" in robot.call("arm").reason
    robot.spin_until(lambda: robot.proposals_sent > count + 10)
    assert len(robot.commands) <= sent + 1
    assert robot.call("reset").successful
    robot.reach("dry_run")
    robot.check_limits()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_mid_motion_brings_to_rest_and_ends_well(
    robot: Robot, safety: subprocess.Popen[str], number: signal.Signals
) -> None:
    robot.reach("dry_run")
    robot.arm()
    robot.plan = lambda: [np.full(6, 3.0 if robot.proposals_sent % 40 < 20 else -3.0)]
    moving = lambda: len(robot.commands) > 12 and np.ptp([c[0] for _, c in robot.commands[-2:]]) > 0.1  # noqa: E731
    robot.spin_until(moving)
    safety.send_signal(number)
    robot.spin_until(lambda: safety.poll() is not None)
    robot.spin_until(lambda: robot.states[-1] == "stopped")
    assert safety.returncode == 0
    robot.check_limits()
    np.testing.assert_array_equal(robot.commands[-1][1], robot.commands[-2][1])


def test_a_log_that_nobody_reads_holds_up_no_command(robot: Robot) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(4096))
    os.set_blocking(writing, True)
    process = subprocess.Popen(
        [sys.executable, "-m", "ros_nodes.safety_node", "--ros-args", "-p", "robot:=so101"],
        cwd=ROOT,
        stderr=writing,
    )
    try:
        robot.reach("dry_run")
        robot.arm()
        robot.plan = lambda: [HOME + 0.3 * np.sin(0.3 * robot.proposals_sent)]
        robot.spin_until(lambda: len(robot.commands) > 10)
        robot.plan = None
        robot.reach("fallback")
        before = len(robot.commands)
        robot.spin_until(lambda: len(robot.commands) > before + 5)
        robot.check_limits()
    finally:
        process.kill()
        process.wait()
        os.close(reading)
        os.close(writing)


def test_a_dry_run_sends_nothing(robot: Robot) -> None:
    process = start("dry_run:=true")
    try:
        robot.plan = lambda: [np.full(6, 3.0)]
        robot.reach("dry_run")
        answer = robot.call("arm")
        assert not answer.successful and "dry_run" in answer.reason
        robot.spin_until(lambda: int(robot.diagnostics.get("count/limited_acceleration", "0")) > 0)
        assert not robot.commands
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ("dry_rum:=true", "parameter 'dry_rum' of node 'safety': unknown"),
        ("startup_timeout_s:=soon", "parameter 'startup_timeout_s' of node 'safety': expected float"),
        ("dry_run:=7", "parameter 'dry_run' of node 'safety': expected bool"),
        ("robot:=so100", "configs/robots/so100.yaml: no such file; there are:"),
    ],
)
def test_wrong_parameters_end_it_at_once_with_one_line(parameter: str, words: str) -> None:
    process = start(parameter)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert words in errors and len(errors.strip().splitlines()) == 1


def test_wheels_under_a_sourced_ros_are_refused() -> None:
    pytest.importorskip("ros_wheels_bootstrapper")
    process = subprocess.run(
        [sys.executable, "-m", "ros_nodes.safety_node"],
        cwd=ROOT,
        env={**os.environ, "ROS_DISTRO": "jazzy"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert process.returncode == 2
    assert "ROS_DISTRO=jazzy" in process.stderr and len(process.stderr.strip().splitlines()) == 1


def test_a_message_stops_it_until_a_reset_that_says_who_and_why(
    robot: Robot, safety: subprocess.Popen[str]
) -> None:
    robot.reach("dry_run")
    robot.arm()
    robot.plan = lambda: [HOME]
    robot.reach("running")
    robot.emergency.publish(Empty())
    robot.reach("stopped")
    assert "gives no reason" in robot.call("reset", reason=" ").reason
    assert "gives no caller" in robot.call("reset", caller="").reason
    robot.spin_until(lambda: robot.call("reset", "anna@desk", "cable is free again").successful)
    robot.reach("dry_run")

    def requests() -> list[object]:
        return [event["detail"] for event in robot.events if event["kind"] == "request"]

    told = {"call": "reset", "caller": "anna@desk", "reason": "cable is free again", "outcome": "done"}
    robot.spin_until(lambda: told in requests())
    assert any("gives no reason" in str(each) for each in requests())


def test_what_the_robot_file_does_not_allow_is_refused(robot: Robot, tmp_path: Path) -> None:
    text = find_configuration("robots", "so101").read_text()
    (tmp_path / "closed.yaml").write_text(text.replace("allow: [arm, ", "allow: ["))
    process = start(f"robot:={tmp_path / 'closed.yaml'}")
    try:
        robot.reach("dry_run")
        answer = robot.call("arm")
        assert not answer.successful and "'access.allow' does not name it" in answer.reason
        assert robot.stop()
    finally:
        process.kill()
        process.wait()


def test_an_altered_model_does_not_drive(robot: Robot, tmp_path: Path) -> None:
    weights = bytearray(shipped_checkpoint(ROBOT).read_bytes())
    weights[-1] ^= 1
    (tmp_path / "altered.safetensors").write_bytes(weights)
    process = start(f"checkpoint:={tmp_path / 'altered.safetensors'}")
    try:
        robot.reach("dry_run")
        robot.plan = lambda: [HOME]
        robot.spin_until(lambda: "altered.safetensors holds" in robot.call("arm").reason)
        robot.drive_with("../../versions")
        robot.spin_until(lambda: "is no version" in robot.call("arm").reason)
        assert not robot.commands
    finally:
        process.kill()
        process.wait()


def test_the_process_holds_no_heavy_library() -> None:
    code = "import sys, ros_nodes.safety_node as _; print({'torch', 'cvxpy'} & set(sys.modules))"
    seen = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "set()"
