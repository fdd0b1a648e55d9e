"""The recorder: hears everything undecoded, and writes incident bags when something goes wrong."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_srvs.srv import Trigger

from adapt.bags.recorder import Outcome, Recorder, RecorderSettings, recorded_topics
from adapt.bags.trigger import CaptureSettings
from adapt.errors import UserError
from ros_nodes.base import EventPublisher, declare_parameters, message_class, robot_of, run
from ros_nodes.raw_topics import qos_profile

STEP_S = 0.1
AT_ONCE = 1000
"""Most messages of one topic that are taken before the others have their turn."""
PARAMETERS: dict[str, Any] = {
    "robot": "",
    "store": "runs",
    "before_s": 10.0,
    "after_s": 5.0,
    "longest_s": 60.0,
    "cool_down_s": 10.0,
    "ring_s": 70.0,
    "ring_mb": 256.0,
    "continuous": False,
    "quota_mb": 10_000.0,
    "trigger_kinds": ["safety_fallback"],
}


class RecorderNode(Node):
    """Subscribes to the robot's topics and ours.

    Service: /recorder/trigger (std_srvs/Trigger) begins an incident now.
    Events: `incident` with the path, once it is written; `recording_failed`; `messages_dropped`;
    `incidents_dropped` for want of disk.
    """

    def __init__(self) -> None:
        super().__init__("recorder")
        parameters = declare_parameters(self, PARAMETERS)
        specification = robot_of(parameters)
        self._recorder = Recorder(
            specification,
            Path(parameters["store"]),
            _settings(parameters),
            lambda: int(self.get_clock().now().nanoseconds),
        )
        self._events = EventPublisher(self)
        self._dropped = 0
        self._heard = {
            topic: self.create_subscription(
                message_class(topic, type_name),
                topic,
                partial(self._receive, topic),
                qos_profile(qos),
                raw=True,
            )
            for topic, (type_name, qos) in recorded_topics(specification).items()
        }
        self.create_service(Trigger, "/recorder/trigger", self._trigger)
        # Steady, since simulated time may stand still while an incident waits to be written.
        self.create_timer(STEP_S, self._step, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def stop(self) -> None:
        """Write what is open and say so."""
        self._tell(self._recorder.close())

    def _receive(self, topic: str, data: bytes) -> None:
        """Take this message and those that wait behind it.

        A round of the executor costs far more than a message: one at a time, it falls behind at a
        thousand a second, and the middleware's queue overflows without a word.
        """
        self._recorder.receive(topic, data)
        subscription = self._heard[topic]
        with subscription.handle:
            for _ in range(AT_ONCE):
                waiting = subscription.handle.take_message(subscription.msg_type, True)
                if waiting is None:
                    return
                self._recorder.receive(topic, waiting[0])

    def _trigger(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._recorder.trigger("operator", "info")
        response.message = (
            "an incident is being recorded" if response.success else "still cooling down: try later"
        )
        return response

    def _step(self) -> None:
        self._tell(self._recorder.step())
        dropped = self._recorder.dropped
        if sum(dropped.values()) > self._dropped:
            self._dropped = sum(dropped.values())
            detail = {"topics": dropped, "cure": "raise ring_mb or lower ring_s"}
            self._events.publish("messages_dropped", "warning", detail, minimum_interval_s=10.0)

    def _tell(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.incident is None:
                detail = {"error": outcome.error}
                self._events.publish("recording_failed", "warning", detail, minimum_interval_s=10.0)
                continue
            card = outcome.incident.card
            detail = {
                "id": card.id,
                "path": str(outcome.incident.folder),
                "trigger": card.trigger,
                "messages": sum(card.messages.values()),
            }
            self._events.publish("incident", "info", detail)
            if outcome.dropped:
                dropped = [each.card.id for each in outcome.dropped]
                detail = {"ids": dropped, "cure": "raise quota_mb, or bless what must stay"}
                self._events.publish("incidents_dropped", "warning", detail)


def _settings(parameters: dict[str, Any]) -> RecorderSettings:
    capture = {key: parameters[key] for key in CaptureSettings.model_fields}
    rest = {key: parameters[key] for key in RecorderSettings.model_fields if key != "capture"}
    if parameters["longest_s"] > parameters["ring_s"]:
        raise UserError("parameter 'longest_s' of node 'recorder' is longer than 'ring_s': raise ring_s")
    try:
        return RecorderSettings(capture=CaptureSettings(**capture), **rest)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UserError(f"parameter '{key}' of node 'recorder': {first['msg']}") from error


def main(args: list[str] | None = None) -> int:
    """Run the recorder."""
    return run(RecorderNode, args)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
