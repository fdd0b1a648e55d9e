"""Posteriors of servo arms: found by simulating the arm under the commands of the logs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from adapt.distillation.motions import motions_of
from adapt.distillation.posterior import Posterior
from adapt.distillation.student import Drives
from adapt.model.windows import Windows
from adapt.robot.specification import RobotSpecification
from adapt.sim.arm_episodes import generate_arm_episodes
from adapt.sim.arm_identification import SPREAD, ArmIdentification
from adapt.sim.arms import PER_ARM, RATIOS, Arms, arms_at, draw_arms, ranges_of
from adapt.stream.tick import FloatArray


def identify_arm(spec: RobotSpecification, windows: Windows) -> Posterior:
    """The posterior of a servo arm, parameter by parameter and joint by joint (`friction/elbow_flex`).

    Raises:
        UserError: see `ArmIdentification`.
    """
    search = ArmIdentification(spec, windows)
    while not search.advance():
        pass
    found = search.posterior()
    ranges, order, ratios = {}, [], []
    for name, columns in found.columns.items():
        for joint, column in zip(spec.action.entries, columns, strict=False):
            full = name if name in PER_ARM else f"{name}/{joint}"
            ranges[full] = ranges_of(spec)[name]
            order.append(column)
            if name in RATIOS:
                ratios.append(full)
    diagnostics = {"error_rad": dict(zip(spec.action.entries, found.errors.tolist(), strict=True))}
    covariance = found.covariance[np.ix_(order, order)]
    motions = motions_of(spec, windows)
    return Posterior(ranges, found.mean[order], covariance, tuple(ratios), (), {}, diagnostics, motions)


def arms_of(
    spec: RobotSpecification, posterior: Posterior, count: int, generator: np.random.Generator
) -> Arms:
    """Arms to learn from: like the real one, as far as is known."""
    covariance = None if posterior.covariance is None else SPREAD**2 * posterior.covariance
    shares = replace(posterior, covariance=covariance).shares(count, generator)
    columns: dict[str, list[FloatArray]] = {}
    for column, name in enumerate(posterior.ranges):
        columns.setdefault(name.split("/")[0], []).append(shares[:, column])
    return arms_at(spec, count, {name: np.stack(each, axis=1) for name, each in columns.items()})


def drive_arms(
    spec: RobotSpecification,
    posterior: Posterior | None,
    count: int,
    ticks: int,
    generator: np.random.Generator,
) -> Drives:
    """What such arms do in the mix of behaviours of the pretraining, and what the expert says of it; without
    a posterior, arms from all over the ranges.
    """
    if posterior is None:
        arms = draw_arms(spec, count, generator)
    else:
        arms = arms_of(spec, posterior, count, generator)
    episodes = generate_arm_episodes(spec, count, ticks, generator, arms)
    beyond = np.repeat(episodes.command[:, -1:], 1 + spec.horizon_ticks, axis=1)
    return Drives(
        episodes.observation.astype(np.float64),
        episodes.action.astype(np.float64),
        np.concatenate([episodes.command, beyond], axis=1).astype(np.float64),
        episodes.expert_action.astype(np.float64),
        np.full(count, ticks),
    )
