"""Settings of the planner: one default for every robot."""

from __future__ import annotations

from pydantic import Field

from adapt.settings import Settings


class PlannerSettings(Settings):
    """How hard, and how widely, the planner searches."""

    samples: int = Field(default=64, gt=1)
    iterations: int = Field(default=1, gt=0)
    """Where the samples also tell how to correct the plan: once closes most of the distance, and more
    fits the plan to the model's errors."""
    iterations_near_policy: int = Field(default=4, gt=0)
    """Where the search stays around the policy's plan, and each iteration goes a small step."""
    knots: int = Field(default=6, gt=1)
    """Noise is drawn at this many instants of the plan and linear between them."""
    noise: float = Field(default=0.1, gt=0)
    """Standard deviation of the noise, relative to that of the actions that the model was trained on."""
    noise_near_policy: float = Field(default=0.5, gt=0)
    """The same where the search stays around the policy's plan: means of many samples go small steps."""
    shrink: float = Field(default=0.9, gt=0, le=1)
    """The noise of each iteration, relative to the one before."""
    effective_samples: float = Field(default=0.15, gt=0, le=1)
    """Share of the samples that should carry weight; the temperature is set to reach it."""
    ridge: float = Field(default=0.2, gt=0)
    """Caution of the correction that is computed from the samples; see `correction`."""
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
