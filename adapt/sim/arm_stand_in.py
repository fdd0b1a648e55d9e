"""The stand-in of a servo arm: a simulated arm with hidden effects, behind the interface of the hardware."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification
from adapt.sim.hardware import Hardware
from adapt.sim.scenario import Scenario
from adapt.stream.tick import FloatArray

SPEEDS = "joint_velocity"
"""What servos report besides the channel that the action targets: their speeds, in rad/s."""


class ArmStandIn:
    """One arm of `scenario`, in its own simulated time. The same calls and seed give the same robot.

    A servo holds its last set-point for as long as no command arrives.
    """

    def __init__(
        self,
        spec: RobotSpecification,
        scenario: Scenario,
        seed: int,
        start_ns: int = 0,
        pose: FloatArray | None = None,
    ) -> None:
        """Start at rest at `pose` (A,), rad; without one at zero, or the limit nearest to it.

        Raises:
            UserError: see `load_model`; or the action targets no channel.
        """
        if spec.action.targets is None:
            raise UserError(f"robot {spec.name}: key 'action.targets' is missing: name the servos' channel")
        self._channel = spec.action.targets
        low, high = np.array([each.position for each in spec.action.limits.values()]).T
        pose = np.clip(0.0, low, high) if pose is None else np.array(pose, dtype=np.float64)
        self._hardware = Hardware(spec, [scenario], pose[None])
        self._scenario = scenario
        self._wanted = pose
        self._start_ns = self._now_ns = start_ns
        self._step_ns = round(self._hardware.step_s * 1e9)
        self._on_the_way: deque[tuple[int, FloatArray]] = deque()
        self._events = deque(sorted(scenario.events, key=lambda event: event.time_s))
        seeds = np.random.SeedSequence(seed).spawn(3)
        self._delays, self._losses, self._noise = (np.random.default_rng(each) for each in seeds)

    @property
    def now_ns(self) -> int:
        """How far the robot has been simulated, ns."""
        return self._now_ns

    @property
    def scenario(self) -> Scenario:
        """The numbers in force now."""
        return self._scenario

    @property
    def true_position(self) -> FloatArray:
        """Where the links really are, shape (A,), rad."""
        return np.array(self._hardware.position[0])

    def command(self, stamp_ns: int, values: FloatArray) -> None:
        """Tell the servos `values` (A,), rad, at `stamp_ns`; it takes the servos' delay to act.

        Raises:
            ValueError: a value is not finite, or there are not A of them.
        """
        if values.shape != self._wanted.shape or not np.isfinite(values).all():
            raise ValueError(f"a command must be {len(self._wanted)} finite numbers, not {values}")
        lost = self._losses.uniform() < self._scenario.lost_commands
        jitter = self._delays.exponential() * self._scenario.servo_jitter_s
        if lost:
            return
        due = stamp_ns + round((self._scenario.servo_delay_s + jitter) * 1e9)
        if self._on_the_way:
            due = max(due, self._on_the_way[-1][0])
        self._on_the_way.append((due, np.array(values, dtype=np.float64)))

    def advance(self, to_ns: int) -> None:
        """Simulate whole physics steps up to `to_ns`; a time that has passed changes nothing."""
        while self._now_ns + self._step_ns <= to_ns:
            while self._events and self._start_ns + round(self._events[0].time_s * 1e9) <= self._now_ns:
                self._change(self._events.popleft().set)
            while self._on_the_way and self._on_the_way[0][0] <= self._now_ns:
                self._wanted = self._on_the_way.popleft()[1]
            self._hardware.step(self._wanted[None])
            self._now_ns += self._step_ns

    @property
    def base_position(self) -> FloatArray:
        """Where the base is, which does not move, shape (3,), m."""
        return np.zeros(3)

    @property
    def base_rotation(self) -> FloatArray:
        """How the base stands, shape (3, 3)."""
        return np.eye(3)

    @property
    def fallen(self) -> bool:
        """An arm does not fall."""
        return False

    def measure(self) -> dict[str, tuple[int, FloatArray]]:
        """Stamp in ns and values by channel, and speeds under `SPEEDS`; nothing where the message is lost."""
        lost = self._losses.uniform() < self._scenario.lost_measurements
        noise = self._noise.normal(size=self._wanted.shape) * self._scenario.sensor_noise
        if lost:
            return {}
        position = _rounded(self._hardware.encoder[0] + noise, self._scenario.encoder_step)
        velocity = _rounded(self._hardware.velocity[0], self._scenario.velocity_step)
        return {self._channel: (self._now_ns, position), SPEEDS: (self._now_ns, velocity)}

    def set(self, field: str, value: Any) -> None:
        """Change one number of the scenario from now on, such as `payload_mass`.

        Raises:
            UserError: there is no such field, or the value is out of its range.
        """
        try:
            self._change({field: value})
        except ValueError as error:
            reason = " ".join(str(error).split())
            raise UserError(f"stand-in: cannot set '{field}' to {value}: {reason}") from error

    def _change(self, values: dict[str, Any]) -> None:
        changed = self._scenario.changed(values)
        changed.check_joints(len(self._wanted))
        self._scenario = changed
        self._hardware.configure([self._scenario])


def _rounded(values: FloatArray, step: float) -> FloatArray:
    return np.round(values / step) * step if step > 0 else values
