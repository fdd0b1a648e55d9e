"""What simulated robots measure, channel by channel of the robot file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

from adapt.errors import UserError
from adapt.robot.interface import Channel
from adapt.robot.specification import RobotSpecification
from adapt.sim.simulated_robot import SimulatedRobot
from adapt.sim.terrain import HeightScan, Planes
from adapt.stream.tick import FloatArray

JOINT_STATE = "sensor_msgs/msg/JointState"
STATE_FIELDS = ("qpos", "qvel", "sensordata")


class Sensing:
    """Finds every observation value in a MuJoCo state.

    JointState channels are positions and velocities of the joints of these names; projected gravity is
    that of the root body; height maps come from the terrain; any other channel is an MJCF sensor named
    like the channel, with a value per entry, or one sensor per entry named channel/entry.
    """

    def __init__(self, spec: RobotSpecification, robots: Sequence[SimulatedRobot]) -> None:
        """Find the sources, for E robots of one kind.

        Raises:
            UserError: the model has no joint or sensor for an entry.
        """
        self._spec = spec
        self._size = spec.observation_size
        self._robots = robots
        model = robots[0].model
        self._position: list[tuple[int, int]] = []
        self._velocity: list[tuple[int, int]] = []
        self._sensor: list[tuple[int, int]] = []
        start = 0
        for key, channel in spec.channels.items():
            if channel.height_map is None and channel.transform == "none":
                for offset, name in enumerate(channel.names):
                    self._place(model, key, channel, name, start + offset, offset)
            start += len(channel.names)
        self._gravity = [key for key, each in spec.channels.items() if each.transform == "projected_gravity"]
        maps = {key: each.height_map for key, each in spec.channels.items() if each.height_map}
        planes = Planes([robot.model for robot in robots]) if maps else None
        self._scans = {key: HeightScan(each, planes) for key, each in maps.items() if planes is not None}
        self._noise = np.concatenate([[each.noise] * len(each.names) for each in spec.channels.values()])
        self._resolution = np.concatenate(
            [[each.resolution] * len(each.names) for each in spec.channels.values()]
        )

    def _place(self, model: Any, key: str, channel: Channel, name: str, row: int, offset: int) -> None:
        if channel.type == JOINT_STATE and channel.field in ("position", "velocity"):
            index = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, name)
            if index < 0:
                raise UserError(
                    f"robot {self._spec.name}: channels.{key}: the MJCF model has no joint '{name}'"
                )
            if channel.field == "position":
                self._position.append((row, model.jnt_qposadr[index]))
            else:
                self._velocity.append((row, model.jnt_dofadr[index]))
            return
        own = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SENSOR, f"{key}/{name}")
        shared = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SENSOR, key)
        if own >= 0 and model.sensor_dim[own] == 1:
            self._sensor.append((row, model.sensor_adr[own]))
        elif shared >= 0 and model.sensor_dim[shared] == len(channel.names):
            self._sensor.append((row, model.sensor_adr[shared] + offset))
        else:
            raise UserError(
                f"robot {self._spec.name}: channels.{key}: the MJCF model needs a sensor '{key}' of"
                f" {len(channel.names)} values, or one named '{key}/{name}'"
            )

    def read(self) -> FloatArray:
        """Noise-free observations of the robots as they are now, shape (E, O)."""
        datas = [robot.data for robot in self._robots]
        values = self._values(*(np.stack([getattr(data, each) for data in datas]) for each in STATE_FIELDS))
        if self._gravity or self._scans:
            rotation = np.stack([data.xmat[1] for data in datas]).reshape(-1, 3, 3)
            position = np.stack([data.xpos[1] for data in datas])
            for key in self._gravity:
                values[:, self._spec.channel_slice(key)] = self._down(rotation[:, None])[:, 0]
            for key, scan in self._scans.items():
                values[:, self._spec.channel_slice(key)] = scan(position, rotation)
        period_s = self._spec.clock_period_s
        if period_s is not None:
            phase = 2 * np.pi * np.array([data.time for data in datas]) / period_s
            values[:, -2:] = np.stack([np.cos(phase), np.sin(phase)], axis=1)
        return values

    def of_states(self, states: FloatArray, sensors: FloatArray) -> FloatArray:
        """What rewards speak of, in states that the robots might come to.

        Args:
            states: shape (E, N, S), MuJoCo's full physics states.
            sensors: shape (E, N, D), its sensor data.

        Returns:
            shape (E, N, O), noise-free; height maps and clock are left at zero, and gravity is that in
            the frame of a root body with a free joint.
        """
        model = self._robots[0].model
        position, velocity = np.split(states[..., 1 : 1 + model.nq + model.nv], [model.nq], axis=-1)
        values = self._values(position, velocity, sensors)
        for key in self._gravity:
            quaternion = position[..., 3:7].reshape(-1, 4)[:, [1, 2, 3, 0]]  # scipy has the scalar last
            rotation = Rotation.from_quat(quaternion).as_matrix().reshape(*position.shape[:-1], 3, 3)
            values[..., self._spec.channel_slice(key)] = self._down(rotation)
        return values

    def _values(self, position: FloatArray, velocity: FloatArray, sensors: FloatArray) -> FloatArray:
        """Joints and sensors put to their places, shapes (..., nq), (..., nv), (..., D) to (..., O)."""
        values = np.zeros((*position.shape[:-1], self._size))
        for places, source in (
            (self._position, position),
            (self._velocity, velocity),
            (self._sensor, sensors),
        ):
            if places:
                rows, columns = np.array(places).T
                values[..., rows] = source[..., columns]
        return values

    def _down(self, rotation: FloatArray) -> FloatArray:
        """The direction of gravity in body frames (E, N, 3, 3). Shape (E, N, 3)."""
        gravity = np.stack([robot.model.opt.gravity for robot in self._robots])
        down = gravity / np.linalg.norm(gravity, axis=1, keepdims=True)
        return np.asarray(np.einsum("enji,ej->eni", rotation, down))

    def blur(self, values: FloatArray, generator: np.random.Generator, scale: float = 1.0) -> FloatArray:
        """Add `scale` times the channels' noise to observations (..., O); round to the channels' steps."""
        size = len(self._noise)
        noisy = np.array(values)
        noisy[..., :size] += generator.normal(size=(*values.shape[:-1], size)) * self._noise * scale
        stepped = self._resolution > 0
        steps = self._resolution[stepped]
        noisy[..., :size][..., stepped] = np.round(noisy[..., :size][..., stepped] / steps) * steps
        return noisy
