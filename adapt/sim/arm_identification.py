"""Which of all simulated arms the real one may be: a posterior over the robot file's ranges.

The arm is simulated open loop under the real commands, and the parameters are moved until it does what the
real one did: nonlinear least squares with large errors counted linearly, from the middle of the ranges, which
are the prior. Around what is found the posterior is normal (Laplace's approximation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import least_squares

from adapt.model.windows import Windows, cut_windows
from adapt.robot.specification import RobotSpecification
from adapt.sim.arm_episodes import generate_arm_episodes
from adapt.sim.arms import PER_ARM, Arms, arms_at, ranges_of
from adapt.sim.simulator import COMMANDS_PER_TICK, Simulator
from adapt.stream.tick import FloatArray

FROM_AFAR, FROM_NEARBY = (24, 24, 24, 24, 32, 64), (32, 64)
"""In each round so many, evenly spread, are simulated for each trial of parameters; a round moves them along
one set of derivatives."""
AT_ONCE = 4
"""Trials of parameters that are simulated together."""
PRIOR_DEVIATION = 0.5
"""Of a parameter, in widths of its range."""
SMALLEST_NOISE = 0.002
"""Rad; no arm is simulated better than this, however well it fits."""
STEP = 0.04
"""Of the differences, in widths of the ranges; friction makes smaller ones unsteady."""
ACROSS = ("mass_scale", "calibration")
"""What a joint has that moves other joints as well. Of all else one simulation tells the derivatives of all
joints, since each moves for itself."""
SPREAD = 0.5
"""Of the posterior's deviations, in the arms that are drawn to learn from: what is likely teaches more than
what is just possible. On a real arm that is worth 5 % of the error, or half of the training."""
TOLD = 0.5
"""Data tell of a parameter where they make its deviation smaller than this part of the prior's."""


class ArmIdentification:
    """Fits arms to real windows, a bounded piece of work at a time; nothing in it is random.

    It simulates in as many threads as PyTorch is told to use, of which the result does not depend.

    Attributes:
        shares: the best by now, shape (P,); see `ArmPosterior`.
    """

    def __init__(self, spec: RobotSpecification, windows: Windows, start: FloatArray | None = None) -> None:
        """`windows` are real ones, at least one; `start` are shares that were found for the robot before.

        Raises:
            UserError: see `ranges_of` and `load_model`.
        """
        self._spec = spec
        self._windows = windows
        self._judged = slice(spec.history_ticks + 1, None)
        self._columns, size = {}, 0
        for name, (low, high) in ranges_of(spec).items():
            if low < high:
                width = 1 if name in PER_ARM else spec.action_size
                self._columns[name] = np.arange(size, size + width)
                size += width
        self.shares = np.full(size, 0.5) if start is None else start
        self._most_windows = FROM_AFAR if start is None else FROM_NEARBY
        self._noise = np.full(spec.action_size, SMALLEST_NOISE)
        self._round = 0
        self._select()

    def _select(self) -> None:
        """Take the windows of this round; what was computed for others is void."""
        most = self._most_windows[self._round]
        some = self._windows.select(slice(None, None, -(-len(self._windows) // most)))
        angles = self._spec.channel_slice(self._spec.action.targets or "")
        self._seen = some.observation[..., angles].double().numpy()
        self._sent = np.repeat(some.action.double().numpy(), COMMANDS_PER_TICK, axis=1)
        self._known: dict[bytes, FloatArray] = {}
        self._slopes: dict[bytes, FloatArray] = {}

    def advance(self) -> bool:
        """Improve the fit by one round; gives whether it was the last, after which nothing is left to do."""
        if self._round and self._most_windows[self._round] != self._most_windows[self._round - 1]:
            self._select()
        before = self.shares
        # Of a normal distribution the median of the magnitude is 0.675 deviations.
        typical = np.median(np.abs(self._errors(before)), axis=(0, 1)) / 0.675
        self._noise = np.maximum(typical, SMALLEST_NOISE)
        found = least_squares(
            self._residuals, before, jac=self._jacobian, bounds=(0.0, 1.0), loss="soft_l1", max_nfev=2
        )
        self.shares = found.x
        self._round += 1
        return self._round == len(self._most_windows)

    def posterior(self) -> ArmPosterior:
        """What is known by now."""
        errors, slopes = self._errors(self.shares), self._jacobian(self.shares)
        robust = 1.0 / np.sqrt(1.0 + self._residuals(self.shares) ** 2)
        robust[-len(self.shares) :] = 1.0  # the prior is no measurement
        precision = (slopes * robust[:, None]).T @ slopes
        return ArmPosterior(
            self._spec,
            self._columns,
            self.shares,
            np.linalg.inv(precision),
            np.sqrt(np.square(errors).mean(axis=(0, 1))),
        )

    def _simulated(self, shares: FloatArray) -> FloatArray:
        """What K arms of shares (K, P) would have done after the history: shape (K, B, T, A), rad."""
        parts = np.array_split(shares, -(-len(shares) // AT_ONCE))
        return np.concatenate([self._simulated_at_once(part) for part in parts])

    def _simulated_at_once(self, shares: FloatArray) -> FloatArray:
        count, windows = len(shares), len(self._seen)
        arms = arms_at(self._spec, count, {name: shares[:, at] for name, at in self._columns.items()})
        simulator = Simulator(self._spec, arms, torch.get_num_threads(), runs=windows)
        motion = simulator.run(np.tile(self._seen[:, 0], (count, 1)), np.tile(self._sent, (count, 1, 1)))
        times = np.arange(self._seen.shape[1]) * self._spec.period_s - self._spec.sampling_delay_s
        at = motion.position_at(np.maximum(times - simulator.arms.sensor_delay_s[:, None], 0.0))
        return at.reshape(count, *self._seen.shape)[:, :, self._judged]

    def _errors(self, shares: FloatArray) -> FloatArray:
        """Shape (B, T, A), rad."""
        key = shares.tobytes()
        if key not in self._known:
            self._known = {key: self._simulated(shares[None])[0] - self._seen[:, self._judged]}
        return self._known[key]

    def _residuals(self, shares: FloatArray) -> FloatArray:
        """Errors over their noise, of which one horizon counts as one observation, and those of the prior."""
        errors = self._errors(shares)
        prior = (shares - 0.5) / PRIOR_DEVIATION
        return np.concatenate([(errors / self._noise).ravel() / np.sqrt(errors.shape[1]), prior])

    def _jacobian(self, shares: FloatArray) -> FloatArray:
        slopes = self._derivatives(shares) / self._noise[:, None]
        ticks = slopes.shape[1]
        prior = np.eye(len(shares)) / PRIOR_DEVIATION
        return np.concatenate([slopes.reshape(-1, len(shares)) / np.sqrt(ticks), prior])

    def _derivatives(self, shares: FloatArray) -> FloatArray:
        """Of the errors by the shares, by differences. Shape (B, T, A, P), rad."""
        key = shares.tobytes()
        if key in self._slopes:
            return self._slopes[key]
        within = [at for name, at in self._columns.items() if name not in ACROSS]
        alone = [np.array([at]) for name in ACROSS if name in self._columns for at in self._columns[name]]
        steps = np.where(shares + STEP > 1.0, -STEP, STEP)
        moved = np.tile(shares, (len(within) + len(alone), 1))
        for row, at in enumerate([*within, *alone]):
            moved[row, at] += steps[at]
        known = self._errors(shares) + self._seen[:, self._judged]
        changes = self._simulated(moved) - known
        slopes = np.zeros((*known.shape, len(shares)))
        for change, at in zip(changes, [*within, *alone], strict=True):
            if len(at) == 1:
                slopes[..., at[0]] = change / steps[at[0]]
            else:
                joints = np.arange(len(at))
                slopes[..., joints, at] = change / steps[at]
        self._slopes = {key: slopes}
        return slopes


@dataclass(frozen=True, slots=True, eq=False)
class ArmPosterior:
    """Normal in the P shares of the ranges (see `arms_at`), and cut off at their ends.

    Attributes:
        specification: the robot.
        columns: which shares belong to a parameter, by its name.
        mean: shape (P,).
        covariance: shape (P, P).
        errors: shape (A,), of the arm at the mean, after the history, RMS, rad.
    """

    specification: RobotSpecification
    columns: dict[str, Any]
    mean: FloatArray
    covariance: FloatArray
    errors: FloatArray

    def draw(self, count: int, generator: np.random.Generator) -> Arms:
        """Arms to learn from: like the real one, as far as is known."""
        drawn = generator.multivariate_normal(self.mean, SPREAD**2 * self.covariance, size=count)
        shares = np.clip(drawn, 0.0, 1.0)
        return arms_at(self.specification, count, {name: shares[:, at] for name, at in self.columns.items()})

    def windows(self, arms: int, seconds: float, generator: np.random.Generator) -> Windows:
        """What such arms do in the mix of behaviours of the pretraining; every fourth window."""
        spec = self.specification
        drawn, ticks = self.draw(arms, generator), round(seconds * spec.rate_hz)
        episodes = generate_arm_episodes(spec, arms, ticks, generator, drawn)
        history, horizon = spec.history_ticks, spec.horizon_ticks
        return Windows.join(
            [
                cut_windows(seen, action, seen[:, :0], history, horizon, 4)
                for seen, action in zip(episodes.observation, episodes.action, strict=True)
            ]
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON: by parameter its mean, its deviation and whether the data tell it, by joint."""
        deviation = np.sqrt(np.diag(self.covariance))
        middle = arms_at(
            self.specification, 1, {name: self.mean[None, at] for name, at in self.columns.items()}
        )
        return {
            "error_rad": self.errors.tolist(),
            "parameters": {
                name: {
                    "value": np.ravel(getattr(middle, name)[0]).tolist(),
                    "deviation_of_range": deviation[at].tolist(),
                    "told": (deviation[at] < TOLD * PRIOR_DEVIATION).tolist(),
                }
                for name, at in self.columns.items()
            },
        }
