"""Who starts nodes has to talk to them: the graph, lifecycle changes, services and diagnostics."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import Trigger

from adapt.errors import UserError
from adapt.robot.access import caller
from ros_nodes.base import RELIABLE
from ros_nodes.requests import REQUEST, request_of

TRANSITIONS = {
    "configure": Transition.TRANSITION_CONFIGURE,
    "activate": Transition.TRANSITION_ACTIVATE,
    "deactivate": Transition.TRANSITION_DEACTIVATE,
}
LOOK_AGAIN_S = 0.05


class Caretaker:
    """A node of its own, in a context and a thread of its own.

    Attributes:
        diagnostics: what each node last said on /diagnostics, by node and key; `state` holds its message.
        heard_s: when that was, by the monotonic clock.
    """

    def __init__(self) -> None:
        self._context = rclpy.Context()
        rclpy.init(
            args=["--ros-args", "--disable-external-lib-logs"],
            context=self._context,
            signal_handler_options=SignalHandlerOptions.NO,
        )
        self.diagnostics: dict[str, dict[str, str]] = {}
        self.heard_s: dict[str, float] = {}
        self._node = rclpy.create_node("caretaker", context=self._context)
        self._node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, RELIABLE)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin, name="caretaker", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, the node and its context."""
        self._executor.shutdown()
        self._thread.join()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def wait_for_nodes(
        self, names: Collection[str], timeout_s: float, meanwhile: Callable[[], None] = lambda: None
    ) -> set[str]:
        """Those of `names` that are not in the graph after `timeout_s`; `meanwhile` may end it by raising."""
        deadline = time.monotonic() + timeout_s
        while missing := set(names) - self.nodes():
            meanwhile()
            if time.monotonic() > deadline:
                break
            time.sleep(LOOK_AGAIN_S)
        return missing

    def nodes(self) -> set[str]:
        """Names of all nodes in this ROS domain, as far as they are known by now."""
        return set(self._node.get_node_names())

    def change_state(
        self, node: str, transition: str, timeout_s: float, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """Lead a lifecycle node through a transition.

        Raises:
            UserError: it does not answer in time, or fails; its log says why.
        """
        request = ChangeState.Request(transition=Transition(id=TRANSITIONS[transition]))
        answer = self._ask(ChangeState, f"/{node}/change_state", request, timeout_s, meanwhile)
        if not answer.success:
            raise UserError(f"node '{node}': {transition} failed")

    def trigger(self, service: str, timeout_s: float) -> None:
        """Call a service of type Trigger.

        Raises:
            UserError: nobody answers in time, or the answer is no, with the reason.
        """
        answer = self._ask(Trigger, service, Trigger.Request(), timeout_s, lambda: None)
        if not answer.success:
            raise UserError(f"service {service}: {answer.message}")

    def request(self, service: str, reason: str, timeout_s: float) -> None:
        """Call a service that changes what drives the robot; see `ros_nodes.requests`.

        Raises:
            UserError: nobody answers in time, or it is refused, with the reason.
        """
        answer = self._ask(REQUEST, service, request_of(caller(), reason), timeout_s, lambda: None)
        if not answer.result.successful:
            raise UserError(f"service {service}: {answer.result.reason}")

    def _ask(
        self, service_type: type, service: str, request: Any, timeout_s: float, meanwhile: Callable[[], None]
    ) -> Any:
        client: Any = self._node.create_client(service_type, service)
        try:
            deadline = time.monotonic() + timeout_s
            while not client.wait_for_service(timeout_sec=LOOK_AGAIN_S):
                meanwhile()
                if time.monotonic() > deadline:
                    raise UserError(f"service {service}: not there within {timeout_s:g} s")
            answered = threading.Event()
            future = client.call_async(request)
            future.add_done_callback(lambda _: answered.set())
            while not answered.wait(LOOK_AGAIN_S):
                meanwhile()
                if time.monotonic() > deadline:
                    raise UserError(f"service {service}: no answer within {timeout_s:g} s")
            return future.result()
        finally:
            self._node.destroy_client(client)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            self.diagnostics[status.name] = {**values, "state": status.message}
            self.heard_s[status.name] = time.monotonic()


def domain() -> str:
    """The ROS domain of this process, as text."""
    return os.environ.get("ROS_DOMAIN_ID", "0")
