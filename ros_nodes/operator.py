"""Who gives the robot its task and watches it: references out, ticks, events and diagnostics in."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import Trigger

from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification
from adapt.stream.reference import is_path
from adapt.stream.tick import FloatArray, Tick
from adapt.stream.tick_message import TICK_TOPIC, decode_tick
from ros_nodes.base import LATCHED, RELIABLE, message_class
from ros_nodes.messages import reference_message

ANSWER_S = 60.0
"""How long a service, or the first tick, may take: nodes start slowly on a busy machine."""


class Operator(Node):
    """Spins in a thread of its own; everything it collects may be read from others.

    Attributes:
        ticks: all ticks so far, in order.
        events: all events so far, as told on /adapt/event.
        diagnostics: the last values of each node, by node and key.
    """

    def __init__(self, specification: RobotSpecification):
        self._own_context = rclpy.Context()
        rclpy.init(
            args=["--ros-args", "--disable-external-lib-logs"],
            context=self._own_context,
            signal_handler_options=SignalHandlerOptions.NO,
        )
        super().__init__("operator", context=self._own_context)
        self._specification = specification
        self.ticks: list[Tick] = []
        self.events: list[dict[str, Any]] = []
        self.diagnostics: dict[str, dict[str, str]] = {}
        self._learner: dict[str, Any] = {}
        self._news = threading.Condition()
        command = specification.task.command
        quality = LATCHED if is_path(command) else RELIABLE
        kind = message_class(command.topic, command.type)
        self._reference = self.create_publisher(kind, command.topic, quality)
        self._faults = self.create_publisher(String, "/stand_in/set", RELIABLE)
        self.create_subscription(Float64MultiArray, TICK_TOPIC, self._on_tick, RELIABLE)
        self.create_subscription(String, "/adapt/event", self._on_event, RELIABLE)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, RELIABLE)
        self.create_subscription(String, "/adapt/learner_status", self._on_learner, RELIABLE)
        self._executor = SingleThreadedExecutor(context=self._own_context)
        self._executor.add_node(self)
        self._thread = threading.Thread(target=self._executor.spin, name="operator", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, the node and its context."""
        self._executor.shutdown()
        self._thread.join()
        self.destroy_node()
        rclpy.shutdown(context=self._own_context)

    def give_reference(self, stamp_ns: int, positions: FloatArray) -> None:
        """Publish a path of shape (N, C), one row a tick from `stamp_ns` on; or a set-point (1, C)."""
        self._reference.publish(reference_message(self._specification, stamp_ns, positions))

    def inject(self, field: str, value: float) -> None:
        """Change one number of the stand-in's scenario."""
        self._faults.publish(String(data=json.dumps({"field": field, "value": value})))

    def set_parameter(self, node: str, name: str, value: str) -> None:
        """Set a text parameter of another node.

        Raises:
            UserError: the node does not answer, or refuses.
        """
        request = SetParameters.Request()
        content = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
        request.parameters = [Parameter(name=name, value=content)]
        result = self._ask(SetParameters, f"/{node}/set_parameters", request).results[0]
        if not result.successful:
            raise UserError(f"node '{node}', parameter '{name}': {result.reason}")

    def trigger(self, service: str) -> None:
        """Call a service of type Trigger.

        Raises:
            UserError: nobody answers, or the answer is no.
        """
        answer = self._ask(Trigger, service, Trigger.Request())
        if not answer.success:
            raise UserError(f"service {service}: {answer.message}")

    def budget(self) -> dict[str, dict[str, int]]:
        """Ticks used and remaining by split, as the learner last told.

        Raises:
            UserError: it has told nothing within ten seconds.
        """
        if not self.wait_until(lambda: bool(self._learner), ANSWER_S):
            raise UserError(
                f"topic /adapt/learner_status: nothing within {ANSWER_S:g} s; see the learner's log"
            )
        return dict(self._learner["budget"])

    def now_ns(self) -> int:
        """The robot's clock."""
        return int(self.get_clock().now().nanoseconds)

    def wait_until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Wait, woken by every message, until `done()`; False where the time ran out first."""
        ends = time.monotonic() + timeout_s
        with self._news:
            while not done():
                left = ends - time.monotonic()
                if left <= 0:
                    return False
                self._news.wait(min(left, 0.5))
        return True

    def measured(self) -> FloatArray:
        """The observation of the newest tick, shape (O,).

        Raises:
            UserError: none came within `ANSWER_S`.
        """
        if not self.wait_until(lambda: bool(self.ticks and self.ticks[-1].valid.all()), ANSWER_S):
            raise UserError(f"topic {TICK_TOPIC}: no valid tick within {ANSWER_S:g} s; see the planner's log")
        return np.array(self.ticks[-1].observation)

    def events_of(self, kind: str) -> list[dict[str, Any]]:
        """The events of one kind so far."""
        return [event for event in self.events if event["kind"] == kind]

    def _ask(self, service_type: type, service: str, request: Any) -> Any:
        client = self.create_client(service_type, service)
        try:
            if not client.wait_for_service(timeout_sec=ANSWER_S):
                raise UserError(f"service {service}: not there within {ANSWER_S:g} s; is its node running?")
            answered = threading.Event()
            future = client.call_async(request)
            future.add_done_callback(lambda _: answered.set())
            if not answered.wait(ANSWER_S):
                raise UserError(f"service {service}: no answer within {ANSWER_S:g} s")
            return future.result()
        finally:
            self.destroy_client(client)

    def _on_tick(self, message: Float64MultiArray) -> None:
        with self._news:
            self.ticks.append(decode_tick(message))
            self._news.notify_all()

    def _on_event(self, message: String) -> None:
        with self._news:
            self.events.append(json.loads(message.data))
            self._news.notify_all()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        with self._news:
            for status in message.status:
                self.diagnostics[status.name] = {pair.key: pair.value for pair in status.values}
            self._news.notify_all()

    def _on_learner(self, message: String) -> None:
        with self._news:
            self._learner = json.loads(message.data)
            self._news.notify_all()
