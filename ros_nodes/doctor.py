"""The live side of `adapt doctor`: listens to a robot's topics and says nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

from adapt.bags.inspection import Inspection, TopicStatistics
from adapt.robot.specification import RobotSpecification
from adapt.stream.decode import message_stamp
from ros_nodes.base import SENSOR, command_quality, message_class, temporary_node

DISCOVERY_S = 3.0
"""2 to 2.5 s were measured for a late joiner: that a topic was found late is no silence of the robot."""


def inspect_live(specification: RobotSpecification, seconds: float) -> Inspection:
    """Listen for `seconds` once all topics have spoken or had the time to be found, and judge.

    Raises:
        UserError: a message type of the robot file is not installed.
    """
    with temporary_node("doctor") as (node, executor):
        statistics = TopicStatistics(specification)
        deadline = time.monotonic() + DISCOVERY_S + seconds
        silent = set(statistics.topics)

        def listener(topic: str) -> Callable[[object], None]:
            def take(message: object) -> None:
                nonlocal deadline
                if topic in silent:
                    silent.remove(topic)
                    deadline = deadline if silent else time.monotonic() + seconds
                statistics.feed(topic, message_stamp(message), node.get_clock().now().nanoseconds, message)

            return take

        for topic, type_name in statistics.topics.items():
            command = specification.task.command
            quality = command_quality(command) if topic == command.topic else SENSOR
            node.create_subscription(message_class(topic, type_name), topic, listener(topic), quality)
        while time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.05)
        published = {
            topic: types[0]
            for topic, types in node.get_topic_names_and_types()
            if node.count_publishers(topic)
        }
        return statistics.report("the live topics", published)
