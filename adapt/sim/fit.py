"""Fit the numbers of a scenario to the logs of a real arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import least_squares

from adapt.robot.specification import RobotSpecification
from adapt.sim.following import SETTLING_S, drive
from adapt.sim.hardware import Hardware
from adapt.sim.logs import ArmLog
from adapt.sim.scenario import Scenario
from adapt.stream.tick import FloatArray


class _Field(NamedTuple):
    """A fitted field: its bounds, and the unit in which it is varied; without one, its logarithm is."""

    low: float
    high: float
    unit: float | None = None


# A field of one joint moves the other joints little, so that one simulation tells the derivatives of all
# joints by it. Those in _ACROSS act across joints and are varied one by one.
_WITHIN = {
    "stiffness": _Field(2.0, 80.0),
    "lead_s": _Field(0.0, 0.3, unit=0.05),
    "profile_acceleration": _Field(15.0, 1000.0),
    "profile_velocity": _Field(0.8, 10.0),
    "torque_limit": _Field(0.3, 3.5),
    "damping": _Field(0.05, 4.0),
    "coulomb_friction": _Field(0.005, 1.0),
    "static_friction": _Field(0.005, 1.5),
    "stribeck_velocity": _Field(0.02, 1.0),
    "load_friction": _Field(0.0, 0.6, unit=0.5),
    "dead_zone": _Field(0.0, 0.05, unit=0.02),
    "backlash": _Field(0.0, 0.05, unit=0.02),
}
_ACROSS = {"mass_scale": _Field(0.5, 2.0), "calibration": _Field(-0.4, 0.4, unit=1.0)}
_FIELDS = {**_WITHIN, **_ACROSS}
_DELAY = _Field(0.001, 0.06)
_STEP = 0.05
"""Of the differences, in the logarithm of a value or in its units; friction makes smaller ones unsteady."""


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
        self._judged = [log.time_s - log.time_s[0] >= SETTLING_S for log in logs]
        # For each residual, its joint: rows are ordered by log, time, joint.
        self._joint = np.concatenate(
            [np.tile(np.arange(self._size), int(each.sum())) for each in self._judged]
        )

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        fields = [field for field in _FIELDS.values() for _ in range(self._size)] + [_DELAY]
        low = np.array([_encoded(field.low, field) for field in fields])
        return low, np.array([_encoded(field.high, field) for field in fields])

    def encode(self, scenario: Scenario) -> FloatArray:
        rows = [
            np.broadcast_to(_encoded(getattr(scenario, name), field), (self._size,))
            for name, field in _FIELDS.items()
        ]
        return np.append(np.concatenate(rows), _encoded(scenario.servo_delay_s, _DELAY))

    def decode(self, x: FloatArray) -> Scenario:
        values, delay = self._values(x[None])
        fields: dict[str, Any] = {
            name: tuple(float(f"{value:.4g}") for value in row[0]) for name, row in values.items()
        }
        return self._start.changed({**fields, "servo_delay_s": float(f"{delay[0]:.3g}")})

    def _values(self, x: FloatArray) -> tuple[dict[str, FloatArray], FloatArray]:
        rows = np.split(x[:, :-1], len(_FIELDS), axis=1)
        values = {
            name: _decoded(row, field) for row, (name, field) in zip(rows, _FIELDS.items(), strict=True)
        }
        values["static_friction"] = np.maximum(values["static_friction"], values["coulomb_friction"])
        return values, _decoded(x[:, -1], _DELAY)

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
        paths = drive(hardware, np.tile(delays, repeat), logs)
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


def _encoded(value: Any, field: _Field) -> FloatArray:
    inside = np.clip(np.asarray(value, dtype=np.float64), field.low, field.high)
    return np.asarray(np.log(inside) if field.unit is None else inside / field.unit)


def _decoded(x: FloatArray, field: _Field) -> FloatArray:
    return np.asarray(np.exp(x) if field.unit is None else x * field.unit)
