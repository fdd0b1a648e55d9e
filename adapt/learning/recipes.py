"""Whole recipes for an update, by name: what is compared with the default."""

from __future__ import annotations

from typing import Any, Literal

from adapt.learning.update import UpdateSettings

Recipe = Literal["default", "simdist", "scratch", "linear", "residual", "low_rank"]
REAL_DATA_ALONE: dict[str, Any] = {"rehearsal_share": 0.0, "pull": 0.0, "blend": 1.0, "epochs": None}
EPOCHS = 100
"""Of SimDist."""


def recipe(name: Recipe, windows: int) -> UpdateSettings:
    """The settings of a recipe.

    - `simdist`: as published (github.com/CLeARoboticsLab/simdist, config/finetune_model.yaml): all weights
      of the dynamics, Adam in batches of 32 for 100 epochs; the rate rises to 2e-4 in 2,000 steps and
      hardly falls in any run of a robot's length (to half of it in 400,000 steps); nothing holds it back.
    - `scratch`: the same architecture, from random weights, on real data alone.
    - `linear`, `residual`, `low_rank`: these methods, otherwise as the default, at a rate that suits them.

    Args:
        name: of the recipe.
        windows: how many real windows there are to learn from.
    """
    if name == "simdist":
        return UpdateSettings(
            steps=max(1, EPOCHS * windows // 32),
            batch=32,
            learning_rate=2e-4,
            last_rate=1.0,
            warm_up=2000,
            gradient_norm=None,
            **REAL_DATA_ALONE,
        )
    if name == "scratch":
        return UpdateSettings(method="scratch", steps=2000, learning_rate=1e-3, **REAL_DATA_ALONE)
    if name == "default":
        return UpdateSettings()
    rates: dict[str, float] = {"linear": 3e-3, "residual": 1e-3, "low_rank": 2e-3}
    return UpdateSettings(method=name, learning_rate=rates[name])
