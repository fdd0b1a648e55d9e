"""What the nodes share: strict parameters, QoS, events, stamps, and a life that ends in order."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from typing import Any, Literal, TypeVar

import rclpy
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String

from adapt.errors import UserError
from adapt.robot.interface import Command
from adapt.robot.load import load_robot
from adapt.robot.specification import RobotSpecification
from adapt.stream.reference import is_path
from ros_nodes.network import NETWORK_WENT, network_is_up, wait_for_network

SENSOR = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
"""For measurements: the newest matters, and publishers of both kinds are heard."""
RELIABLE = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)
"""For what must not be lost: proposals, ticks, events, commands."""
LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
"""For a state: who comes late still gets the last value."""

Severity = Literal["info", "warning", "error"]


def to_nanoseconds(stamp: Time) -> int:
    """A message's stamp in ns."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def to_stamp(nanoseconds: int) -> Time:
    """The stamp for a message, from ns."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return Time(sec=seconds, nanosec=rest)


def message_class(topic: str, type_name: str) -> type:
    """The class of a topic's messages, given their type as in a robot file: sensor_msgs/msg/JointState.

    Raises:
        UserError: the type is not installed.
    """
    package, _, name = type_name.split("/")
    try:
        return getattr(import_module(f"{package}.msg"), name)  # type: ignore[no-any-return]
    except (ImportError, AttributeError) as error:
        raise UserError(f"topic {topic}: the type {type_name} is not installed: install {package}") from error


@contextmanager
def temporary_node(name: str) -> Iterator[tuple[Node, SingleThreadedExecutor]]:
    """A node in a context of its own, and what spins it, for a command that is no node itself."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node(name, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        yield node, executor
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)


def command_quality(command: Command) -> QoSProfile:
    """How to listen to a robot's command: a path is given once, and heard by who comes late; a set-point
    is repeated, by publishers that keep nothing.
    """
    return LATCHED if is_path(command) else SENSOR


def declare_parameters(node: Node, defaults: dict[str, Any]) -> dict[str, Any]:
    """Declare parameters with their defaults and give the values in force.

    ROS ignores a parameter that nobody declares; here it is refused, since it is most often a slip
    of the pen. An int is taken where a float is expected.

    Raises:
        UserError: a parameter is unknown or of the wrong type; the message names node and parameter.
    """
    # rclpy has no public view of what the command line and the parameter files gave.
    given = node._parameter_overrides
    for name, default in defaults.items():
        if isinstance(default, float) and name in given and type(given[name].value) is int:
            node.declare_parameter(name, float(given[name].value), ignore_override=True)
            continue
        try:
            node.declare_parameter(name, default)
        except InvalidParameterTypeException as error:
            raise UserError(
                f"parameter '{name}' of node '{node.get_name()}': expected {type(default).__name__},"
                f" got {given[name].value!r}"
            ) from error
    for name in given:
        if not node.has_parameter(name):
            known = ", ".join(sorted(defaults))
            raise UserError(f"parameter '{name}' of node '{node.get_name()}': unknown; it takes: {known}")
    return {name: node.get_parameter(name).value for name in defaults}


class EventPublisher:
    """Tells on /adapt/event, as one JSON object a message, what happened and when."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(String, "/adapt/event", RELIABLE)
        self._last: dict[str, float] = {}
        self._held_back: dict[str, int] = {}

    def publish(
        self,
        kind: str,
        severity: Severity = "info",
        detail: dict[str, Any] | None = None,
        *,
        stamp_ns: int | None = None,
        minimum_interval_s: float = 0.0,
    ) -> None:
        """Publish one event, at the node's time unless `stamp_ns` says when.

        Within `minimum_interval_s` of wall time of the last of its kind an event is held back; the
        next one says in `held_back` how many were.

        Raises:
            ValueError: `detail` holds a number that is not finite.
        """
        now = time.monotonic()
        if now - self._last.get(kind, float("-inf")) < minimum_interval_s:
            self._held_back[kind] = self._held_back.get(kind, 0) + 1
            return
        self._last[kind] = now
        content = dict(detail or {})
        if held_back := self._held_back.pop(kind, 0):
            content["held_back"] = held_back
        event = {
            "stamp_ns": self._node.get_clock().now().nanoseconds if stamp_ns is None else stamp_ns,
            "node": self._node.get_name(),
            "kind": kind,
            "severity": severity,
            "detail": content,
        }
        self._publisher.publish(String(data=json.dumps(event, allow_nan=False)))


class DiagnosticsPublisher:
    """Tells on /diagnostics how a node is, for people and for whatever watches robots."""

    def __init__(self, node: Node, robot: str) -> None:
        self._node = node
        self._robot = robot
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)

    def publish(self, level: bytes, message: str, values: Mapping[str, str]) -> None:
        """Publish one status; `level` is one of DiagnosticStatus."""
        status = DiagnosticStatus(
            name=self._node.get_name(), hardware_id=self._robot, level=level, message=message
        )
        status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        array = DiagnosticArray(status=[status])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)


def robot_of(parameters: dict[str, Any]) -> RobotSpecification:
    """The robot that the parameter `robot` names.

    Raises:
        UserError: it names none, or its file is wrong.
    """
    if not parameters["robot"]:
        raise UserError("parameter 'robot' is missing: give the name or the path of a robot file")
    return load_robot(parameters["robot"])


NodeType = TypeVar("NodeType", bound=Node)


def run(make_node: Callable[[], NodeType], args: list[str] | None = None) -> int:
    """Run one node until SIGINT or SIGTERM, and give the process's exit code.

    The node may have a method `stop()`: it is called once, whatever ended the node, while the node
    can still publish. A lifecycle node with an `autostart` that is true is led to active first. Signals
    only ask for the end, so nothing is cut short; later ones are ignored.

    Without a network it waits for one, see `ros_nodes.network`.

    Returns:
        0 after a signal; 2 after a UserError, which is logged as one line.
    """
    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())
    try:
        wait_for_network(ending)
        if ending.is_set():
            return 0
        with _start(args):
            node = make_node()
            if not network_is_up():
                raise UserError(f"node '{node.get_name()}': {NETWORK_WENT}: start it again")
            if getattr(node, "autostart", False):
                _activate(node)
            executor = SingleThreadedExecutor()
            executor.add_node(node)
            try:
                while not ending.is_set():
                    executor.spin_once(timeout_sec=0.05)
            finally:
                getattr(node, "stop", lambda: None)()
                executor.shutdown()
                node.destroy_node()
    except UserError as error:
        rclpy.logging.get_logger("adapt").error(str(error))
        return 2
    finally:
        # An interpreter that ends takes our handlers back, and a late signal would look like a death.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    return 0


def _activate(node: LifecycleNode) -> None:
    for transition in (node.trigger_configure, node.trigger_activate):
        if transition() != TransitionCallbackReturn.SUCCESS:
            raise UserError(f"node '{node.get_name()}': {transition.__name__} failed: see above")


def _start(args: list[str] | None) -> AbstractContextManager[object]:
    try:
        return rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        raise UserError(f"ROS 2 does not start with {' '.join(args or [])}: {error}") from error
