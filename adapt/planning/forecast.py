"""What a proposal is expected to lead to, in the robot's own units: for the record."""

from __future__ import annotations

import numpy as np
import torch

from adapt.model.world_model import WorldModel
from adapt.planning.pilot import Proposal
from adapt.stream.forecast_message import Forecast
from adapt.stream.tick import FloatArray


@torch.no_grad()
def forecast_of(
    model: WorldModel, index: int, observation: FloatArray, proposal: Proposal | None
) -> Forecast | None:
    """Read a proposal's latents.

    Args:
        model: that made them.
        index: number of the tick under way.
        observation: shape (O,), of that tick, from which the plan began.
        proposal: of `Pilot.decide`.

    Returns:
        None where no model was asked, its latents cannot be read, or a number is not finite.
    """
    if proposal is None or proposal.latents is None or not model.settings.readable:
        return None
    latents = proposal.latents
    now = torch.from_numpy(observation).to(latents)
    expected = model.observation(latents[None], now[None])[0].double().cpu().numpy()
    return Forecast(index, expected) if np.isfinite(expected).all() else None
