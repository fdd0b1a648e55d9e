"""Open-loop error of a world model, in the robot's units where its latents can be read as observations."""

from __future__ import annotations

import torch

from adapt.evaluation.adaptation import measured_entries, measured_unit
from adapt.evaluation.open_loop import OpenLoopError, open_loop_error, summarised
from adapt.model.windows import Windows
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification

LATENT = "1 (latent)"
"""The unit of the errors of models whose latents cannot be read as observations."""


def error_unit(specification: RobotSpecification, model: WorldModel) -> str:
    """Of `model_error`."""
    return measured_unit(specification) if model.settings.readable else LATENT


@torch.no_grad()
def model_error(
    specification: RobotSpecification, model: WorldModel, windows: Windows, batch: int = 512
) -> OpenLoopError:
    """For what is measured see `measured_entries`; where latents cannot be read, they count as one entry.

    Raises:
        ValueError: see `open_loop_error`.
    """
    if model.settings.readable:
        return open_loop_error(model, windows, measured_entries(specification), batch)
    starts = range(0, len(windows), batch)
    errors = (model.forecast_error(windows.select(slice(start, start + batch))) for start in starts)
    return summarised([each.square().mean(-1, keepdim=True) for each in errors])
