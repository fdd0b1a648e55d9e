import torch
from torch import Tensor

from adapt.evaluation.published_mppi import PublishedSettings, Start, draw_noise, search

TICKS, ACTIONS = 5, 2
GOAL = torch.tensor([0.5, -0.3])
SETTINGS = PublishedSettings(samples=200, policy_samples=10, iterations=6, elites=20)
START = Start(torch.zeros(TICKS, ACTIONS), torch.zeros(TICKS, ACTIONS), torch.tensor([0.25, 0.25]))


def score(plans: Tensor) -> Tensor:
    return -(plans - GOAL).square().sum((1, 2))


def within(plans: Tensor) -> Tensor:
    return plans.clamp(-0.4, 0.4)


def searched(repeat: bool, limit=lambda plans: plans) -> list[Tensor]:
    noise = draw_noise(SETTINGS, TICKS, ACTIONS, torch.Generator().manual_seed(0))
    return list(search(SETTINGS, START, noise, limit, score, repeat))


def test_each_iteration_comes_nearer_to_the_goal() -> None:
    distance = [float((plan - GOAL).abs().max()) for plan in searched(repeat=True)]
    assert len(distance) == 6 and distance[0] > 0.1 > distance[-1]


def test_scoring_the_policys_samples_once_or_again_makes_no_difference() -> None:
    for once, again in zip(searched(repeat=False), searched(repeat=True), strict=True):
        assert torch.equal(once, again)


def test_plans_are_such_as_may_be_carried_out() -> None:
    assert all(float(plan.abs().max()) <= 0.4 for plan in searched(repeat=False, limit=within))


def test_where_random_samples_are_worse_the_policys_plan_is_found() -> None:
    """With a return that only plans near the policy's have, nearly all elites are of its samples."""
    settings = SETTINGS.model_copy(update={"elites": 10, "iterations": 1})
    noise = draw_noise(settings, TICKS, ACTIONS, torch.Generator().manual_seed(0))
    start = Start(GOAL.expand(TICKS, ACTIONS), torch.full((TICKS, ACTIONS), 9.0), START.unit)
    (plan,) = search(settings, start, noise, lambda plans: plans, score, repeat=False)
    torch.testing.assert_close(plan, start.policy.clone(), atol=0.02, rtol=0.0)
