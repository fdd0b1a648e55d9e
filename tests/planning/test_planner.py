from collections.abc import Callable
from math import isfinite

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from servo import ARM, HIGH, HISTORY, HORIZON, LOW, POSE, SHARE, servo_model
from torch import Tensor

from adapt.model.reward import TaskReward
from adapt.model.world_model import WorldModel
from adapt.planning.planner import Plan, Planner
from adapt.planning.settings import PlannerSettings

REST = torch.tensor(POSE, dtype=torch.float32)
MODEL = servo_model()
STILL = (REST.expand(HISTORY + 1, 6), REST.expand(HISTORY, 6), REST[None])
NO_NOISE = PlannerSettings(noise=1e-12, samples=8, damping=1e9)


def planner(model: WorldModel = MODEL, settings: PlannerSettings | None = None, seed: int = 0) -> Planner:
    return Planner(ARM, model, settings or PlannerSettings(), torch.Generator().manual_seed(seed))


def ramp(speed: float) -> Tensor:
    return REST + speed * torch.arange(1.0, HORIZON + 1)[:, None] / HORIZON


def test_the_plan_follows_better_than_the_policy_and_its_prediction_comes_true() -> None:
    command = ramp(0.2)
    settings = PlannerSettings(samples=64, iterations=25, noise=0.04, shrink=0.95)
    plan = planner(settings=settings).plan(*STILL, command)
    assert plan.policy_value < -300 and plan.value > 0.3 * plan.policy_value
    position = REST
    expected = MODEL.observation(plan.latents[None], REST[None])[0]
    for action, predicted in zip(plan.actions, expected, strict=True):
        position = position + SHARE * (action - position)
        torch.testing.assert_close(predicted, position, atol=1e-5, rtol=1e-5)


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.floats(-30, 30), st.booleans())
def test_the_first_action_is_what_was_sent_and_limits_hold(seed: int, goal: float, lively: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    sent = REST + 0.1 * torch.randn(6, generator=generator)
    command = torch.full((HORIZON, 6), goal) + torch.randn(HORIZON, 6, generator=generator)
    searching = planner(servo_model(lively), PlannerSettings(noise=100.0, samples=16), seed)
    for _ in range(2):
        plan = searching.plan(STILL[0], STILL[1], sent[None], command)
        assert torch.equal(plan.actions[0], sent)
        assert (plan.actions[1:] >= torch.tensor(LOW) - 1e-6).all()
        assert (plan.actions[1:] <= torch.tensor(HIGH) + 1e-6).all()
        assert plan.value >= plan.policy_value and plan.not_finite == 0


@torch.no_grad()
def test_the_search_begins_with_the_rest_of_the_plan_before() -> None:
    """A plan that is rolled round, or filled up with zeros, is not what the plan before goes on to say."""
    # The published SimDist planner rolls the plan before a tick into the past, and then sets all but its
    # first tick to zero: nothing of it is left to begin with.
    model = servo_model(lively_policy=True)
    searching = planner(model, NO_NOISE)
    before = searching.plan(*STILL, ramp(0.3)).actions
    assert (before.diff(dim=0).abs().amax(1) > 1e-3).all(), "a plan that does not move shows nothing"
    rest = torch.cat([before[1:], before[-1:]])
    # A reference that only the rest of the plan before follows.
    context = model.read(STILL[0][None], STILL[1][None])
    command = model.observation(model.predict(context, rest[None]), context.now)[0]
    plan = searching.plan(STILL[0], STILL[1], rest[:1], command)
    torch.testing.assert_close(plan.actions, rest, atol=1e-5, rtol=0.0)
    assert plan.policy_value < plan.value - 0.5
    searching.reset()
    plan = searching.plan(STILL[0], STILL[1], rest[:1], command)
    assert plan.value == pytest.approx(plan.policy_value, abs=1e-3)


def test_without_noise_the_plan_is_where_the_search_began() -> None:
    model = servo_model(lively_policy=True)
    command = ramp(0.3)
    plan = planner(model, NO_NOISE).plan(*STILL, command)
    torch.testing.assert_close(plan.actions, planner(model).policy_plan(*STILL, command).actions)
    assert plan.value == pytest.approx(plan.policy_value, rel=1e-5)


def test_the_same_seed_gives_the_same_plan() -> None:
    def plans(seed: int) -> Tensor:
        searching = planner(seed=seed)
        return torch.stack([searching.plan(*STILL, ramp(0.3)).actions for _ in range(3)])

    assert torch.equal(plans(1), plans(1)) and not torch.equal(plans(1), plans(2))


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("share", [1, 2, 5])
def test_a_return_that_is_not_finite_never_wins(
    monkeypatch: pytest.MonkeyPatch, bad: float, share: int
) -> None:
    whole: Callable[..., Tensor] = TaskReward.__call__
    spoilt: list[Tensor] = []

    def spoil(self: TaskReward, observation: Tensor, action: Tensor, *others: Tensor) -> Tensor:
        reward = whole(self, observation, action, *others)
        if len(action) > 2:
            reward[::share, 3] = bad
            spoilt.extend(action[::share])
        return reward

    monkeypatch.setattr(TaskReward, "__call__", spoil)
    settings = PlannerSettings(samples=20, iterations=1)
    plan: Plan = planner(settings=settings).plan(*STILL, ramp(0.3))
    assert plan.not_finite == len(spoilt) > 0
    assert torch.isfinite(plan.actions).all()
    if share > 1:
        assert not any(torch.equal(plan.actions, each) for each in spoilt)


def test_dynamics_that_are_not_finite_leave_a_plan_without_value() -> None:
    model = servo_model()
    with torch.no_grad():
        model.dynamics.impulse_response.fill_(torch.nan)
    plan = planner(model).plan(*STILL, ramp(0.3))
    assert not plan.value > -torch.inf and plan.not_finite > 0


def test_a_policy_that_is_not_finite_does_not_spoil_the_plan_before() -> None:
    model = servo_model()
    searching = planner(model)
    searching.plan(*STILL, ramp(0.3))
    with torch.no_grad():
        model.policy.output.bias.fill_(torch.nan)
    plan = searching.plan(*STILL, ramp(0.3))
    assert torch.isfinite(plan.actions).all() and plan.value > -torch.inf


def test_where_the_robot_may_fall_the_search_stays_around_the_policy() -> None:
    torque = ARM.model_copy(update={"action": ARM.action.model_copy(update={"targets": None})})
    torch.manual_seed(0)
    model = WorldModel(torque, MODEL.settings)
    with torch.no_grad():
        model.policy.output.weight.normal_(std=0.1)
        model.dynamics.impulse_response.normal_()
    searching = Planner(
        torque, model.eval(), PlannerSettings(samples_near_policy=32), torch.Generator().manual_seed(0)
    )
    noise = PlannerSettings().noise_near_policy
    for step in range(4):
        command = ramp(0.1 * step)
        policy = searching.policy_plan(*STILL, command)
        plan = searching.plan(*STILL, command)
        assert plan.value >= plan.policy_value == pytest.approx(policy.value, rel=1e-4)
        # The mean of several samples: never as far as the farthest of them, and not along the plan before.
        assert (plan.actions - policy.actions).abs().max() < 3.0 * noise


def test_half_precision_is_used_where_it_ranks_plans_alike_and_only_there() -> None:
    """On this machine with bfloat16, which has eight bits: too few for plans that hardly differ."""
    command = ramp(0.3)
    far = planner(settings=PlannerSettings(noise=20.0))
    assert far.try_half_precision(*STILL, command)
    assert isfinite(far.plan(*STILL, command).value)
    near = planner(settings=PlannerSettings(noise=1e-6))
    assert not near.try_half_precision(*STILL, command)
    policy = near.policy_plan(*STILL, command)
    assert policy.value == planner().policy_plan(*STILL, command).value


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_captured_plan_is_the_plan() -> None:
    device = torch.device("cuda")
    still = [each.to(device) for each in STILL]
    command = ramp(0.3).to(device)
    plans = []
    for captured in (False, True):
        generator = torch.Generator(device).manual_seed(0)
        planning = Planner(ARM, servo_model(lively_policy=True).to(device), NO_NOISE, generator)
        planning.plan(*still, command)
        if captured:
            planning.capture(*still, command, NO_NOISE.samples)
        plans.append(planning.plan(*still, command).actions)
    torch.testing.assert_close(plans[0], plans[1])
