"""Fit a scenario to the logs of a real arm, and say how well a scenario follows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from adapt.robot.specification import RobotSpecification
from adapt.sim.hardware import Hardware
from adapt.sim.logs import ArmLog
from adapt.sim.scenario import Scenario
from adapt.stream.tick import FloatArray

SETTLING_S = 0.5
"""The start of a motion is not judged: where the gears stood before is unknown."""

# Fitted fields and their bounds. A field of one joint moves the others little, so that one simulation
# tells the derivatives of all joints; the fields in _ACROSS act across joints and are varied one by one.
_WITHIN = {
    "stiffness": (2.0, 80.0),
    "lead_s": (0.002, 0.3),
    "profile_acceleration": (15.0, 1000.0),
    "profile_velocity": (0.8, 10.0),
    "torque_limit": (0.3, 6.0),
    "damping": (0.05, 4.0),
    "coulomb_friction": (0.005, 1.0),
    "static_friction": (0.005, 1.5),
    "stribeck_velocity": (0.02, 1.0),
    "load_friction": (0.005, 0.6),
    "dead_zone": (0.0002, 0.05),
    "backlash": (0.0002, 0.05),
}
_ACROSS = {"mass_scale": (0.5, 2.0)}
_ANGLE = {"calibration": (-0.4, 0.4)}
_DELAY = (0.001, 0.06)
_STEP = 0.05
"""Of the differences, in the logarithm of a value, or in rad; friction makes smaller ones unsteady."""


@dataclass(frozen=True, slots=True, eq=False)
class FollowingError:
    """How far a simulated arm is from the real one when both get the same commands, rad RMS.

    Attributes:
        joints: shape (A,).
        total: over all joints.
        motions: by motion, over all joints.
    """

    joints: FloatArray
    total: float
    motions: dict[str, float]


def follow(
    spec: RobotSpecification, scenarios: Sequence[Scenario], logs: Sequence[ArmLog]
) -> list[FloatArray]:
    """Drive scenario i open loop with the commands of log i from its first position.

    Losses, jitter and noise are left out, and what the encoder saw is not rounded.

    Returns:
        what each encoder saw at the times of its log, shape (N, A), rad.
    """
    hardware = Hardware(spec, scenarios, np.stack([log.position[0] for log in logs]))
    delays = np.array([each.servo_delay_s for each in scenarios])
    return _drive(hardware, delays, logs)


def following_error(spec: RobotSpecification, scenario: Scenario, logs: Sequence[ArmLog]) -> FollowingError:
    """The error of `scenario` over whole motions, all samples alike."""
    paths = follow(spec, [scenario] * len(logs), logs)
    squares = [
        ((path - log.position) ** 2)[log.time_s - log.time_s[0] >= SETTLING_S]
        for path, log in zip(paths, logs, strict=True)
    ]
    joints = np.sqrt(np.concatenate(squares).mean(axis=0))
    motions = {log.name: float(np.sqrt(each.mean())) for log, each in zip(logs, squares, strict=True)}
    return FollowingError(joints, float(np.sqrt((joints**2).mean())), motions)


def fit(
    spec: RobotSpecification,
    start: Scenario,
    logs: Sequence[ArmLog],
    rounds: int = 12,
    progress: Callable[[float], None] | None = None,
) -> Scenario:
    """Fit the servos' and arm's numbers, from those of `start`, by least squares over `logs`.

    `progress` is told the error (rad RMS) after each round. Time goes with the length of the logs:
    about 100 s of motion take 20 s a round on one core.
    """
    problem = _Problem(spec, start, logs)

    def residuals(x: FloatArray) -> FloatArray:
        return np.asarray(problem.residuals(x[None])[0])

    def jacobian(x: FloatArray) -> FloatArray:
        if progress is not None:
            progress(float(np.sqrt(np.mean(problem.residuals(x[None])[0] ** 2))))
        return problem.jacobian(x)

    low, high = problem.bounds
    first = np.clip(problem.encode(start), low + 1e-6, high - 1e-6)
    result = least_squares(
        residuals,
        first,
        jac=jacobian,
        bounds=(low, high),
        max_nfev=rounds,
        x_scale=problem.scale,
        loss="soft_l1",
        f_scale=0.03,
    )
    return problem.decode(result.x)


class _Problem:
    """Numbers of a scenario as one vector, and the errors that they leave."""

    def __init__(self, spec: RobotSpecification, start: Scenario, logs: Sequence[ArmLog]) -> None:
        self._spec = spec
        self._start = start
        self._logs = logs
        self._size = spec.action_size
        self._fields = [*_WITHIN, *_ACROSS, *_ANGLE]
        self._judged = [log.time_s - log.time_s[0] >= SETTLING_S for log in logs]
        # For each residual, its joint: rows are ordered by log, time, joint.
        self._joint = np.concatenate(
            [np.tile(np.arange(self._size), int(each.sum())) for each in self._judged]
        )

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        rows = []
        for ranges, angle in ((_WITHIN, False), (_ACROSS, False), (_ANGLE, True)):
            rows += [
                np.array(each) if angle else np.log(each)
                for each in ranges.values()
                for _ in range(self._size)
            ]
        low, high = np.array([*rows, np.log(_DELAY)]).T
        return low, high

    @property
    def scale(self) -> FloatArray:
        ones = np.ones((len(self._fields), self._size))
        ones[-1] = 0.2
        return np.append(ones, 0.5)

    def encode(self, scenario: Scenario) -> FloatArray:
        rows = [np.broadcast_to(np.asarray(getattr(scenario, name)), (self._size,)) for name in self._fields]
        logs = [np.log(np.maximum(row, 1e-9)) for row in rows[:-1]]
        return np.concatenate([*logs, rows[-1], [np.log(scenario.servo_delay_s)]])

    def decode(self, x: FloatArray) -> Scenario:
        values, delay = self._values(x[None])
        rounded: dict[str, Any] = {
            name: tuple(float(f"{value:.4g}") for value in row[0]) for name, row in values.items()
        }
        return self._start.changed({**rounded, "servo_delay_s": float(f"{delay[0]:.3g}")})

    def _values(self, x: FloatArray) -> tuple[dict[str, FloatArray], FloatArray]:
        table = x[:, :-1].reshape(len(x), len(self._fields), self._size)
        values = {name: np.exp(table[:, index]) for index, name in enumerate(self._fields)}
        values["calibration"] = table[:, -1]
        values["static_friction"] = np.maximum(values["static_friction"], values["coulomb_friction"])
        return values, np.exp(x[:, -1])

    def residuals(self, x: FloatArray) -> FloatArray:
        """Errors (K, M) of K vectors (K, P), simulated at once."""
        count = len(x)
        values, delays = self._values(x)
        logs = [log for log in self._logs for _ in range(count)]
        repeat = len(self._logs)
        hardware = Hardware(
            self._spec, [self._start] * len(logs), np.stack([log.position[0] for log in logs])
        )
        hardware.replace({name: np.tile(rows, (repeat, 1)) for name, rows in values.items()})
        paths = _drive(hardware, np.tile(delays, repeat), logs)
        errors = [[] for _ in range(count)]  # type: list[list[FloatArray]]
        for index, path in enumerate(paths):
            log, judged = logs[index], self._judged[index // count]
            errors[index % count].append((path - log.position)[judged].ravel())
        return np.array([np.concatenate(each) for each in errors])

    def jacobian(self, x: FloatArray) -> FloatArray:
        columns = [np.arange(self._size) + self._size * row for row in range(len(_WITHIN))]
        together = len(columns)
        columns += [np.array([column]) for column in range(self._size * together, len(x))]
        _, high = self.bounds
        moved = np.tile(x, (1 + len(columns), 1))
        steps = []
        for row, column in enumerate(columns):
            step = np.where(x[column] + _STEP > high[column], -_STEP, _STEP)
            moved[1 + row, column] += step
            steps.append(step)
        errors = self.residuals(moved)
        result = np.zeros((errors.shape[1], len(x)))
        for row, (column, step) in enumerate(zip(columns, steps, strict=True)):
            change = errors[1 + row] - errors[0]
            if row < together:
                for joint in range(self._size):
                    mine = self._joint == joint
                    result[mine, column[joint]] = change[mine] / step[joint]
            else:
                result[:, column[0]] = change / step[0]
        return result


def _drive(hardware: Hardware, delays: FloatArray, logs: Sequence[ArmLog]) -> list[FloatArray]:
    step_s = hardware.step_s
    steps = int(np.ceil(max(log.time_s[-1] - log.time_s[0] for log in logs) / step_s)) + 2
    wanted = np.stack(
        [_held(log, delay, step_s, steps) for log, delay in zip(logs, delays, strict=True)], axis=1
    )
    seen = np.empty((steps + 1, *hardware.encoder.shape))
    seen[0] = hardware.encoder
    for index in range(steps):
        hardware.step(wanted[index])
        seen[index + 1] = hardware.encoder
    paths = []
    for index, log in enumerate(logs):
        at = (log.time_s - log.time_s[0]) / step_s
        before = at.astype(np.int64)
        share = (at - before)[:, None]
        paths.append(seen[before, index] * (1 - share) + seen[before + 1, index] * share)
    return paths


def _held(log: ArmLog, delay: float, step_s: float, steps: int) -> FloatArray:
    """The log's commands, `delay` late, averaged over each step so that the delay may be any number."""
    edges = np.arange(steps + 1) * step_s - delay + log.time_s[0]
    times = np.concatenate([log.time_s, [max(edges[-1], log.time_s[-1]) + step_s]])
    covered = np.concatenate(
        [np.zeros((1, log.command.shape[1])), (np.diff(times)[:, None] * log.command).cumsum(0)]
    )
    before = np.minimum(edges - log.time_s[0], 0.0)[:, None] * log.command[0]
    integral = np.stack([np.interp(edges, times, column) for column in covered.T], axis=1) + before
    return np.asarray(np.diff(integral, axis=0) / step_s)
