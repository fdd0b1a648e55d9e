"""The safety node: the only publisher of commands, in a process of its own, without torch."""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import Empty, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from adapt.errors import UserError
from adapt.safety.machine import State
from adapt.safety.supervisor import Supervisor
from adapt.stream.decode import message_stamp, read_field
from adapt.stream.encode import write_field, write_stamp
from ros_nodes.base import (
    LATCHED,
    RELIABLE,
    SENSOR,
    DiagnosticsPublisher,
    EventPublisher,
    Severity,
    declare_parameters,
    message_class,
    robot_of,
    run,
)
from ros_nodes.environment import open_discovery
from ros_nodes.model_watch import ModelWatch
from ros_nodes.real_time import request_priority
from ros_nodes.requests import serve

FloatArray = npt.NDArray[np.float64]

LEVELS = {State.FALLBACK: DiagnosticStatus.WARN, State.STOPPED: DiagnosticStatus.ERROR}
# With simulated time nothing can be waited for, only looked at again, this often (s of wall time).
LOOK_AGAIN = 0.002
# What is left to be logged at the end may take this long, s.
LOG_S = 1.0
MOST_LINES = 100
EMERGENCY_STOP = "/safety/emergency_stop"
"""std_msgs/Empty: a message stops the robot until it is reset, as does the service /safety/stop."""


class SafetyNode(Node):
    """Hands messages to the supervisor and its commands to the robot.

    A proposal leaves as a command in the callback that brings it. A thread with absolute deadlines
    sends what is due when no proposal comes.
    """

    def __init__(self) -> None:
        super().__init__("safety")
        parameters = declare_parameters(
            self,
            {
                "robot": "",
                "store": "",
                "checkpoint": "",
                "dry_run": False,
                # With one more, the fallback would begin later than two periods after a proposal was due.
                "tail_ticks": 1,
                "startup_timeout_s": 30.0,
                "real_time_priority": 20,
            },
        )
        request_priority(self, parameters["real_time_priority"])
        self._robot = robot_of(parameters)
        action = self._robot.action
        self._message_class = message_class(action.topic, action.type)
        self._message(np.zeros(self._robot.action_size))
        self._events = EventPublisher(self)
        self._supervisor = Supervisor(
            self._robot,
            self._report,
            dry_run=parameters["dry_run"],
            tail_ticks=parameters["tail_ticks"],
            startup_timeout_s=parameters["startup_timeout_s"],
        )
        self._simulated = bool(self.get_parameter("use_sim_time").value)
        self._ended: tuple[int, int] | None = None
        self._changed = threading.Condition()

        self._commands = self.create_publisher(self._message_class, action.topic, RELIABLE)
        self._diagnostics = DiagnosticsPublisher(self, self._robot.name)
        self._states = self.create_publisher(String, "/adapt/safety_state", LATCHED)
        self._states.publish(String(data=self._supervisor.state.value))
        self.create_subscription(JointTrajectory, "/adapt/proposal", self._on_proposal, RELIABLE)
        for topic, type_name in {(each.topic, each.type) for each in self._robot.channels.values()}:
            self.create_subscription(
                message_class(topic, type_name), topic, self._measurement_of(topic), SENSOR
            )
        ModelWatch(self, self._robot, parameters, self._on_model, self._on_verified)
        access = self._robot.access
        serve(self, "/safety/arm", "arm", access, self._events, self._arm)
        serve(self, "/safety/reset", "reset", access, self._events, self._reset)
        # Whoever sees a reason to stop may, without a word. The topic hears publishers of any quality: one
        # that did not fit would be complained of in the log, which may be where the process waits.
        self.create_service(Trigger, "/safety/stop", self._serve_stop)
        self.create_subscription(Empty, EMERGENCY_STOP, lambda _: self._stop("emergency_stop"), SENSOR)
        self.create_timer(1.0, self._diagnose)
        self._lines: queue.Queue[str | None] = queue.Queue(MOST_LINES)
        self._said = ""
        self._log = threading.Thread(target=self._write_log, name="log", daemon=True)
        self._log.start()
        if warning := open_discovery(os.environ):
            self._say(warning)
            self._events.publish("open_discovery", "warning", {"warning": warning})
        self._sender = threading.Thread(target=self._send_what_is_due, name="deadlines", daemon=True)
        self._sender.start()

    def stop(self) -> None:
        """Bring the robot to rest, send the last command of the way there, and end the thread."""
        with self._changed:
            self._ended = self._now(), time.monotonic_ns()
            self._supervisor.stop(self._now(), "shutdown")
            self._changed.notify()
        self._sender.join()
        self._commands.wait_for_all_acked(Duration(seconds=0.2))
        with suppress(queue.Full):
            self._lines.put_nowait(None)
        self._log.join(LOG_S)

    def _now(self) -> int:
        """Monotonic ns; simulated where time is, and by the wall after the end, when no /clock is read."""
        if self._ended is not None:
            simulated_ns, wall_ns = self._ended
            return simulated_ns + time.monotonic_ns() - wall_ns
        return self._clock_ns() if self._simulated else time.monotonic_ns()

    def _clock_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _on_proposal(self, message: JointTrajectory) -> None:
        with self._changed:
            points = _points_in_order(message, self._robot.action.entries)
            stamp_ns = message_stamp(message) or 0
            version = message.header.frame_id
            self._supervisor.propose(points, version, stamp_ns, self._clock_ns(), self._now())
            self._step()
            self._changed.notify()

    def _measurement_of(self, topic: str) -> Callable[[Any], None]:
        channels = [(name, each) for name, each in self._robot.channels.items() if each.topic == topic]

        def take(message: Any) -> None:
            with self._changed:
                now_ns = self._now()
                stamp_ns = message_stamp(message)
                for name, channel in channels:
                    try:
                        values = read_field(message, channel)
                    except UserError as error:
                        self._say(str(error))
                        values = np.empty(0)
                    self._supervisor.measurement(name, values, stamp_ns, now_ns)
                self._step()

        return take

    def _on_model(self, version: str) -> None:
        with self._changed:
            self._supervisor.model(version, self._now())

    def _on_verified(self, version: str, problem: str | None) -> None:
        with self._changed:
            self._supervisor.verified(version, problem)
        if problem is not None:
            self._say(problem)

    def _arm(self, caller: str, reason: str) -> str:
        with self._changed:
            self._supervisor.arm(self._now())
            self._changed.notify()
        self._say(f"armed by {caller}: {reason}")
        return ""

    def _reset(self, caller: str, reason: str) -> str:
        with self._changed:
            self._supervisor.reset()
        self._say(f"reset by {caller}: {reason}")
        return ""

    def _stop(self, reason: str) -> None:
        with self._changed:
            self._supervisor.stop(self._now(), reason)
            self._changed.notify()

    def _serve_stop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._stop("called")
        response.success = True
        return response

    def _step(self) -> None:
        """Publish the command that is due, if one is. Call it with the lock held.

        Raises:
            RuntimeError: the thread with the deadlines is dead, so that nobody would send a fallback.
        """
        if not self._sender.is_alive():
            raise RuntimeError("the thread with the deadlines has died; its error stands above")
        command = self._supervisor.step(self._now())
        if command is None:
            return
        self._commands.publish(self._message(command))

    def _message(self, command: FloatArray) -> Any:
        """A command for the robot.

        Raises:
            UserError: it does not fit into the message that the robot file names.
        """
        message = self._message_class()
        write_stamp(message, self._clock_ns())
        write_field(message, self._robot.action, command, self._robot.action.entries)
        return message

    def _send_what_is_due(self) -> None:
        with self._changed:
            while self._ended is None or self._supervisor.due_ns is not None:
                due_ns = self._supervisor.due_ns
                if due_ns is None:
                    self._changed.wait()
                    continue
                wait_s = (due_ns - self._now()) / 1e9
                if wait_s > 0:
                    self._changed.wait(min(wait_s, LOOK_AGAIN) if self._simulated else wait_s)
                self._step()

    def _diagnose(self) -> None:
        with self._changed:
            self._supervisor.clock(self._clock_ns(), self._now())
            values = self._supervisor.diagnostics(self._now())
            state = self._supervisor.state
        self._diagnostics.publish(LEVELS.get(state, DiagnosticStatus.OK), state.value, values)

    def _report(self, kind: str, severity: Severity, detail: dict[str, Any]) -> None:
        changes_state = kind.startswith("safety_")
        self._events.publish(kind, severity, detail, minimum_interval_s=0.0 if changes_state else 1.0)
        if changes_state:
            self._states.publish(String(data=kind.removeprefix("safety_")))
            self._say(f"{detail['from']} -> {kind.removeprefix('safety_')}: {detail['reason']}")

    def _say(self, line: str) -> None:
        """Leave a line to the log, unless it was the last one: a terminal that was stopped, or a disk that
        stalls, holds up no command.
        """
        if line != self._said:
            self._said = line
            with suppress(queue.Full):
                self._lines.put_nowait(line)

    def _write_log(self) -> None:
        while (line := self._lines.get()) is not None:
            # Not by the node's logger: it holds Python's lock while it writes, and with that every thread.
            stamped = f"[INFO] [{self._clock_ns() * 1e-9:.9f}] [{self.get_name()}]: {line}\n"
            os.write(sys.stderr.fileno(), stamped.encode())


def _points_in_order(message: JointTrajectory, entries: tuple[str, ...]) -> list[FloatArray]:
    """The points in the order of the robot file; of other length where the names are not its names."""
    points = [np.asarray(point.positions, dtype=np.float64) for point in message.points]
    names = list(message.joint_names)
    if tuple(names) == entries:
        return points
    if sorted(names) != sorted(entries):
        return [np.empty(0) for _ in points]
    order = [names.index(entry) for entry in entries]
    return [point[order] if point.size == len(names) else point for point in points]


def main(args: list[str] | None = None) -> int:
    """Run the safety node; give the exit code."""
    return run(SafetyNode, args)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
