"""Physical parameters from real windows: the slow way to adapt, for what the simulator can express."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import least_squares

from adapt.errors import UserError
from adapt.model.windows import Windows
from adapt.robot.interface import Interval
from adapt.robot.specification import RobotSpecification
from adapt.sim.conditions import make_conditions
from adapt.sim.mechanics import simulation_of
from adapt.sim.rollout_forecast import RolloutForecast
from adapt.stream.tick import FloatArray

MOST_WINDOWS = 128
"""So many, evenly spread, are rolled out for each trial of parameters."""


def identify(
    specification: RobotSpecification,
    windows: Windows,
    entries: slice,
    progress: Callable[[float], None] = lambda error: None,
) -> dict[str, float]:
    """Fit what the robot file randomises to real windows, within its ranges.

    Nonlinear least squares on open-loop rollouts over the horizon. Large errors count linearly
    (soft L1), since a motion that parts from the real one says little of how.

    Args:
        specification: the robot.
        windows: real ones, at least one.
        entries: of the observation, all in one unit, on which rollouts are judged.
        progress: told the root mean square error of each trial.

    Returns:
        values by parameter, as in `simulation.parameters` of the robot file.

    Raises:
        UserError: the robot file randomises nothing; or see `RolloutForecast`.
    """
    simulation = simulation_of(specification)
    ranges = identifiable_ranges(specification)
    low, high = np.array(list(ranges.values())).T
    some = windows.select(slice(None, None, -(-len(windows) // MOST_WINDOWS)))
    seen = some.observation[:, specification.history_ticks + 1 :, entries].numpy()
    forecaster = RolloutForecast(specification, make_conditions(simulation.parameters))

    def values(shares: FloatArray) -> dict[str, float]:
        return dict(zip(ranges, (low + shares * (high - low)).tolist(), strict=True))

    def residuals(shares: FloatArray) -> FloatArray:
        forecaster.configure(make_conditions({**simulation.parameters, **values(shares)}))
        error = np.asarray(forecaster.forecast(some)[..., entries].numpy() - seen, dtype=np.float64)
        progress(float(np.sqrt(np.square(error).mean())))
        return error.ravel()

    middle = np.full(len(ranges), 0.5)
    scale = float(np.median(np.abs(residuals(middle)))) + 1e-9
    found = least_squares(
        residuals, middle, bounds=(0.0, 1.0), loss="soft_l1", f_scale=scale, diff_step=1e-2, max_nfev=20
    )
    return {**simulation.parameters, **values(found.x)}


def identifiable_ranges(specification: RobotSpecification) -> dict[str, Interval]:
    """What the robot file randomises, by name.

    Raises:
        UserError: it randomises nothing.
    """
    ranges = simulation_of(specification).randomisation
    found = {name: ends for name, ends in ranges.items() if ends[0] < ends[1]}
    if not found:
        raise UserError(
            f"robot {specification.name}: key 'simulation.randomisation' names nothing to identify"
        )
    return found
