"""Many simulated robots of one kind, each with its own parameters, stepped together in closed loop."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np

from adapt.robot.specification import RobotSpecification
from adapt.sim.sensing import Sensing
from adapt.sim.simulated_robot import SimulatedRobot
from adapt.sim.terrain import Planes
from adapt.stream.tick import BoolArray, FloatArray


class Fleet:
    """E robots. One call of `step` takes each of them one control tick further.

    MuJoCo computes outside the interpreter's lock, so threads may share the robots.

    Attributes:
        spec: the robot.
        robots: E of them.
        sensing: what they measure.
    """

    def __init__(self, spec: RobotSpecification, robots: Sequence[SimulatedRobot], threads: int = 1) -> None:
        """Take the robots as they are.

        Raises:
            UserError: see `Sensing`.
        """
        self.spec = spec
        self.robots = list(robots)
        step_s = self.robots[0].step_s
        self._steps = round(spec.period_s / step_s)
        self._late = [round(robot.conditions.latency_s / step_s) for robot in self.robots]
        self._sent: list[FloatArray] = []
        self.sensing = Sensing(spec, self.robots)
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __len__(self) -> int:
        return len(self.robots)

    def reset(self, generator: np.random.Generator) -> None:
        """Put all robots to their start, with its spread."""
        self._sent = []
        for robot in self.robots:
            robot.reset(generator)

    def step(self, actions: FloatArray) -> None:
        """One control tick under `actions`, shape (E, A); a robot that is late still follows older ones."""
        self._sent = [actions, *self._sent[: max(self._late) // self._steps + 1]]
        if self._pool is None:
            self._step(0, 1)
        else:
            list(self._pool.map(lambda first: self._step(first, self._threads), range(self._threads)))

    def _step(self, first: int, stride: int) -> None:
        for row in range(first, len(self), stride):
            whole, part = divmod(self._late[row], self._steps)
            if part > 0:
                self.robots[row].run(self._action(row, whole + 1), part)
            self.robots[row].run(self._action(row, whole), self._steps - part)

    def _action(self, row: int, ago: int) -> FloatArray:
        # Until the first action arrives there is no older one: it is in force from the start.
        return np.asarray(self._sent[min(ago, len(self._sent) - 1)][row])

    def observe(self) -> FloatArray:
        """What the robots would measure without any noise, shape (E, O)."""
        return self.sensing.read()

    def measure(self, generator: np.random.Generator) -> FloatArray:
        """What they measure: with the noise and the resolution of the robot file's channels, shape (E, O)."""
        return self.sensing.blur(self.observe(), generator)

    @property
    def fallen(self) -> BoolArray:
        """Which robots have fallen since the last reset, shape (E,)."""
        return np.array([robot.fallen for robot in self.robots])

    @property
    def base_position(self) -> FloatArray:
        """Where the root bodies are, shape (E, 3), m."""
        return np.stack([robot.data.xpos[1] for robot in self.robots])

    @cached_property
    def _planes(self) -> Planes:
        return Planes([robot.model for robot in self.robots])

    def clearance(self, geoms: Sequence[str]) -> FloatArray:
        """Heights of the centres of these geoms above the ground, shape (E, len(geoms)), m.

        Raises:
            UserError: see `Planes`.
        """
        index = [self.robots[0].model.geom(name).id for name in geoms]
        points = np.stack([robot.data.geom_xpos[index] for robot in self.robots])
        return points[..., 2] - self._planes.height(points[..., :2])
