"""Sizes of the world model: one default for every robot."""

from __future__ import annotations

from pydantic import Field, model_validator

from adapt.settings import Settings


class ModelSettings(Settings):
    """Sizes that do not come from the robot file."""

    latent: int = Field(default=64, gt=0)
    """Width of a latent and of every token."""
    encoder_hidden: int = Field(default=128, gt=0)
    layers: int = Field(default=2, gt=0)
    heads: int = Field(default=4, gt=0)
    feed_forward: int = Field(default=128, gt=0)
    linear_rank: int = Field(default=96, gt=0)
    """Rank of the linear part of the dynamics."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> ModelSettings:
        if self.latent % self.heads:
            raise ValueError(f"latent ({self.latent}) must be a multiple of heads ({self.heads})")
        return self
