"""One simulated robot: a MuJoCo model under its conditions, and its state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification
from adapt.sim.conditions import Conditions, apply_conditions, on_slope
from adapt.sim.mechanics import load_mechanics, simulation_of
from adapt.stream.tick import FloatArray


class SimulatedRobot:
    """Runs whole physics steps, and knows whether the robot has fallen.

    k steps are done as the second half of one, k - 1 whole ones and the first half of another
    (`mj_step2`, `mj_step`, `mj_step1`). So what is measured belongs to the very state in which the robot
    is, a new action acts at once, and nothing is computed twice.

    Attributes:
        model: the MuJoCo model.
        data: the MuJoCo state.
        conditions: body and surroundings.
        entries: which controls of the model the action's values are.
        step_s: the physics step.
        fallen: whether it has fallen since the last reset.
    """

    def __init__(self, spec: RobotSpecification, nominal: Any, conditions: Conditions) -> None:
        """Start at the robot file's start, without spread.

        Args:
            spec: the robot.
            nominal: its model from `load_mechanics`; it is not changed.
            conditions: what differs from it.

        Raises:
            UserError: see `apply_conditions`; or the robot file names a keyframe or a body that is not there.
        """
        simulation = simulation_of(spec)
        self._start = simulation.start
        self._nominal = nominal
        self.entries = [nominal.actuator(entry).id for entry in spec.action.entries]
        self.step_s = float(nominal.opt.timestep)
        fall = simulation.fall
        self._upright = -2.0 if fall.tilt_degrees is None else float(np.cos(np.radians(fall.tilt_degrees)))
        try:
            self._key = None if self._start.keyframe is None else nominal.key(self._start.keyframe).id
            watched = np.isin(nominal.geom_bodyid, [nominal.body(name).id for name in fall.bodies])
        except KeyError as error:
            raise UserError(f"robot {spec.name}: key 'simulation': {' '.join(str(error).split())}") from error
        terrain = nominal.geom_bodyid == 0
        self._forbidden = np.outer(watched, terrain) | np.outer(terrain, watched)
        self._free = nominal.njnt > 0 and nominal.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE
        self.configure(conditions)
        self.data = mujoco.MjData(self.model)
        self.reset(None)

    def configure(self, conditions: Conditions) -> None:
        """Give the robot other parameters; its motion goes on.

        Raises:
            UserError: see `apply_conditions`.
        """
        self.model = apply_conditions(self._nominal, conditions)
        self.conditions = conditions

    def reset(self, generator: np.random.Generator | None) -> None:
        """Put the robot to its start, with the spread of the robot file if there is a generator."""
        self.fallen = False
        if self._key is None:
            mujoco.mj_resetData(self.model, self.data)
        else:
            mujoco.mj_resetDataKeyframe(self.model, self.data, self._key)
        if generator is not None:
            joints = self.model.jnt_type != mujoco.mjtJoint.mjJNT_FREE
            position, velocity = self.model.jnt_qposadr[joints], self.model.jnt_dofadr[joints]
            for values, places, spread in (
                (self.data.qpos, position, self._start.position_spread),
                (self.data.qvel, velocity, self._start.velocity_spread),
            ):
                values[places] += spread * generator.uniform(-1, 1, size=len(places))
        if self._free:
            self.data.qpos[:3], self.data.qpos[3:7] = on_slope(
                self.data.qpos[:3], self.data.qpos[3:7], self.conditions.slope_degrees
            )
        self._held_at = np.array(self.data.qpos[:7]) if self._free else None
        self._held_steps = round(self._start.held_s / self.step_s)
        mujoco.mj_forward(self.model, self.data)

    def run(self, action: FloatArray, steps: int) -> None:
        """Take `steps` physics steps, at least one, under `action` (A,)."""
        self.data.ctrl[self.entries] = action
        if self._held_at is not None:
            held = min(steps, self._held_steps)
            self._hold(held)
            self._held_steps -= held
            steps -= held
            if steps == 0:
                return
            self._held_at = None
        mujoco.mj_step2(self.model, self.data)
        mujoco.mj_step(self.model, self.data, steps - 1)
        mujoco.mj_step1(self.model, self.data)
        self.fallen = self.fallen or bool(self.data.xmat[1, 8] < self._upright) or self._touches()

    def wait(self, action: FloatArray, steps: int) -> None:
        """As `run`, but the time for which the robot is held has not begun yet."""
        self._held_steps += steps
        self.run(action, steps)

    def _hold(self, steps: int) -> None:
        """Move the joints alone: the root body stays where the robot starts."""
        for _ in range(steps):
            mujoco.mj_step2(self.model, self.data)
            self.data.qpos[:7] = self._held_at
            self.data.qvel[:6] = 0.0
            mujoco.mj_step1(self.model, self.data)

    def _touches(self) -> bool:
        first, second = self.data.contact.geom.T
        return bool(self._forbidden[first, second].any())


def simulated_robots(spec: RobotSpecification, conditions: Sequence[Conditions]) -> list[SimulatedRobot]:
    """One robot for each of `conditions`.

    Raises:
        UserError: see `load_mechanics` and `SimulatedRobot`.
    """
    nominal = load_mechanics(spec)
    return [SimulatedRobot(spec, nominal, each) for each in conditions]
