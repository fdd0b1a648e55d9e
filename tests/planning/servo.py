"""A world model that is known exactly: six servos that go a fixed share of the way in every tick."""

from __future__ import annotations

import numpy as np
import torch

from adapt.model.settings import ModelSettings
from adapt.model.world_model import WorldModel
from adapt.planning.pilot import Pilot, Proposal
from adapt.robot.load import load_robot
from adapt.stream.tick import FloatArray, Tick

ARM = load_robot("so101")
HISTORY, HORIZON = ARM.history_ticks, ARM.horizon_ticks
LOW, HIGH = np.array([each.position for each in ARM.action.limits.values()]).T
SHARE = 0.5
POSE = np.array([0.1, -0.2, 0.3, 0.4, -0.5, 0.6])
PERIOD_NS = 40_000_000


def servo_model(lively_policy: bool = False) -> WorldModel:
    """Its policy proposes to stay, or to move about."""
    torch.manual_seed(0)
    model = WorldModel(ARM, ModelSettings(latent=8, encoder_hidden=8, layers=1, heads=2, feed_forward=8))
    with torch.no_grad():
        model.dynamics.free_response.weight.zero_()
        model.dynamics.free_response.bias.zero_()
        reached = SHARE * (1.0 - SHARE) ** torch.arange(HORIZON)
        model.dynamics.impulse_response.copy_(torch.eye(6)[..., None] * reached)
        if lively_policy:
            model.policy.output.weight.normal_(std=0.1)
            model.policy.position.normal_()
    return model.eval()


def moved(position: FloatArray, action: FloatArray) -> FloatArray:
    """Where the servos are one tick later."""
    return position + SHARE * (action - position)


def tick(index: int, observation: FloatArray = POSE, applied: FloatArray = POSE, valid: bool = True) -> Tick:
    unknown = np.full(6, np.nan)
    flags = np.full(6, valid)
    return Tick(index, index * PERIOD_NS, observation, flags, observation, unknown, applied, "v1", "")


def fill(pilot: Pilot, first: int = 0, ticks: int = HISTORY) -> int:
    """Give the pilot complete ticks at rest; the number of the tick under way."""
    for index in range(first, first + ticks):
        pilot.record(tick(index))
    return first + ticks


def decide(
    pilot: Pilot,
    observation: FloatArray = POSE,
    reference: FloatArray = POSE,
    sent: FloatArray = POSE,
    valid: bool = True,
    behind: int = 0,
) -> Proposal | None:
    """Ask for the next proposal, with a reference of shape (6,) or (HORIZON, 6)."""
    ahead = np.broadcast_to(reference, (HORIZON, 6)).copy()
    return pilot.decide(observation, np.full(6, valid), ahead, ahead, sent, behind)
