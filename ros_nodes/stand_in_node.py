"""The stand-in robot as a node: the topics of the hardware, in wall time or in a time of its own."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
import time
from typing import Any

import numpy as np
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from adapt.errors import UserError
from adapt.robot.interface import Channel
from adapt.robot.specification import RobotSpecification
from adapt.sim.arm_stand_in import SPEEDS
from adapt.sim.faults import Fault, SensorFaults
from adapt.sim.stand_in import make_stand_in
from adapt.stream.decode import read_field
from adapt.stream.encode import MeasurementWriter
from adapt.stream.tick import FloatArray
from ros_nodes.base import (
    RELIABLE,
    EventPublisher,
    Severity,
    declare_parameters,
    message_class,
    robot_of,
    run,
    to_stamp,
)
from ros_nodes.real_time import request_priority

PARAMETERS: dict[str, Any] = {
    "robot": "",
    "scenario": "",
    "seed": 0,
    "pose": [0.0],
    "rate_hz": 0.0,
    "publish_clock": False,
    "clock_hz": 200.0,
    "start_s": 1.0,
    "speed": 1.0,
    "real_time_priority": 0,
}


class StandInNode(Node):
    """Publishes what the robot measures, hears what it is told.

    Parameters:
        scenario: the hidden hardware, by name or path; empty for the robot file's. Only this node has it.
        pose: where the joints of a servo arm start, in rad: one number for all or one for each, moved into
            the limits.
        rate_hz: measurements a second; 0 for twice the robot's rate.
        publish_clock: be the source of simulated time, on /clock with `clock_hz`, `speed` times as fast
            as the wall, from `start_s`: a store that has seen a time sees no earlier one. Without it,
            simulated time is wall time.
        real_time_priority: 1 to 99 where others may take the processor, which hardware does not share.
    Topic: /stand_in/set (std_msgs/String) {"field": "payload_mass", "value": 0.2} changes one number of
        the scenario; {"fault": {"kind": "frozen", "duration_s": 2.0}} lets what is measured arrive wrong
        for a while, see `adapt.sim.faults.Fault`; {"put_back": true} picks the robot up and puts it back to
        where it started; {"speed": 0.1} lets its own time go slower or faster.
    Events: `stand_in_changed`, `stand_in_refused`, `command_refused`; `stand_in_fell` and `stand_in_put_back`
        with the base's position, in m.
    """

    def __init__(self) -> None:
        super().__init__("stand_in")
        parameters = declare_parameters(self, PARAMETERS)
        request_priority(self, parameters["real_time_priority"])
        self._robot = robot_of(parameters)
        self._own_clock: bool = parameters["publish_clock"]
        self._speed: float = parameters["speed"] if self._own_clock else 1.0
        self._wanted_speed = self._speed
        rate_hz: float = parameters["rate_hz"] or 2 * self._robot.rate_hz
        if not min(rate_hz, self._speed) > 0:
            raise UserError("parameters 'rate_hz' and 'speed' of node 'stand_in': must be above 0")
        self._beats = max(1, round(parameters["clock_hz"] / rate_hz)) if self._own_clock else 1
        self._beat_ns = round(1e9 / rate_hz / self._beats)
        if not parameters["start_s"] > 0:  # ROS takes a simulated time of zero for no time at all
            raise UserError("parameter 'start_s' of node 'stand_in': must be above 0")
        start_ns = round(parameters["start_s"] * 1e9)
        self._start_ns = start_ns if self._own_clock else int(self.get_clock().now().nanoseconds)
        self._began_ns = time.monotonic_ns()
        self._stand_in = make_stand_in(
            self._robot,
            parameters["scenario"] or None,
            parameters["seed"],
            self._start_ns,
            _pose(parameters["pose"], self._robot),
        )
        self._faults = SensorFaults(parameters["seed"])
        self._lock = threading.Lock()
        self._fallen = False
        self._events = EventPublisher(self)
        self._writer = MeasurementWriter(
            _channels(self._robot), lambda topic, kind: message_class(topic, kind)()
        )
        self._sensors = {
            topic: self.create_publisher(message_class(topic, kind), topic, RELIABLE)
            for topic, kind in self._writer.topics.items()
        }
        self._times = self.create_publisher(Clock, "/clock", RELIABLE) if self._own_clock else None
        action = self._robot.action
        kind = message_class(action.topic, action.type)
        self.create_subscription(kind, action.topic, self._on_command, RELIABLE)
        self.create_subscription(String, "/stand_in/set", self._on_set, RELIABLE)
        self._ending = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="robot", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the simulation.

        Raises:
            Exception: what ended it before.
        """
        self._ending.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _wall_ns(self) -> int:
        """Where simulated time should be by the wall, ns."""
        return self._start_ns + round((time.monotonic_ns() - self._began_ns) * self._speed)

    def _now_ns(self) -> int:
        """The robot's clock. Call it with the lock held."""
        return self._stand_in.now_ns if self._own_clock else self._wall_ns()

    def _run(self) -> None:
        try:
            self._simulate()
        except Exception as error:  # It belongs to the main thread, which raises it in stop().
            self._failure = error
            os.kill(os.getpid(), signal.SIGTERM)

    def _simulate(self) -> None:
        due_ns, beat = self._start_ns, 0
        while True:
            beats = 1
            if (speed := self._wanted_speed) != self._speed:
                self._start_ns, self._began_ns, self._speed = self._wall_ns(), time.monotonic_ns(), speed
            late_ns = self._wall_ns() - (due_ns + self._beat_ns)
            if late_ns > 0:
                # Wall time does not wait: beats that have passed are silent. A time of its own slows down.
                if self._own_clock:
                    self._began_ns += round(late_ns / self._speed)
                else:
                    beats += late_ns // self._beat_ns
            due_ns, beat = due_ns + beats * self._beat_ns, beat + beats
            if self._ending.wait(max(0.0, (due_ns - self._wall_ns()) / self._speed * 1e-9)):
                return
            self._step(due_ns, measure=beat % self._beats == 0)

    def _step(self, to_ns: int, *, measure: bool) -> None:
        with self._lock:
            self._stand_in.advance(to_ns)
            measured = self._stand_in.measure() if measure else {}
            heard = self._faults.heard(measured, to_ns) if measure else []
            if self._stand_in.fallen and not self._fallen:
                self._tell_position("stand_in_fell", "warning")
            self._fallen = self._stand_in.fallen
        if self._times is not None:
            self._times.publish(Clock(clock=to_stamp(to_ns)))
        for measurement in heard:
            for topic, message in self._writer.messages(measurement):
                self._sensors[topic].publish(message)

    def _on_command(self, message: Any) -> None:
        action = self._robot.action
        with self._lock:
            now_ns = self._now_ns()
            try:
                self._stand_in.command(now_ns, read_field(message, action, action.entries))
            except (UserError, ValueError) as error:
                reason = {"topic": action.topic, "error": str(error)}
                self._events.publish(
                    "command_refused", "error", reason, stamp_ns=now_ns, minimum_interval_s=1.0
                )

    def _on_set(self, message: String) -> None:
        with self._lock:
            now_ns = self._now_ns()
            try:
                request = json.loads(message.data)
                if "fault" in request:
                    self._faults.begin(Fault.model_validate(request["fault"]), self._stand_in.now_ns)
                elif request == {"put_back": True}:
                    self._tell_position("stand_in_put_back", "info")
                    self._stand_in.put_back()
                    return
                elif "speed" in request:
                    self._wanted_speed = self._own_speed(float(request["speed"]))
                else:
                    self._stand_in.set(request["field"], request["value"])
            except (UserError, ValueError, TypeError, KeyError) as error:
                reason = {"topic": "/stand_in/set", "error": f"{type(error).__name__}: {error}"}
                self._events.publish("stand_in_refused", "error", reason, stamp_ns=now_ns)
                return
        self._events.publish("stand_in_changed", "info", request, stamp_ns=now_ns)

    def _own_speed(self, wanted: float) -> float:
        if not self._own_clock:
            raise UserError("the wall's time has one speed: set parameter 'publish_clock' for another")
        if not 0.0 < wanted < math.inf:
            raise UserError("'speed' must be above 0")
        return wanted

    def _tell_position(self, kind: str, severity: Severity) -> None:
        """Call it with the lock held."""
        position = {"position_m": self._stand_in.base_position.tolist()}
        self._events.publish(kind, severity, position, stamp_ns=self._stand_in.now_ns)


def _channels(robot: RobotSpecification) -> dict[str, Channel]:
    """What is published: the robot file's channels, and the speeds that servos report besides positions."""
    channels = dict(robot.channels)
    if robot.simulation is not None and robot.simulation.actuators == "servos" and robot.action.targets:
        speeds = channels[robot.action.targets].model_copy(update={"field": "velocity", "unit": "rad/s"})
        channels.setdefault(SPEEDS, speeds)
    return channels


def _pose(given: list[float], robot: RobotSpecification) -> FloatArray:
    if len(given) not in (1, robot.action_size):
        raise UserError(
            f"parameter 'pose' of node 'stand_in': {len(given)} numbers for {robot.action_size} joints"
        )
    low, high = np.array([limits.position for limits in robot.action.limits.values()]).T
    return np.clip(np.broadcast_to(np.asarray(given, dtype=np.float64), low.shape), low, high)


def main(args: list[str] | None = None) -> int:
    """Run the stand-in."""
    return run(StandInNode, args)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
