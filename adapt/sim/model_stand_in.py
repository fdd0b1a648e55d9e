"""The stand-in of any robot with an MJCF model."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification
from adapt.sim.robot_scenario import RobotScenario
from adapt.sim.sensing import Sensing
from adapt.sim.simulated_robot import simulated_robots
from adapt.stream.tick import FloatArray


class ModelStandIn:
    """One robot of a scenario, in its own simulated time. The same calls and seed give the same robot.

    An action is in force until the next one; until the first, the motors hold the robot file's rest, or
    do nothing where there is none, and the base is held.

    Attributes:
        robot: the simulated robot itself, for those who may know the truth.
        scenario: the numbers in force now.
        now_ns: how far the robot has been simulated, ns.
    """

    def __init__(
        self, spec: RobotSpecification, scenario: RobotScenario, seed: int, start_ns: int = 0
    ) -> None:
        """Start where the robot file says.

        Raises:
            UserError: see `load_mechanics`, `SimulatedRobot` and `Sensing`.
        """
        self._spec = spec
        self.scenario = scenario
        self.robot = simulated_robots(spec, [scenario])[0]
        self.now_ns = self._start_ns = start_ns
        self._step_ns = round(self.robot.step_s * 1e9)
        seeds = np.random.SeedSequence(seed).spawn(4)
        self._delays, self._losses, self._noise, start = (np.random.default_rng(each) for each in seeds)
        if scenario.start_spread:
            self.robot.reset(start)
        rest = spec.rest_action
        self._wanted = np.zeros(spec.action_size) if rest is None else np.array(rest)
        self._commanded = False
        self._on_the_way: deque[tuple[int, FloatArray]] = deque()
        self._events = deque(sorted(scenario.events, key=lambda event: event.time_s))
        self._topics = list(dict.fromkeys(channel.topic for channel in spec.channels.values()))
        self._configure()

    def _configure(self) -> None:
        self._sensing = Sensing(self._spec, [self.robot])
        self._bias = np.zeros(self._spec.observation_size)
        for key, value in self.scenario.sensor_bias.items():
            if key in self._spec.channels:
                self._bias[self._spec.channel_slice(key)] += value
            else:
                self._bias[self._spec.observation_names.index(key)] += value

    @property
    def base_position(self) -> FloatArray:
        """Where the root body truly is, shape (3,), m."""
        return np.array(self.robot.data.xpos[1])

    @property
    def base_rotation(self) -> FloatArray:
        """How the root body truly stands, shape (3, 3): its axes as columns."""
        return np.array(self.robot.data.xmat[1]).reshape(3, 3)

    @property
    def fallen(self) -> bool:
        """Whether it has fallen since the start."""
        return self.robot.fallen

    def command(self, stamp_ns: int, values: FloatArray) -> None:
        """Tell the robot an action (A,) at `stamp_ns`; it takes the latency to act.

        Raises:
            ValueError: a value is not finite, or there are not A of them.
        """
        if values.shape != self._wanted.shape or not np.isfinite(values).all():
            raise ValueError(f"a command must be {len(self._wanted)} finite numbers, not {values}")
        lost = self._losses.uniform() < self.scenario.lost_commands
        jitter = self._delays.exponential() * self.scenario.latency_jitter_s
        if lost:
            return
        self._commanded = True
        due = stamp_ns + round((self.scenario.latency_s + jitter) * 1e9)
        if self._on_the_way:
            due = max(due, self._on_the_way[-1][0])
        self._on_the_way.append((due, np.array(values, dtype=np.float64)))

    def advance(self, to_ns: int) -> None:
        """Simulate whole physics steps up to `to_ns`; a time that has passed changes nothing."""
        while self.now_ns + self._step_ns <= to_ns:
            while self._events and self._start_ns + round(self._events[0].time_s * 1e9) <= self.now_ns:
                self._change(self._events.popleft().set)
            while self._on_the_way and self._on_the_way[0][0] <= self.now_ns:
                self._wanted = self._on_the_way.popleft()[1]
            if self._commanded:
                self.robot.run(self._wanted, 1)
            else:
                self.robot.wait(self._wanted, 1)
            self.now_ns += self._step_ns

    def measure(self) -> dict[str, tuple[int, FloatArray]]:
        """Stamp in ns and values by channel, as measured now; messages are lost topic by topic."""
        values = self._sensing.blur(
            self._sensing.read() + self._bias, self._noise, self.scenario.sensor_noise
        )[0]
        draws = self._losses.uniform(size=len(self._topics))
        arrived = {
            topic
            for topic, draw in zip(self._topics, draws, strict=True)
            if draw >= self.scenario.lost_measurements
        }
        return {
            key: (self.now_ns, values[self._spec.channel_slice(key)])
            for key, channel in self._spec.channels.items()
            if channel.topic in arrived
        }

    def set(self, field: str, value: Any) -> None:
        """Change one number of the scenario from now on, such as `friction`.

        Raises:
            UserError: there is no such field, or the value is out of its range.
        """
        try:
            self._change({field: value})
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise UserError(f"stand-in: cannot set '{field}' to {value}: {reason}") from error

    def _change(self, values: dict[str, Any]) -> None:
        self.scenario = self.scenario.changed(values)
        self.robot.configure(self.scenario)
        self._configure()
