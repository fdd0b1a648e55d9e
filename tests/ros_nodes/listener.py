"""A node of a test's own, heard and spoken through in the test's thread."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import String

from ros_nodes.base import RELIABLE, SENSOR


class Listener:
    """Use as a context manager; `events` holds what was told on /adapt/event."""

    def __init__(self, domain: int) -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node("listener", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.events: list[dict[str, Any]] = []
        self.node.create_subscription(
            String, "/adapt/event", lambda message: self.events.append(json.loads(message.data)), RELIABLE
        )

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def hear(self, kind: type, topic: str) -> list[Any]:
        """All messages of a topic from now on."""
        heard: list[Any] = []
        self.node.create_subscription(kind, topic, heard.append, SENSOR)
        return heard

    def speaker(self, kind: type, topic: str) -> Any:
        """A publisher that somebody listens to."""
        publisher = self.node.create_publisher(kind, topic, RELIABLE)
        self.until(publisher.get_subscription_count)
        return publisher

    def until(self, condition: Callable[[], object], timeout_s: float = 60.0) -> None:
        """Listen until something is true."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "timed out"
            self._executor.spin_once(timeout_sec=0.05)

    def kinds(self) -> list[str]:
        """Kinds of the events so far."""
        return [event["kind"] for event in self.events]
