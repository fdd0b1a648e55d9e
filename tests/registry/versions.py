"""Small models of the SO-101, each with weights of its own."""

from __future__ import annotations

import torch

from adapt.model.settings import ModelSettings
from adapt.model.world_model import WorldModel
from adapt.robot.load import load_robot

ROBOT = load_robot("so101")
TINY = ModelSettings(latent=16, encoder_hidden=8, layers=1, heads=2, feed_forward=8, linear_rank=4)


def model_of(seed: int) -> WorldModel:
    torch.manual_seed(seed)
    return WorldModel(ROBOT, TINY)
