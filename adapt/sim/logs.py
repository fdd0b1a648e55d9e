"""Logs of a real arm: what its servos were told and where they were."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ArmLog:
    """One motion of a real arm, N samples of A joints in the order of the robot's action.

    Attributes:
        name: of the motion.
        time_s: shape (N,), rising, s; the command of a row is sent at its time.
        command: shape (N, A), rad.
        position: shape (N, A), rad.
    """

    name: str
    time_s: FloatArray
    command: FloatArray
    position: FloatArray

    def middle(self, duration_s: float) -> ArmLog:
        """The `duration_s` around the middle of the motion, or all of it where it is shorter."""
        centre = (self.time_s[0] + self.time_s[-1]) / 2
        rows = np.abs(self.time_s - centre) <= duration_s / 2
        return ArmLog(self.name, self.time_s[rows], self.command[rows], self.position[rows])


def read_logs(spec: RobotSpecification, folder: Path) -> list[ArmLog]:
    """Read all motions in `folder`, by name: .npz files with t_us_ctrl (us), u and q (rad).

    Raises:
        UserError: there is none, or one is not such a file or not of this robot.
    """
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise UserError(f"{folder}: no logs (*.npz) here: give the folder that holds the motions")
    logs = []
    for path in paths:
        try:
            with np.load(path) as content:
                log = ArmLog(
                    path.stem,
                    (content["t_us_ctrl"] - content["t_us_ctrl"][0]) * 1e-6,
                    content["u"].astype(np.float64),
                    content["q"].astype(np.float64),
                )
        except (KeyError, ValueError, OSError, BadZipFile) as error:
            raise UserError(f"{path}: not a log with t_us_ctrl, u and q: {error}") from error
        shape = (len(log.time_s), spec.action_size)
        if log.command.shape != shape or log.position.shape != shape:
            raise UserError(f"{path}: u and q must have shape {shape} for robot {spec.name}")
        if not all(np.isfinite(values).all() for values in (log.time_s, log.command, log.position)):
            raise UserError(f"{path}: holds values that are not finite: remove those rows")
        logs.append(log)
    return logs
