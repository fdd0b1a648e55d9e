"""Many simulated robots of one kind, each with its own parameters, stepped together in closed loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mujoco
import numpy as np

from adapt.robot.specification import RobotSpecification
from adapt.sim.conditions import Conditions, apply_conditions
from adapt.sim.mechanics import load_mechanics, simulation_of
from adapt.sim.sensing import Sensing
from adapt.sim.terrain import Planes
from adapt.stream.tick import BoolArray, FloatArray


class Fleet:
    """E robots. One call of `step` takes each of them one control tick further.

    A tick of n physics steps is done as the second half of one step, n - 1 steps and the first half of
    another (Todorov's split of `mj_step`): what is observed then belongs to the very state in which the
    robots are, and no step is computed twice. MuJoCo computes outside the interpreter's lock, so that
    threads share the robots.

    Attributes:
        spec: the robot.
        conditions: of each robot, E of them.
        models: MuJoCo models, E of them.
        datas: MuJoCo states, E of them.
        ticks: since the last reset.
        fallen: shape (E,), whether each has fallen since then.
    """

    def __init__(self, spec: RobotSpecification, conditions: Sequence[Conditions], threads: int = 1) -> None:
        """Make the robots; `reset` before the first use.

        Raises:
            UserError: see `load_mechanics` and `apply_conditions`.
        """
        nominal = load_mechanics(spec)
        self.spec = spec
        self.conditions = list(conditions)
        self.models = [apply_conditions(nominal, each) for each in conditions]
        self.datas = [mujoco.MjData(model) for model in self.models]
        self.ticks = 0
        self.fallen: BoolArray = np.zeros(len(self.models), dtype=bool)
        self._steps = round(spec.period_s / nominal.opt.timestep)
        self._entries = [nominal.actuator(entry).id for entry in spec.action.entries]
        self._late = [round(each.latency_s / nominal.opt.timestep) for each in conditions]
        self._sent: list[FloatArray] = []
        self._sensing = Sensing(spec, self.models)
        self._planes: Planes | None = None
        fall = simulation_of(spec).fall
        self._upright = -2.0 if fall.tilt_degrees is None else float(np.cos(np.radians(fall.tilt_degrees)))
        self._watched = np.isin(nominal.geom_bodyid, [nominal.body(name).id for name in fall.bodies])
        self._terrain = nominal.geom_bodyid == 0
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __len__(self) -> int:
        return len(self.models)

    def reset(self, generator: np.random.Generator) -> None:
        """Put all robots to their start."""
        start = simulation_of(self.spec).start
        self.ticks, self._sent = 0, []
        self.fallen = np.zeros(len(self), dtype=bool)
        for model, data in zip(self.models, self.datas, strict=True):
            if start.keyframe is None:
                mujoco.mj_resetData(model, data)
            else:
                mujoco.mj_resetDataKeyframe(model, data, model.key(start.keyframe).id)
            free = model.njnt > 0 and model.jnt_type[0] == mujoco.mjtJoint.mjJNT_FREE
            joints = model.nq - 7 if free else model.nq
            data.qpos[-joints:] += start.position_spread * generator.uniform(-1, 1, size=joints)
            data.qvel[-joints:] += start.velocity_spread * generator.uniform(-1, 1, size=joints)
            mujoco.mj_forward(model, data)

    def step(self, actions: FloatArray) -> None:
        """One control tick under `actions`, shape (E, A); a robot that is late still follows older ones."""
        self._sent = [actions, *self._sent[: max(self._late, default=0) // self._steps + 1]]
        self._for_each(self._step)
        self.ticks += 1

    def _step(self, row: int) -> None:
        model, data = self.models[row], self.datas[row]
        whole, part = divmod(self._late[row], self._steps)
        if part == 0:
            data.ctrl[self._entries] = self._action(row, whole)
            mujoco.mj_step2(model, data)
            mujoco.mj_step(model, data, self._steps - 1)
        else:
            data.ctrl[self._entries] = self._action(row, whole + 1)
            mujoco.mj_step2(model, data)
            mujoco.mj_step(model, data, part - 1)
            data.ctrl[self._entries] = self._action(row, whole)
            mujoco.mj_step(model, data, self._steps - part)
        mujoco.mj_step1(model, data)
        if data.xmat[1, 8] < self._upright or self._touches(data):
            self.fallen[row] = True

    def _action(self, row: int, ago: int) -> FloatArray:
        # Before the first action has arrived, the motors hold to it as well.
        return np.asarray(self._sent[min(ago, len(self._sent) - 1)][row])

    def _touches(self, data: Any) -> bool:
        if not self._watched.any() or data.ncon == 0:
            return False
        pairs = data.contact.geom
        return bool((self._watched[pairs].any(axis=1) & self._terrain[pairs].any(axis=1)).any())

    def _for_each(self, work: Callable[[int], None]) -> None:
        if self._pool is None:
            for row in range(len(self)):
                work(row)
            return

        def share(first: int) -> None:
            for row in range(first, len(self), self._threads):
                work(row)

        list(self._pool.map(share, range(self._threads)))

    def observe(self) -> FloatArray:
        """What the robots would measure without any noise, shape (E, O)."""
        return self._sensing.read(self.datas, self.ticks)

    def measure(self, generator: np.random.Generator) -> FloatArray:
        """What they measure: with the noise and the resolution of the robot file's channels, shape (E, O)."""
        return self._sensing.blur(self.observe(), generator)

    @property
    def base_position(self) -> FloatArray:
        """Where the root bodies are, shape (E, 3), m."""
        return np.stack([data.xpos[1] for data in self.datas])

    def clearance(self, geoms: Sequence[str]) -> FloatArray:
        """Heights of the centres of these geoms above the ground, shape (E, len(geoms)), m.

        Raises:
            UserError: see `Planes`.
        """
        index = [self.models[0].geom(name).id for name in geoms]
        self._planes = self._planes or Planes(self.models)
        points = np.stack([data.geom_xpos[index] for data in self.datas])
        return points[..., 2] - self._planes.height(points[..., :2])
