"""Hears what the nodes say to the robot and of themselves, and when it came; it believes none of them."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from adapt.evaluation.command_limits import CommandLimits
from adapt.robot.specification import RobotSpecification
from adapt.stream.decode import message_stamp, read_field
from adapt.stream.tick import FloatArray
from ros_nodes.base import LATCHED, RELIABLE, SENSOR, message_class
from ros_nodes.requests import REQUEST, request_of

KEPT = 2000
PRIORITY = 30
ANSWER_S = 2.0
"""A service of a node that was killed is in the graph for another 20 s, and never answers."""


@dataclass(frozen=True, eq=False)
class Heard:
    """A command or proposal.

    Attributes:
        received_ns: when the middleware received it, wall time.
        sent_ns: the stamp that it carries.
        values: shape (A,).
    """

    received_ns: int
    sent_ns: int
    values: FloatArray


class Witness:
    """A node in a context and a thread of its own; use as a context manager.

    Attributes:
        robot: whose commands it hears.
        limits: what became of the limits, judged on all commands.
        commands: the last ones.
        proposals: the last ones.
        events: all that was told on /adapt/event.
        states: all that the safety node said of its state, with the time of receipt.
    """

    def __init__(self, robot: RobotSpecification) -> None:
        self.robot = robot
        self.limits = CommandLimits(robot)
        self.commands: deque[Heard] = deque(maxlen=KEPT)
        self.proposals: deque[Heard] = deque(maxlen=KEPT)
        self.events: list[dict[str, Any]] = []
        self.states: list[tuple[int, str]] = []
        self.news = threading.Condition()
        with _priority():
            self._listen()

    def _listen(self) -> None:
        robot = self.robot
        self._context = rclpy.Context()
        rclpy.init(
            args=["--ros-args", "--disable-external-lib-logs"],
            context=self._context,
            signal_handler_options=SignalHandlerOptions.NO,
        )
        self._node = rclpy.create_node("witness", context=self._context)
        action, listen = robot.action, self._node.create_subscription
        listen(message_class(action.topic, action.type), action.topic, self._on_command, RELIABLE)
        listen(JointTrajectory, "/adapt/proposal", self._on_proposal, RELIABLE)
        listen(String, "/adapt/event", self._on_event, RELIABLE)
        listen(String, "/adapt/safety_state", self._on_state, LATCHED)
        if action.targets is not None:
            channel = robot.channels[action.targets]
            listen(message_class(channel.topic, channel.type), channel.topic, self._on_measurement, SENSOR)
        self._setter = self._node.create_publisher(String, "/stand_in/set", RELIABLE)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin, name="witness", daemon=True)
        self._thread.start()

    def __enter__(self) -> Witness:
        """It listens already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the thread, the node and its context."""
        self._executor.shutdown()
        self._thread.join()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    @property
    def state(self) -> str:
        """What the safety node said last; empty before."""
        return self.states[-1][1] if self.states else ""

    def until(
        self, condition: Callable[[], object], timeout_s: float, meanwhile: Callable[[], object]
    ) -> bool:
        """Wait until something is true, looking whenever something is heard; `meanwhile` is called besides.

        Returns:
            False where the time ran out.
        """
        ends = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > ends:
                return False
            meanwhile()
            with self.news:
                self.news.wait(0.05)
        return True

    def tell_stand_in(self, request: dict[str, Any]) -> None:
        """Publish on /stand_in/set."""
        self._setter.publish(String(data=json.dumps(request)))

    def call(self, service: str) -> str:
        """Call a service of type Trigger; gives why it refused, or an empty text."""
        answer = self._ask(Trigger, service, Trigger.Request())
        if isinstance(answer, str):
            return answer
        return "" if answer.success else str(answer.message or "refused")

    def request(self, service: str, reason: str) -> str:
        """Call a service that changes what drives the robot; gives why it refused, or an empty text."""
        answer = self._ask(REQUEST, service, request_of("witness", reason))
        if isinstance(answer, str):
            return answer
        return "" if answer.result.successful else str(answer.result.reason)

    def _ask(self, kind: type, service: str, request: Any) -> Any:
        """The answer, or a text that says that there is none."""
        client: Any = self._node.create_client(kind, service)
        try:
            if not client.wait_for_service(timeout_sec=ANSWER_S):
                return f"service {service}: not there"
            answered = threading.Event()
            future = client.call_async(request)
            future.add_done_callback(lambda _: answered.set())
            return future.result() if answered.wait(ANSWER_S) else f"service {service}: no answer"
        finally:
            self._node.destroy_client(client)

    def _on_command(self, message: Any, info: dict[str, Any]) -> None:
        with self.news:
            heard = self._heard(
                message, info, read_field(message, self.robot.action, self.robot.action.entries)
            )
            self.commands.append(heard)
            self.limits.command(heard.values, heard.sent_ns)
            self.news.notify_all()

    def _on_proposal(self, message: JointTrajectory, info: dict[str, Any]) -> None:
        with self.news:
            first = message.points[0].positions if message.points else []
            self.proposals.append(self._heard(message, info, first))
            self.news.notify_all()

    def _heard(self, message: Any, info: dict[str, Any], values: Any) -> Heard:
        return Heard(int(info["received_timestamp"]), message_stamp(message) or 0, values)

    def _on_measurement(self, message: Any) -> None:
        channel = self.robot.channels[str(self.robot.action.targets)]
        with self.news:
            self.limits.measured(read_field(message, channel, self.robot.action.entries))

    def _on_event(self, message: String) -> None:
        with self.news:
            self.events.append(json.loads(message.data))
            self.news.notify_all()

    def _on_state(self, message: String) -> None:
        with self.news:
            self.states.append((time.time_ns(), message.data))
            self.news.notify_all()


@contextmanager
def _priority() -> Iterator[None]:
    """Threads that are started meanwhile run before ordinary ones, where that is allowed: those of the
    middleware, which say when a message came.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except PermissionError:
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
