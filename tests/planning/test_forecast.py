import numpy as np
import pytest
import torch

from adapt.model.checkpoint import load_checkpoint, shipped_checkpoint
from adapt.planning.forecast import forecast_of
from adapt.planning.pilot import Proposal
from adapt.robot.load import load_robot

ROBOT = load_robot("so101")


def test_a_forecast_is_what_the_latents_say_seen_from_now():
    model, _ = load_checkpoint(shipped_checkpoint(ROBOT), ROBOT)
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(ROBOT.horizon_ticks, model.settings.latent, generator=generator)
    now = np.linspace(-0.5, 0.5, 6)
    forecast = forecast_of(model, 17, now, Proposal(np.zeros((1, 6)), "planner", latents))
    changes = latents[:, :6].double().numpy() * model.scaling.change_deviation.double().numpy()
    assert forecast.index == 17
    assert forecast.observation == pytest.approx(now + changes, abs=1e-5)


def test_nothing_is_foretold_without_a_model_or_by_numbers_that_are_not_finite():
    model, _ = load_checkpoint(shipped_checkpoint(ROBOT), ROBOT)
    broken = torch.full((ROBOT.horizon_ticks, model.settings.latent), torch.nan)
    for proposal in (
        None,
        Proposal(np.zeros((1, 6)), "direct", None),
        Proposal(np.zeros((1, 6)), "p", broken),
    ):
        assert forecast_of(model, 0, np.zeros(6), proposal) is None
