"""Which simulators the real robot may be one of: a distribution over the robot file's ranges, in a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from adapt.distillation.motions import Motions, load_motions
from adapt.errors import UserError
from adapt.files import write_text
from adapt.model.content import hash_of
from adapt.robot.interface import Interval
from adapt.robot.specification import RobotSpecification
from adapt.settings import Settings, first_problem
from adapt.sim.conditions import Conditions, make_conditions
from adapt.sim.identification import identifiable_ranges
from adapt.sim.mechanics import simulation_of
from adapt.stream.tick import FloatArray

TOLD = 0.5
"""Data tell of a parameter where its deviation is smaller than this part of the prior's."""
UNIFORM = 12**-0.5
"""Deviation of what is uniform in a range, in widths of it."""
MOST_DRAWS = 200
"""Draws from outside the ranges are drawn again so many times before they are cut off."""


class PosteriorFile(Settings):
    """What `adapt identify` writes."""

    robot: str
    schema_hash: str
    ranges: dict[str, Interval]
    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    ratios: tuple[str, ...] = ()
    commands: tuple[tuple[float, ...], ...] = ()
    motions: str | None = None
    """The hash of those in the file beside it."""
    lineage: dict[str, Any] = {}
    diagnostics: dict[str, Any] = {}


@dataclass(frozen=True, eq=False)
class Posterior:
    """Normal in the shares of the ranges, and cut off at their ends.

    Attributes:
        ranges: by parameter, from which to which value; P of them.
        mean: shape (P,), as shares of the ranges.
        covariance: shape (P, P), likewise; None for the prior, which is uniform.
        ratios: parameters whose shares count in the logarithm.
        commands: that the robot was given in the logs.
        lineage: from which logs and model, and how, for the card of what is made with it.
        diagnostics: what speaks against it.
        motions: what the robot was told in the logs; None where it is no arm of servos.
    """

    ranges: dict[str, Interval]
    mean: FloatArray
    covariance: FloatArray | None
    ratios: tuple[str, ...] = ()
    commands: tuple[tuple[float, ...], ...] = ()
    lineage: dict[str, Any] = field(default_factory=dict)
    diagnostics: dict[str, Any] = field(default_factory=dict)
    motions: Motions | None = None

    @staticmethod
    def prior(spec: RobotSpecification) -> Posterior:
        """Of a robot of which nothing is known: the ranges of the robot file.

        Raises:
            UserError: there are none.
        """
        ranges = identifiable_ranges(spec)
        return Posterior(ranges, np.full(len(ranges), 0.5), None)

    def shares(self, count: int, generator: np.random.Generator) -> FloatArray:
        """Draws, shape (count, P), from 0 to 1."""
        if self.covariance is None:
            return generator.uniform(size=(count, len(self.mean)))
        drawn = generator.multivariate_normal(self.mean, self.covariance, size=count)
        for _ in range(MOST_DRAWS):
            outside = ((drawn < 0.0) | (drawn > 1.0)).any(axis=1)
            if not outside.any():
                break
            drawn[outside] = generator.multivariate_normal(self.mean, self.covariance, size=outside.sum())
        return np.clip(drawn, 0.0, 1.0)

    def values(self, shares: FloatArray) -> list[dict[str, float]]:
        """Parameters by name, for shares (count, P)."""
        return [dict(zip(self.ranges, each, strict=True)) for each in self._values(shares).tolist()]

    def _values(self, shares: FloatArray) -> FloatArray:
        low, high = np.array(list(self.ranges.values())).T
        ratio = np.isin(list(self.ranges), self.ratios)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(ratio, low * (high / low) ** shares, low + shares * (high - low))
        return np.asarray(found, dtype=np.float64)

    def draw(self, spec: RobotSpecification, count: int, generator: np.random.Generator) -> list[Conditions]:
        """Robots that the real one may be."""
        return self.robots(spec, self.shares(count, generator))

    def robots(self, spec: RobotSpecification, shares: FloatArray) -> list[Conditions]:
        """The robots of shares (count, P); what is not in the ranges is as the robot file has it."""
        usual = simulation_of(spec).parameters
        return [make_conditions({**usual, **each}) for each in self.values(shares)]

    def summary(self, generator: np.random.Generator, draws: int = 4000) -> dict[str, dict[str, Any]]:
        """Of each parameter the median, the middle 90 % and whether the data tell it."""
        shares = self.shares(draws, generator)
        quantiles = self._values(np.quantile(shares, [0.05, 0.5, 0.95], axis=0))
        told = shares.std(axis=0) < TOLD * UNIFORM
        return {
            name: {
                "median": float(quantiles[1, place]),
                "low": float(quantiles[0, place]),
                "high": float(quantiles[2, place]),
                "told": bool(told[place]) and self.covariance is not None,
            }
            for place, name in enumerate(self.ranges)
        }

    @property
    def name(self) -> str:
        """A hash of its numbers."""
        covariance = np.zeros(0) if self.covariance is None else self.covariance
        numbers = {
            "mean": self.mean,
            "covariance": covariance,
            "ranges": np.array(list(self.ranges.values())),
        }
        if self.motions is not None:
            numbers |= {"start": self.motions.start, "action": self.motions.action}
        return hash_of(numbers)

    def save(self, path: Path, spec: RobotSpecification) -> None:
        """Write the file, whole or not at all; not of the prior, which the robot file says already.

        Motions are written before, into a file beside it.
        """
        assert self.covariance is not None
        if self.motions is not None:
            self.motions.save(_motions_beside(path))
        content = PosteriorFile(
            robot=spec.name,
            schema_hash=spec.schema_hash,
            ranges=self.ranges,
            mean=tuple(self.mean.tolist()),
            covariance=tuple(tuple(row) for row in self.covariance.tolist()),
            ratios=self.ratios,
            commands=self.commands,
            motions=None if self.motions is None else self.motions.name,
            lineage=self.lineage,
            diagnostics=self.diagnostics,
        )
        write_text(path, content.model_dump_json(indent=2) + "\n")


def load_posterior(path: Path, spec: RobotSpecification) -> Posterior:
    """Read what `Posterior.save` wrote.

    Raises:
        UserError: there is no such file, it is damaged, or it is of another robot.
    """
    try:
        content = PosteriorFile.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file: make one with 'adapt identify'") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error
    except ValidationError as error:
        raise UserError(f"{path}: not a posterior: {first_problem(error)}") from error
    if content.schema_hash != spec.schema_hash:
        raise UserError(
            f"{path}: is of robot '{content.robot}' with schema {content.schema_hash}, not of '{spec.name}'"
            f" with schema {spec.schema_hash}: identify this robot"
        )
    mean, covariance = np.array(content.mean), np.array(content.covariance)
    size = len(content.ranges)
    if mean.shape != (size,) or covariance.shape != (size, size) or not np.isfinite(mean).all():
        raise UserError(f"{path}: not a posterior: 'mean' and 'covariance' do not fit {size} ranges")
    if not np.isfinite(covariance).all() or np.linalg.eigvalsh(covariance).min() < -1e-9:
        raise UserError(f"{path}: not a posterior: 'covariance' is none")
    said = {name: getattr(content, name) for name in ("ratios", "commands", "lineage", "diagnostics")}
    motions = None if content.motions is None else load_motions(_motions_beside(path), content.motions)
    return Posterior(content.ranges, mean, covariance, **said, motions=motions)


def _motions_beside(path: Path) -> Path:
    return path.with_suffix(".motions.safetensors")
