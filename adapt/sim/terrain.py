"""Heights of the ground under simulated robots, for height maps and foot clearances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from adapt.errors import UserError
from adapt.robot.interface import HeightMap
from adapt.stream.tick import FloatArray


class Planes:
    """The terrain of E robots: the planes fixed to the world, of which the highest one counts."""

    def __init__(self, models: Sequence[Any]) -> None:
        """Read the planes.

        Raises:
            UserError: there is none, or another geom is fixed to the world.
        """
        first = models[0]
        terrain = np.flatnonzero(first.geom_bodyid == 0)
        if len(terrain) == 0 or (first.geom_type[terrain] != mujoco.mjtGeom.mjGEOM_PLANE).any():
            raise UserError(
                "simulated robots with height maps or clearances know terrain of planes only: let the"
                " MJCF model's world have one or more planes and no other geoms"
            )
        normals = np.empty((len(models), len(terrain), 3))
        for row, model in enumerate(models):
            for column, geom in enumerate(terrain):
                mujoco.mju_rotVecQuat(normals[row, column], np.array([0.0, 0.0, 1.0]), model.geom_quat[geom])
        points = np.stack([model.geom_pos[terrain] for model in models])
        self._gradient = -normals[..., :2] / normals[..., 2:]
        self._offset = points[..., 2] - (self._gradient * points[..., :2]).sum(-1)

    def height(self, points: FloatArray) -> FloatArray:
        """Height of the ground at `points` (E, N, 2), m. Shape (E, N)."""
        if not self._gradient.any():
            return np.broadcast_to(self._offset.max(axis=1, keepdims=True), points.shape[:2])
        heights = np.einsum("enk,epk->epn", points, self._gradient) + self._offset[..., None]
        return np.asarray(heights.max(axis=1))


class HeightScan:
    """A height map's values around the bases of E robots."""

    def __init__(self, settings: HeightMap, planes: Planes) -> None:
        self._settings = settings
        self._planes = planes
        x, y = np.linspace(*settings.x, settings.columns), np.linspace(*settings.y, settings.rows)
        grid = np.meshgrid(x, y)
        self._cells = np.stack([each.ravel() for each in grid], axis=-1)

    def __call__(self, position: FloatArray, rotation: FloatArray) -> FloatArray:
        """Values for bases at `position` (E, 3) with `rotation` (E, 3, 3). Shape (E, rows * columns)."""
        yaw = np.arctan2(rotation[:, 1, 0], rotation[:, 0, 0])
        back = np.stack([np.cos(yaw), np.sin(yaw), -np.sin(yaw), np.cos(yaw)], axis=-1).reshape(-1, 2, 2)
        points = self._cells @ back + position[:, None, :2]
        values = position[:, 2:] - self._planes.height(points) - self._settings.offset
        return np.clip(values, -self._settings.clip, self._settings.clip)
