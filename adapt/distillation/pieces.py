"""Logs in short pieces: what tells one simulator from another, robot by robot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray

PIECE_S = 0.5
"""Length of a piece: a step of a walking robot."""
STILL = 0.02
"""Of the width of its limits; where no action moves by more, a piece tells nothing."""

Float32Array = npt.NDArray[np.float32]


class Reader:
    """Turns ticks into D numbers each: what is measured, how far each action is from what it targets, and of
    each height map the plane that fits it best (its height, and its rise along x and y).
    """

    def __init__(self, spec: RobotSpecification) -> None:
        """Prepare for one robot."""
        self._spec = spec
        self._vector = np.array(spec.vector_indices)
        self._anchor = np.array([max(each, 0) for each in spec.action_anchor])
        self._anchored = np.array([each >= 0 for each in spec.action_anchor])
        self._planes = []
        for key, channel in spec.channels.items():
            if (scan := channel.height_map) is not None:
                x, y = np.linspace(*scan.x, scan.columns), np.linspace(*scan.y, scan.rows)
                across, along = (each.ravel() for each in np.meshgrid(x, y))
                plane = np.linalg.pinv(np.stack([np.ones_like(across), across, along], axis=1))
                self._planes.append((spec.channel_slice(key), plane))
        tilt = None if spec.simulation is None else spec.simulation.fall.tilt_degrees
        gravities = [key for key, each in spec.channels.items() if each.transform == "projected_gravity"]
        self._down = [spec.channel_slice(key).start + 2 for key in gravities if tilt is not None]
        self._upright = np.cos(np.radians(tilt or 0.0))
        self.ticks = max(2, round(PIECE_S * spec.rate_hz))
        self._moves = STILL * np.array([np.ptp(each.position) for each in spec.action.limits.values()])

    @property
    def names(self) -> list[str]:
        """Of the D numbers."""
        measured = [self._spec.observation_names[each] for each in self._vector]
        actions = [f"action/{each}" for each in self._spec.action.entries]
        maps = [key for key, channel in self._spec.channels.items() if channel.height_map is not None]
        return measured + actions + [f"{key}/{part}" for key in maps for part in ("height", "dx", "dy")]

    def pieces(self, runs: Iterable[tuple[FloatArray, FloatArray]]) -> Float32Array:
        """The moving pieces of some runs of consecutive ticks.

        Args:
            runs: observation (L, O) and action (L, A) of each.

        Returns:
            shape (N, D, P), P ticks each.
        """
        found = [np.empty((0, len(self.names), self.ticks), np.float32)]
        for observation, action in self._on_its_feet(runs):
            count = len(observation) // self.ticks
            if count == 0:
                continue
            whole = slice(count * self.ticks)
            read = self._read(observation[whole], action[whole])
            moves = np.ptp(action[whole].reshape(count, self.ticks, -1), axis=1)
            moving = (moves > self._moves).any(axis=1)
            found.append(read.reshape(count, self.ticks, -1).transpose(0, 2, 1)[moving].astype(np.float32))
        return np.concatenate(found)

    def _on_its_feet(
        self, runs: Iterable[tuple[FloatArray, FloatArray]]
    ) -> Iterator[tuple[FloatArray, FloatArray]]:
        """The stretches of runs in which the robot has not fallen, by the tilt of the robot file.

        No simulator is asked what a robot does that lies, and is picked up. How it came to fall tells of the
        ground.
        """
        for observation, action in runs:
            stands = (-observation[:, self._down] >= self._upright).all(axis=1)
            borders = np.flatnonzero(np.diff(stands)) + 1
            for stretch in np.split(np.arange(len(stands)), borders):
                if len(stretch) and stands[stretch[0]]:
                    yield observation[stretch], action[stretch]

    def _read(self, observation: FloatArray, action: FloatArray) -> FloatArray:
        away = action - np.where(self._anchored, observation[:, self._anchor], 0.0)
        planes = [observation[:, where] @ plane.T for where, plane in self._planes]
        return np.concatenate([observation[:, self._vector], away, *planes], axis=1)
