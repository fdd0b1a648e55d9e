"""A small model of the SO-101 in which every weight matters, and windows for it."""

from __future__ import annotations

import torch

from adapt.model.settings import ModelSettings
from adapt.model.windows import Windows
from adapt.model.world_model import WorldModel
from adapt.robot.load import load_robot

ARM = load_robot("so101")
SMALL = ModelSettings(latent=16, encoder_hidden=16, layers=2, heads=2, feed_forward=32, linear_rank=8)


def random_windows(count: int, seed: int = 0) -> Windows:
    generator = torch.Generator().manual_seed(seed)
    length = ARM.history_ticks + 1 + ARM.horizon_ticks
    shapes = ((count, length, 6), (count, length - 1, 6), (count, length, 6))
    return Windows(*(torch.randn(shape, generator=generator) for shape in shapes))


def random_model(seed: int = 0) -> WorldModel:
    """Also those weights are drawn that a new model has at zero."""
    torch.manual_seed(seed)
    model = WorldModel(ARM, SMALL)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    model.scaling.fit(random_windows(32, seed), ARM.history_ticks)
    return model.eval()
