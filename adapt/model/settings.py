"""Sizes of the world model: one default for every robot."""

from __future__ import annotations

from pydantic import Field, model_validator

from adapt.settings import Settings


class ModelSettings(Settings):
    """Sizes that do not come from the robot file."""

    latent: int = Field(default=64, gt=0)
    """Width of a latent and of every token."""
    readable: bool = True
    """A latent begins with the scaled change of the vector observation since now, so that predictions
    can be read in the robot file's units; set-points are described relative to now. False for models
    published without it, whose latents only their own heads can read."""
    encoder_hidden: int = Field(default=128, gt=0)
    map_channels: tuple[int, ...] = (8, 16, 32)
    """Channels of the convolutions that read a height map."""
    map_hidden: tuple[int, ...] = (192, 128)
    layers: int = Field(default=2, gt=0)
    """Of the dynamics."""
    policy_layers: int = Field(default=2, gt=0)
    score_layers: int = Field(default=1, gt=0)
    """Of the reward head and of the value head."""
    heads: int = Field(default=4, gt=0)
    """Of attention, in dynamics and policy."""
    score_heads: int = Field(default=4, gt=0)
    feed_forward: int = Field(default=128, gt=0)
    linear_rank: int = Field(default=96, ge=0)
    """Rank of the linear part of the dynamics; 0 for none."""

    value_horizon_s: float = Field(default=1.0, gt=0)
    """What the value head means: a reward this far ahead counts 1/e."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> ModelSettings:
        for name, heads in (("heads", self.heads), ("score_heads", self.score_heads)):
            if self.latent % heads:
                raise ValueError(f"latent ({self.latent}) must be a multiple of {name} ({heads})")
        if self.linear_rank and not self.readable:
            raise ValueError("a linear part (linear_rank) predicts observations, and needs a readable latent")
        return self
