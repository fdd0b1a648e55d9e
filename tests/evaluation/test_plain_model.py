"""Our transformers against PyTorch's own attention, called plan by plan."""

import pytest
import torch
from servo_arm import ROBOT, SMALL, random_windows, windows_of

from adapt.evaluation.plain_model import plain_model
from adapt.evaluation.planner_speed import count_operations
from adapt.model.world_model import LAST_TICK, WorldModel

HISTORY, HORIZON = ROBOT.history_ticks, ROBOT.horizon_ticks


def random_model(scale: float) -> WorldModel:
    torch.manual_seed(0)
    model = WorldModel(ROBOT, SMALL)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(scale * torch.randn_like(weight))
    model.scaling.fit(windows_of(300, 5), HISTORY)
    return model.eval()


# With large weights the scores of attention are far apart, and a careless softmax overflows.
@pytest.mark.parametrize(("scale", "tolerance"), ((0.2, 1e-5), (5.0, 2e-2)))
@pytest.mark.parametrize("plans", (1, 7, 220))
@torch.no_grad()
def test_many_plans_of_one_history_are_what_each_would_be_with_its_own(
    plans: int, scale: float, tolerance: float
) -> None:
    model = random_model(scale)
    plain, windows = plain_model(model), random_windows(1)
    past = windows.observation[:, : HISTORY + 1], windows.action[:, :HISTORY]
    generator = torch.Generator().manual_seed(plans)
    actions, command = torch.randn(2, plans, HORIZON, 6, generator=generator)
    context = model.read(*past)
    own = plain.read(*(each.expand(plans, -1, -1) for each in past))
    latents = model.predict(context, actions)
    expected = plain.predict(own, actions)
    torch.testing.assert_close(latents, expected, atol=tolerance, rtol=tolerance)
    for ours, theirs in (
        (model.reward(context, latents, actions, command), plain.reward(own, latents, actions, command)),
        (model.value(context, latents, command, LAST_TICK), plain.value(own, latents, command)[:, -1:]),
    ):
        assert ours.isfinite().all()
        torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=tolerance)


def test_what_is_differentiated_is_what_is_computed_without() -> None:
    model, windows = random_model(0.2), random_windows(3)
    differentiable = model.forecast(windows)
    assert differentiable.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(model.forecast(windows), differentiable, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_operations_of_attention_are_counted() -> None:
    query, key = torch.randn(1, 2, 10, 4), torch.randn(1, 2, 30, 4)
    assert count_operations(lambda: query[0] @ key[0].transpose(1, 2)) == 2 * 2 * 10 * 30 * 4
    fused = torch.nn.functional.scaled_dot_product_attention
    assert count_operations(lambda: fused(query, key, key)) == 2 * 2 * 2 * 10 * 30 * 4
