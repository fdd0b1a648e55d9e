"""A small robot that can be simulated in no time, an untrained student of it, and stubs of one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from adapt.model.settings import ModelSettings
from adapt.model.world_model import WorldModel
from adapt.robot.load import load_robot
from adapt.robot.specification import RobotSpecification

CART = load_robot(str(Path(__file__).parents[1] / "sim" / "cart_pole.yaml"))
LATE = CART.model_copy(update={"dead_time_ticks": 1})
"""The same, but its actions are planned a tick ahead."""


def walker() -> RobotSpecification:
    """The cart, told how fast to go."""
    command = CART.task.command.model_copy(update={"unit": "rad/s", "tracks": "joint_velocity"})
    return CART.model_copy(update={"task": CART.task.model_copy(update={"command": command})})


def untrained_student(seed: int = 0) -> WorldModel:
    """A small model with random weights, whose policy hardly moves the cart."""
    torch.manual_seed(seed)
    settings = ModelSettings(latent=16, feed_forward=32, heads=2, encoder_hidden=16, policy_layers=1)
    model = WorldModel(CART, settings)
    model.scaling.action_deviation.fill_(8.0)
    return model.eval()


class Telling:
    """A student whose plans say when they were made: entry t of one made from the history h is h's last
    measured position, plus t.
    """

    def read(self, observation: Any, action: Any) -> Any:
        return SimpleNamespace(now=observation[:, -1], sent=action)

    def propose(self, context: Any, command: Any) -> Any:
        ticks = torch.arange(command.shape[1], dtype=torch.float32)
        return context.now[:, :1, None] + ticks[None, :, None]
