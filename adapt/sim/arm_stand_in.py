"""The stand-in of a servo arm: a simulated arm with hidden effects, behind the interface of the hardware."""

from __future__ import annotations

import numpy as np

from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification
from adapt.sim.hardware import Hardware
from adapt.sim.hidden_robot import HiddenRobot
from adapt.sim.scenario import Scenario
from adapt.stream.tick import FloatArray

SPEEDS = "joint_velocity"
"""What servos report besides the channel that the action targets: their speeds, in rad/s."""


class ArmStandIn(HiddenRobot[Scenario]):
    """One arm of `scenario`: a servo holds its last set-point for as long as no command arrives."""

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
        self._spec = spec
        self._hardware = Hardware(spec, [scenario], pose[None])
        super().__init__(scenario, pose, self._hardware.step_s, seed, start_ns)

    @property
    def true_position(self) -> FloatArray:
        """Where the links really are, shape (A,), rad."""
        return np.array(self._hardware.position[0])

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
        lost = self._losses.uniform() < self.scenario.lost_measurements
        noise = self._noise.normal(size=self._wanted.shape) * self.scenario.sensor_noise
        if lost:
            return {}
        position = _rounded(self._hardware.encoder[0] + noise, self.scenario.encoder_step)
        velocity = _rounded(self._hardware.velocity[0], self.scenario.velocity_step)
        return {self._channel: (self.now_ns, position), SPEEDS: (self.now_ns, velocity)}

    def _delay_and_jitter_s(self) -> tuple[float, float]:
        return self.scenario.servo_delay_s, self.scenario.servo_jitter_s

    def _step(self) -> None:
        self._hardware.step(self._wanted[None])

    def _return(self) -> None:
        self._hardware = Hardware(self._spec, [self.scenario], self._at_start[None])

    def _configure(self, scenario: Scenario) -> None:
        scenario.check_joints(len(self._wanted))
        self._hardware.configure([scenario])


def _rounded(values: FloatArray, step: float) -> FloatArray:
    return np.round(values / step) * step if step > 0 else values
