"""Settings of the planner: one default for every robot."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import Field

from adapt.settings import Settings


class Search(NamedTuple):
    """How hard, and how widely, one kind of robot's plans are searched for."""

    samples: int
    iterations: int
    noise: float


class PlannerSettings(Settings):
    """How hard, and how widely, the planner searches."""

    samples: int = Field(default=24, gt=1)
    """Of a search that corrects the best plan, which hardly needs them; three times as many help no more."""
    iterations: int = Field(default=2, gt=0)
    """Corrections; the first is of the best sample."""
    noise: float = Field(default=0.1, gt=0)
    """Standard deviation of the noise, relative to that of the actions that the model was trained on."""
    samples_near_policy: int = Field(default=64, gt=1)
    """Where the search stays around the policy's plan, and only samples tell what is better."""
    iterations_near_policy: int = Field(default=4, gt=0)
    """Each goes a small step there."""
    noise_near_policy: float = Field(default=0.5, gt=0)
    """It may be wide there: means of many samples go small steps."""
    knots: int = Field(default=6, gt=1)
    """Noise is drawn at this many instants of the plan and linear between them."""
    shrink: float = Field(default=0.9, gt=0, le=1)
    """The noise of each iteration, relative to the one before."""
    effective_samples: float = Field(default=0.15, gt=0, le=1)
    """Share of the samples that should carry weight; the temperature is set to reach it."""
    distrust: float = Field(default=0.05, gt=0)
    """Of what the samples tell against the linear response; see `secant`."""
    damping: float = Field(default=0.01, gt=0)
    """Of a correction; see `gauss_newton`."""
    risk: float = Field(default=0.0, ge=0)
    """What a standard deviation among the returns by an ensemble's members costs a plan."""
    steadying_s: float = Field(default=1.0, gt=0)
    """Time constant with which entries of a set-point that should stay zero are kept there."""
    steadying_bound: float = Field(default=0.5, ge=0)
    """How far a set-point may be shifted for it, relative to the deviation of those in training."""
    half_precision: bool = False
    """On a GPU, where it ranks plans as single precision does."""
    oldest_tail_ticks: int = Field(default=3, ge=0)
    """How long the rest of an older plan may be followed when a fresh one cannot be made."""

    def search(self, near_policy: bool) -> Search:
        """Of a robot whose search stays around the policy's plan, or of another."""
        if near_policy:
            return Search(self.samples_near_policy, self.iterations_near_policy, self.noise_near_policy)
        return Search(self.samples, self.iterations, self.noise)
