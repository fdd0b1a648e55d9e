"""The search around the policy's plan: the command cannot be sent, the latents cannot be read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from servo import ARM, HIGH, HISTORY, HORIZON, LOW, POSE
from torch import Tensor

import adapt.planning.planner as module
from adapt.model.dynamics import Dynamics
from adapt.model.settings import ModelSettings
from adapt.model.world_model import WorldModel
from adapt.planning.planner import Plan, Planner
from adapt.planning.settings import PlannerSettings

WALKER = ARM.model_copy(update={"action": ARM.action.model_copy(update={"targets": None})})
SIZES = ModelSettings(
    latent=16, encoder_hidden=8, layers=1, heads=2, feed_forward=8, readable=False, linear_rank=0
)
REST = torch.tensor(POSE, dtype=torch.float32)
STILL = (REST.expand(HISTORY + 1, 6), REST.expand(HISTORY, 6), REST[None])
GOAL = REST + 0.2 * torch.arange(1.0, HORIZON + 1)[:, None] / HORIZON
SETTINGS = PlannerSettings(samples_near_policy=24)


def lively(dynamics: Dynamics, scale: float = 0.3) -> Dynamics:
    with torch.no_grad():
        dynamics.transformer.output.weight.normal_(std=scale)
    return dynamics


def model() -> WorldModel:
    """Of random weights."""
    torch.manual_seed(0)
    walker = WorldModel(WALKER, SIZES)
    lively(walker.dynamics)
    with torch.no_grad():
        walker.policy.output.weight.normal_(std=0.1)
    return walker.eval()


def further_dynamics(seed: int) -> Dynamics:
    torch.manual_seed(seed)
    return lively(Dynamics(SIZES, WALKER.observation_size, 6, HISTORY, HORIZON)).eval()


MODEL = model()


def planner(given: PlannerSettings = SETTINGS, seed: int = 0, members: tuple[Dynamics, ...] = ()) -> Planner:
    return Planner(WALKER, MODEL, given, torch.Generator().manual_seed(seed), members)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.01, 100.0), st.integers(2, 40), st.integers(0, 3))
def test_limits_hold_and_the_plan_is_never_worse_than_the_policy(
    seed: int, noise: float, samples: int, known: int
) -> None:
    sent = REST + 0.1 * torch.randn(known, 6, generator=torch.Generator().manual_seed(seed))
    searching = planner(PlannerSettings(noise_near_policy=noise), seed)
    plan = searching.plan(STILL[0], STILL[1], sent, GOAL, samples=samples)
    assert plan.value >= plan.policy_value
    assert plan.iterations == PlannerSettings().iterations_near_policy
    assert torch.equal(plan.actions[:known], sent)
    assert (plan.actions[known:] >= torch.tensor(LOW) - 1e-6).all()
    assert (plan.actions[known:] <= torch.tensor(HIGH) + 1e-6).all()


def test_the_search_finds_what_the_model_holds_for_better() -> None:
    gains = [
        plan.value - plan.policy_value
        for plan in (planner(seed=seed).plan(*STILL, GOAL) for seed in range(5))
    ]
    assert min(gains) > 0.0


def test_without_time_the_policys_own_plan_is_given() -> None:
    plan = planner().plan(*STILL, GOAL, enough=lambda: True)
    policy = planner().policy_plan(*STILL, GOAL)
    assert torch.equal(plan.actions, policy.actions)
    assert plan.value == plan.policy_value == policy.value and plan.iterations == 0


@pytest.mark.parametrize("allowed", [1, 2])
def test_the_search_stops_between_iterations_with_what_it_has(allowed: int) -> None:
    asked = 0

    def enough() -> bool:
        nonlocal asked
        asked += 1
        return asked > allowed

    plan = planner().plan(*STILL, GOAL, enough=enough)
    expected = planner(PlannerSettings(samples_near_policy=24, iterations_near_policy=allowed)).plan(
        *STILL, GOAL
    )
    assert plan.iterations == allowed and torch.equal(plan.actions, expected.actions)


@pytest.mark.parametrize("samples", [2, 7, 50])
def test_as_many_samples_are_drawn_as_asked_for(monkeypatch: pytest.MonkeyPatch, samples: int) -> None:
    drawn: list[int] = []
    draw = module.knot_noise

    def spy(count: int, *others: int | Tensor | torch.Generator) -> Tensor:
        drawn.append(count)
        return draw(count, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "knot_noise", spy)
    searching = planner()
    searching.plan(*STILL, GOAL, samples=samples)
    searching.plan(*STILL, GOAL)
    steps = SETTINGS.iterations_near_policy
    assert drawn == [samples] * steps + [SETTINGS.samples_near_policy] * steps


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(24)))
def test_the_order_of_samples_does_not_matter(order: list[int]) -> None:
    expected = planner().plan(*STILL, GOAL)
    with pytest.MonkeyPatch.context() as patch:
        draw = module.knot_noise
        patch.setattr(module, "knot_noise", lambda *arguments: draw(*arguments)[order])
        plan = planner().plan(*STILL, GOAL)
    torch.testing.assert_close(plan.actions, expected.actions, atol=1e-4, rtol=0.0)
    assert plan.value == pytest.approx(expected.value, abs=1e-4)


def test_without_noise_the_plan_is_the_policys() -> None:
    plan = planner(PlannerSettings(samples_near_policy=8, noise_near_policy=1e-12)).plan(*STILL, GOAL)
    torch.testing.assert_close(plan.actions, planner().policy_plan(*STILL, GOAL).actions)


def test_the_same_generator_gives_the_same_plan() -> None:
    one, same, other = (planner(seed=seed).plan(*STILL, GOAL).actions for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("part", ["predict", "reward", "value"])
def test_what_is_not_finite_never_wins_and_is_counted(
    monkeypatch: pytest.MonkeyPatch, part: str, bad: float
) -> None:
    """Every third plan of each search is spoilt, in its latents, a reward or the value."""
    whole: Callable[..., Tensor] = getattr(WorldModel, part)
    spoilt = 0

    def spoil(self: WorldModel, *arguments: Tensor) -> Tensor:
        nonlocal spoilt
        given = whole(self, *arguments).clone()
        if len(given) > 2:
            given[2::3] = bad
            spoilt += len(given[2::3])
        return given

    monkeypatch.setattr(WorldModel, part, spoil)
    plan: Plan = planner().plan(*STILL, GOAL)
    assert plan.not_finite == spoilt > 0
    assert torch.isfinite(plan.actions).all() and plan.policy_value <= plan.value < torch.inf


def test_where_nothing_is_finite_the_policys_plan_is_left_without_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(WorldModel, "value", lambda self, context, latent, *_: latent[:, -1:, 0] * torch.nan)
    plan = planner().plan(*STILL, GOAL)
    assert torch.equal(plan.actions, planner().policy_plan(*STILL, GOAL).actions)
    assert not plan.value > -torch.inf


def returns_of(members: tuple[Dynamics, ...], risk: float, plan: Tensor) -> float:
    """By the planner's own judgement, of one plan given as what was sent already."""
    judging = planner(PlannerSettings(samples_near_policy=2, risk=risk), members=members)
    return judging.policy_plan(STILL[0], STILL[1], plan, GOAL).value


def test_an_ensemble_is_judged_by_its_mean_less_what_its_members_disagree() -> None:
    plan = planner().plan(*STILL, GOAL).actions
    members = (further_dynamics(1), further_dynamics(2))
    alone = [returns_of((), 0.0, plan)]
    for member in members:
        twin = model()
        twin.dynamics = member
        judging = Planner(WALKER, twin, SETTINGS, torch.Generator())
        alone.append(judging.policy_plan(STILL[0], STILL[1], plan, GOAL).value)
    spread = float(torch.tensor(alone).std(correction=0))
    assert spread > 1e-3
    mean = sum(alone) / 3
    assert returns_of(members, 0.0, plan) == pytest.approx(mean, abs=1e-5)
    assert returns_of(members, 2.0, plan) == pytest.approx(mean - 2.0 * spread, abs=1e-5)


def test_members_that_agree_change_nothing() -> None:
    cautious = planner(
        PlannerSettings(samples_near_policy=24, risk=3.0), members=(MODEL.dynamics, MODEL.dynamics)
    )
    plan, expected = cautious.plan(*STILL, GOAL), planner().plan(*STILL, GOAL)
    torch.testing.assert_close(plan.actions, expected.actions, atol=1e-4, rtol=0.0)


def test_a_member_that_is_not_finite_spoils_the_returns_and_is_counted() -> None:
    broken = further_dynamics(1)
    with torch.no_grad():
        broken.transformer.output.bias.fill_(torch.nan)
    plan = planner(members=(broken,)).plan(*STILL, GOAL)
    assert plan.not_finite > SETTINGS.samples_near_policy and not plan.value > -torch.inf
    assert torch.isfinite(plan.actions).all()
