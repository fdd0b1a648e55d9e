"""The player: a bag as live topics, stamped with now, or on the bag's own time, then given on /clock."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rosgraph_msgs.msg import Clock

from adapt.bags.playback import playback, topics_to_play, with_header_stamp
from adapt.bags.reader import bag_info
from adapt.bags.topic import QualityOfService
from adapt.errors import UserError
from ros_nodes.base import RELIABLE, EventPublisher, declare_parameters, message_class, run, to_stamp
from ros_nodes.raw_topics import qos_profile

PARAMETERS: dict[str, Any] = {
    "bag": "",
    "topics": [""],
    "speed": 1.0,
    "loop": False,
    "publish_clock": False,
    "wait_for_listeners_s": 10.0,
}
CLOCK_S = 0.005
"""Wall time between two messages on /clock where the bag is silent."""


class PlayerNode(Node):
    """Publishes the recorded bytes of a bag and ends when it is over.

    At speed 1 every header stamp is moved by the same time, so that what was measured and what was
    commanded keep their distance. With `publish_clock` all stamps stay, at any speed, and the time is the
    bag's, for nodes that use simulated time.
    Event: `playback_finished`, or `playback_failed` with the reason.
    """

    def __init__(self) -> None:
        super().__init__("player")
        parameters = declare_parameters(self, PARAMETERS)
        if not parameters["bag"]:
            raise UserError("parameter 'bag' of node 'player' is missing: give the path of a bag")
        if not parameters["speed"] > 0:
            raise UserError("parameter 'speed' of node 'player': must be above 0")
        self._bag = Path(parameters["bag"])
        self._topics = [topic for topic in parameters["topics"] if topic]
        self._speed: float = parameters["speed"]
        self._loop: bool = parameters["loop"]
        self._wait_s: float = parameters["wait_for_listeners_s"]
        self._publishers_by_topic = {
            topic.name: self.create_publisher(
                message_class(topic.name, topic.type),
                topic.name,
                qos_profile(QualityOfService(depth=100, transient_local=topic.transient_local)),
            )
            for topic in topics_to_play(self._bag, self._topics)
        }
        self._times = (
            self.create_publisher(Clock, "/clock", RELIABLE) if parameters["publish_clock"] else None
        )
        self._start_ns = bag_info(self._bag).start_ns
        self._events = EventPublisher(self)
        self._ending = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="playback")
        self._thread.start()

    def stop(self) -> None:
        """End the playback.

        Raises:
            UserError: the bag turned out to be damaged on the way.
        """
        self._ending.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._wait_for_listeners()
            self._play()
            while self._loop and not self._ending.is_set():
                self._play()
        except Exception as error:  # It belongs to the main thread, which raises it in stop().
            self._failure = error
            self._events.publish("playback_failed", "error", {"bag": str(self._bag), "error": str(error)})
        else:
            if not self._ending.is_set():
                self._events.publish("playback_finished", "info", {"bag": str(self._bag)})
        for publisher in self.publishers:
            publisher.wait_for_all_acked(Duration(seconds=1))
        # The end of the node, in the same way as by a signal from outside.
        os.kill(os.getpid(), signal.SIGTERM)

    def _wait_for_listeners(self) -> None:
        """A topic's first messages are lost on whoever has not found it yet."""
        deadline = time.monotonic() + self._wait_s
        while not any(each.get_subscription_count() for each in self._publishers_by_topic.values()):
            if self._ending.wait(0.02) or time.monotonic() > deadline:
                return

    def _play(self) -> None:
        start_ns = time.monotonic_ns()
        clock_start_ns = int(self.get_clock().now().nanoseconds)
        for due in playback(self._bag, self._topics, self._speed):
            while (remaining_ns := start_ns + due.after_ns - time.monotonic_ns()) > 0:
                self._tell_time(due.after_ns - remaining_ns)
                longest_s = CLOCK_S if self._times is not None else math.inf
                if self._ending.wait(min(remaining_ns * 1e-9, longest_s)):
                    return
            if self._ending.is_set():
                return
            self._tell_time(due.after_ns)
            data = due.data
            if self._times is None and due.stamp_after_ns is not None:
                data = with_header_stamp(data, clock_start_ns + due.stamp_after_ns)
            self._publishers_by_topic[due.topic].publish(data)

    def _tell_time(self, after_ns: int) -> None:
        """The bag's time at an instant of wall time after its beginning."""
        if self._times is not None:
            self._times.publish(Clock(clock=to_stamp(self._start_ns + round(after_ns * self._speed))))


def main(args: list[str] | None = None) -> int:
    """Run the player."""
    return run(PlayerNode, args)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
