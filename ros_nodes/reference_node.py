"""Gives a simulated robot something to do, so that it moves without an operator."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import String

from adapt.errors import UserError
from adapt.robot.simulation import Commands
from adapt.robot.specification import RobotSpecification
from adapt.safety.machine import State
from adapt.sim.reference import ReferencePath
from adapt.stream.decode import read_field
from adapt.stream.reference import is_path
from adapt.stream.tick import FloatArray
from ros_nodes.base import (
    LATCHED,
    RELIABLE,
    SENSOR,
    declare_parameters,
    message_class,
    robot_of,
    run,
)
from ros_nodes.messages import reference_message

PARAMETERS: dict[str, Any] = {"robot": "", "command": "", "seed": 0}
REPEAT_S = 0.1
STRETCH_S = 20.0
"""Paths are given in stretches of this length, each `LEAD_S` before it begins."""
LEAD_S = 1.0
MOVING = (State.ARMED.value, State.RUNNING.value, State.FALLBACK.value)


class ReferenceNode(Node):
    """A robot that follows paths gets random smooth ones within its limits, which begin where it stands
    when it is armed. One that follows set-points gets one, or random ones that each hold a while.

    Parameters:
        command: the set-point, one number for each name of the robot file's command, such as "0.5 0 0";
            empty for random ones, from the robot file's `simulation.commands`.
        seed: of what is random.
    """

    def __init__(self) -> None:
        super().__init__("reference")
        parameters = declare_parameters(self, PARAMETERS)
        self._robot = robot_of(parameters)
        self._generator = np.random.default_rng(parameters["seed"])
        command = self._robot.task.command
        kind, path = message_class(command.topic, command.type), is_path(command)
        self._publisher = self.create_publisher(kind, command.topic, LATCHED if path else RELIABLE)
        if path:
            if parameters["command"]:
                raise UserError(
                    f"parameter 'command' of node 'reference': robot '{self._robot.name}' follows paths,"
                    f" not set-points: leave it out, or publish a path on {command.topic}"
                )
            self._follow_paths()
            return
        ranges = Commands() if self._robot.simulation is None else self._robot.simulation.commands
        self._set_points = SetPoints(self._robot, parameters["command"], ranges, self._generator)
        self.create_timer(REPEAT_S, self._repeat)

    def stop(self) -> None:
        """A set-point would hold for ever: leave zero behind."""
        if not is_path(self._robot.task.command):
            self._give(self._now(), np.zeros((1, self._robot.command_size)))
            # What was not heard yet is lost with its publisher.
            self._publisher.wait_for_all_acked(Duration(seconds=2))

    def _follow_paths(self) -> None:
        command = self._robot.task.command
        if command.tracks not in self._robot.channels or command.names != self._robot.action.entries:
            raise UserError(
                f"robot '{self._robot.name}', key 'task.command': random paths are known for joints that are"
                " told positions: its names must be those of the action, and 'tracks' a channel"
            )
        channel = self._robot.channels[str(command.tracks)]
        self._position: FloatArray | None = None
        self._moves = False
        self._end: tuple[int, FloatArray] | None = None

        def note(message: object) -> None:
            try:
                self._position = read_field(message, channel, command.names)
            except UserError as error:
                self.get_logger().error(str(error), throttle_duration_sec=5.0)

        self.create_subscription(message_class(channel.topic, channel.type), channel.topic, note, SENSOR)
        self.create_subscription(String, "/adapt/safety_state", self._on_state, LATCHED)
        self.create_timer(REPEAT_S, self._continue)

    def _on_state(self, message: String) -> None:
        self._moves = message.data in MOVING

    def _continue(self) -> None:
        """Give the next stretch where it is time: from the end of the one before, or from where it stands."""
        now_ns = self._now()
        if not self._moves or self._position is None:
            self._end = None
            return
        if self._end is None:
            low, high = np.array([each.position for each in self._robot.action.limits.values()]).T
            self._end = now_ns + round(LEAD_S * 1e9), np.clip(self._position, low, high)
        begin_ns, begin = self._end
        if now_ns < begin_ns - round(LEAD_S * 1e9):
            return
        path = ReferencePath(self._robot, begin, STRETCH_S, self._generator)
        rows = path.position(np.arange(round(STRETCH_S * self._robot.rate_hz) + 1) * self._robot.period_s)
        self._give(begin_ns, rows)
        self._end = begin_ns + round(STRETCH_S * 1e9), rows[-1]

    def _repeat(self) -> None:
        now_ns = self._now()
        self._give(now_ns, self._set_points.at(now_ns)[None])

    def _give(self, stamp_ns: int, rows: FloatArray) -> None:
        self._publisher.publish(reference_message(self._robot, stamp_ns, rows))

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)


class SetPoints:
    """One set-point, or random ones."""

    def __init__(
        self, robot: RobotSpecification, given: str, settings: Commands, generator: np.random.Generator
    ) -> None:
        """`given` is the only one, as text; empty for random ones.

        Raises:
            UserError: it is not one finite number for each name.
        """
        names = robot.task.command.names
        self._settings = settings
        self._generator = generator
        self._until_ns: int | None = None
        self._ranges = np.array([settings.ranges.get(name, (0.0, 0.0)) for name in names])
        self._fixed: FloatArray | None = None
        if given:
            try:
                self._fixed = np.array([float(each) for each in given.replace(",", " ").split()])
            except ValueError:
                self._fixed = np.full(0, np.nan)
            if self._fixed.shape != (len(names),) or not np.isfinite(self._fixed).all():
                raise UserError(
                    f"parameter 'command' of node 'reference': '{given}' is not one number for each of"
                    f" {', '.join(names)}"
                )

    def at(self, now_ns: int) -> FloatArray:
        """The set-point in force, shape (C,). Time must not go back."""
        if self._fixed is not None:
            return self._fixed
        if self._until_ns is None or now_ns >= self._until_ns:
            rest = self._generator.uniform() < self._settings.zero_share
            drawn = self._generator.uniform(*self._ranges.T)
            self._value = np.zeros(len(drawn)) if rest else drawn
            self._until_ns = now_ns + round(self._generator.uniform(*self._settings.hold_s) * 1e9)
        return self._value


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(ReferenceNode, args)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
