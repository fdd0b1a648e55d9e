"""Whole recipes for an update, by name: what is compared with the default."""

from __future__ import annotations

from typing import Any, Literal

from adapt.learning.update import UpdateSettings
from adapt.robot.specification import RobotSpecification

Recipe = Literal["without_simulators", "simdist", "scratch", "linear", "residual", "low_rank"]
WITH_SIMULATORS = UpdateSettings(
    steps=800, batch=48, learning_rate=2e-3, simulated_share=0.65, rehearsal_share=0.0, pull=0.0
)
"""Where simulators like the robot can be identified: they keep the weights from following a few real windows
too far, so that neither a low rate nor a pull nor rehearsal has to."""
REAL_DATA_ALONE: dict[str, Any] = {"rehearsal_share": 0.0, "pull": 0.0, "blend": 1.0, "epochs": None}
EPOCHS = 100
"""Of SimDist."""


def default_recipe(specification: RobotSpecification) -> UpdateSettings:
    """The best that is known for a robot: with simulators like it, where they can be identified."""
    return WITH_SIMULATORS if specification.can_be_identified else UpdateSettings()


def recipe(name: Recipe, windows: int) -> UpdateSettings:
    """The settings of a recipe.

    - `simdist`: as published (github.com/CLeARoboticsLab/simdist, config/finetune_model.yaml): all weights
      of the dynamics, Adam in batches of 32 for 100 epochs; the rate rises to 2e-4 in 2,000 steps and
      hardly falls in any run of a robot's length (to half of it in 400,000 steps); nothing holds it back.
    - `scratch`: the same architecture, from random weights, on real data alone.
    - `without_simulators`: the default of robots like which no simulator can be identified.
    - `linear`, `residual`, `low_rank`: these methods, otherwise likewise, at a rate that suits them.

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
    if name == "without_simulators":
        return UpdateSettings()
    rates: dict[str, float] = {"linear": 3e-3, "residual": 1e-3, "low_rank": 2e-3}
    return UpdateSettings(method=name, learning_rate=rates[name])
