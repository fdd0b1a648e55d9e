"""The recorder: hears everything undecoded, and writes incident bags when something goes wrong."""

from __future__ import annotations

import sys
from collections import Counter
from operator import itemgetter
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rclpy.callback_groups import CallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_srvs.srv import Trigger

from adapt.bags.recorder import Outcome, Recorder, RecorderSettings, recorded_topics
from adapt.bags.trigger import CaptureSettings
from adapt.errors import UserError
from ros_nodes.base import EventPublisher, declare_parameters, message_class, robot_of, run
from ros_nodes.raw_topics import qos_profile

POLL_S = 0.005
"""How long a message waits to be taken; its stamp is that of the middleware where it gives one."""
STEP_S = 0.1
SWITCH_S = 0.0005
"""The thread that writes gives way so often: by default receiving may wait ten times as long for it."""
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


class Polled(CallbackGroup):
    """Subscriptions that no executor waits for."""

    def can_execute(self, entity: object) -> bool:
        """Never."""
        return False


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
            self._now_ns,
        )
        self._events = EventPublisher(self)
        self._dropped = 0
        self._last_ns: Counter[str] = Counter()
        polled = Polled()
        self._heard = {
            topic: self.create_subscription(
                message_class(topic, type_name),
                topic,
                lambda data: None,
                qos_profile(qos),
                callback_group=polled,
                raw=True,
            )
            for topic, (type_name, qos) in recorded_topics(specification).items()
        }
        self.create_service(Trigger, "/recorder/trigger", self._trigger)
        # Steady, since simulated time may stand still while an incident waits to be written.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(POLL_S, self._poll, clock=steady)
        self.create_timer(STEP_S, self._step, clock=steady)

    def stop(self) -> None:
        """Take what has come, write what is open and say so."""
        self._poll()
        self._tell(self._recorder.close())

    def _poll(self) -> None:
        """Take all that has come. Woken by each message, the executor would cost ten times the recording."""
        now_ns = self._now_ns()
        simulated = self.get_clock().ros_time_is_active
        came: list[tuple[int, str, bytes]] = []
        for topic, subscription in self._heard.items():
            last_ns = self._last_ns[topic]
            if now_ns < last_ns:  # The clock was set back.
                last_ns = 0
            with subscription.handle:
                for _ in range(AT_ONCE):
                    taken = subscription.handle.take_message(subscription.msg_type, True)
                    if taken is None:
                        break
                    data, info = taken
                    # Not every middleware says when it received a message. What was sent again came late,
                    # but is given in its place.
                    received_ns = 0 if simulated else int(info["received_timestamp"])
                    last_ns = max(last_ns, received_ns or now_ns)
                    came.append((last_ns, topic, data))
            self._last_ns[topic] = last_ns
        for received_ns, topic, data in sorted(came, key=itemgetter(0)):
            self._recorder.receive(topic, data, received_ns)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

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
    sys.setswitchinterval(SWITCH_S)
    return run(RecorderNode, args)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
