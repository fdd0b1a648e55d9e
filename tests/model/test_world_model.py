import pytest
import torch
from small_model import ARM, SMALL, random_model, random_windows
from torch import Tensor

from adapt.errors import UserError
from adapt.model.context import Context
from adapt.model.settings import ModelSettings
from adapt.model.windows import Windows
from adapt.model.world_model import LAST_TICK, WorldModel
from adapt.robot.load import load_robot

HISTORY, HORIZON = ARM.history_ticks, ARM.horizon_ticks


def read(model: WorldModel, windows: Windows) -> Context:
    return model.read(windows.observation[:, : HISTORY + 1], windows.action[:, :HISTORY])


@pytest.mark.parametrize("changed", range(HORIZON))
@torch.no_grad()
def test_an_action_changes_nothing_before_it(changed: int) -> None:
    model, windows = random_model(), random_windows(3)
    before = model.predict(read(model, windows), windows.action[:, HISTORY:])
    windows.action[:, HISTORY + changed] += 1.0
    after = model.predict(read(model, windows), windows.action[:, HISTORY:])
    torch.testing.assert_close(before[:, :changed], after[:, :changed], atol=1e-5, rtol=1e-5)
    # The action matters for the observation and for the features, from its own tick on.
    for part in (slice(0, 6), slice(6, None)):
        assert (before - after)[:, changed:, part].abs().amax((0, 2)).min() > 1e-4


@torch.no_grad()
def test_commands_of_later_ticks_do_not_change_the_policy_before_them() -> None:
    model, windows = random_model(), random_windows(3)
    context, command = read(model, windows), windows.command[:, HISTORY + 1 :].clone()
    before = model.propose(context, command)
    command[:, 7] += 1.0
    after = model.propose(context, command)
    torch.testing.assert_close(before[:, :7], after[:, :7], atol=1e-5, rtol=1e-5)
    assert (before - after)[:, 7:].abs().amax((0, 2)).min() > 1e-4


@torch.no_grad()
def test_a_shorter_plan_is_the_beginning_of_a_longer_one() -> None:
    model, windows = random_model(), random_windows(3)
    context, plan = read(model, windows), windows.action[:, HISTORY:]
    whole = model.predict(context, plan)
    for steps in (1, 5, HORIZON):
        torch.testing.assert_close(model.predict(context, plan[:, :steps]), whole[:, :steps])


@torch.no_grad()
def test_many_plans_of_one_context_are_as_good_as_one_by_one() -> None:
    model, windows = random_model(), random_windows(2)
    plans = torch.randn(2, 5, HORIZON, 6, generator=torch.Generator().manual_seed(3))
    together = model.predict(read(model, windows), plans.flatten(0, 1)).unflatten(0, (2, 5))
    for history in range(2):
        context = read(model, windows.select(slice(history, history + 1)))
        for plan in range(5):
            alone = model.predict(context, plans[history, plan][None])[0]
            torch.testing.assert_close(together[history, plan], alone, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_every_tick_of_the_history_and_every_action_in_it_is_read() -> None:
    model, windows = random_model(), random_windows(1)
    forecast = model.forecast(windows)
    for tick in range(HISTORY):
        for part in ("observation", "action"):
            changed = random_windows(1)
            getattr(changed, part)[:, tick] += 1.0
            assert (model.forecast(changed) - forecast).abs().max() > 1e-4, (part, tick)


@torch.no_grad()
def test_what_comes_after_now_is_not_seen() -> None:
    model, windows = random_model(), random_windows(2)
    forecast = model.forecast(windows)
    windows.observation[:, HISTORY + 1 :] += 1.0
    windows.command.add_(1.0)
    assert torch.equal(model.forecast(windows), forecast)


@torch.no_grad()
def test_the_observation_is_read_from_the_latent_without_error() -> None:
    model, windows = random_model(), random_windows(4)
    now = windows.observation[:, HISTORY]
    latent = model.encode(windows.observation, now)
    assert latent.shape == (4, HISTORY + 1 + HORIZON, SMALL.latent)
    assert (latent[:, HISTORY, :6] == 0.0).all()
    torch.testing.assert_close(model.observation(latent, now), windows.observation, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_new_model_predicts_no_learned_change_of_features_and_proposes_to_stay() -> None:
    torch.manual_seed(0)
    model, windows = WorldModel(ARM, SMALL).eval(), random_windows(2)
    context = read(model, windows)
    latents = model.predict(context, windows.action[:, HISTORY:])
    torch.testing.assert_close(latents[..., 6:], context.latent[:, None, 6:].expand(-1, HORIZON, -1))
    plan = model.propose(context, windows.command[:, HISTORY + 1 :])
    torch.testing.assert_close(plan, context.now[:, None].expand_as(plan))


def test_only_the_dynamics_may_change_on_the_robot() -> None:
    model = random_model()
    names = set(model.dynamics_parameters())
    assert names and all(name.startswith("dynamics.") for name in names)
    assert names == {name for name, _ in model.named_parameters() if name.split(".")[0] == "dynamics"}
    windows = random_windows(8)
    model.dynamics_loss(windows).mean().backward()
    silent = [name for name, weight in model.dynamics_parameters().items() if weight.grad is None]
    assert silent == []


def test_the_loss_of_a_window_does_not_depend_on_the_others() -> None:
    model, windows = random_model(), random_windows(6)
    with torch.no_grad():
        losses: Tensor = model.dynamics_loss(windows)
        one = model.dynamics_loss(windows.select(slice(2, 3)))
        assert losses.shape == (6,) and (losses > 0).all()
        torch.testing.assert_close(losses[2:3], one, atol=1e-5, rtol=1e-5)


def test_a_latent_that_holds_no_features_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"robot 'so101': 6 observation values do not fit .* raise model\.latent"
    ):
        WorldModel(ARM, ModelSettings(latent=6, heads=2, score_heads=2))


def walker(readable: bool) -> tuple[WorldModel, Windows]:
    """A model of a robot with a height map and a clock, and windows for it."""
    robot = load_robot("go2")
    torch.manual_seed(0)
    sizes = {"encoder_hidden": 16, "map_hidden": (8,), "layers": 1, "policy_layers": 1, "feed_forward": 16}
    rank = 8 if readable else 0
    model = WorldModel(robot, ModelSettings(readable=readable, linear_rank=rank, **sizes)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    length = robot.history_ticks + 1 + robot.horizon_ticks
    shapes = ((4, length, robot.observation_size), (4, length - 1, 12), (4, length, 3))
    windows = Windows(*(torch.randn(shape) for shape in shapes))
    if readable:
        model.scaling.fit(windows, robot.history_ticks)
    return model, windows


@pytest.mark.parametrize("readable", [True, False])
@torch.no_grad()
def test_only_the_newest_height_map_is_read(readable: bool) -> None:
    model, windows = walker(readable)
    cells = model._maps["height_scan"]

    def proposed() -> Tensor:
        context = model.read(windows.observation[:, :26], windows.action[:, :25])
        return model.propose(context, windows.command[:, 26:])

    before = proposed()
    windows.observation[:, :25, cells] += 1.0
    assert torch.equal(proposed(), before)
    windows.observation[:, 25, cells.start + 7] += 1.0
    assert (proposed() - before).abs().max() > 1e-5


@pytest.mark.parametrize("readable", [True, False])
@torch.no_grad()
def test_rewards_and_values_are_scores_of_the_whole_plan(readable: bool) -> None:
    model, windows = walker(readable)
    context = model.read(windows.observation[:1, :26], windows.action[:1, :25])
    plans, commands = windows.action[:, 25:], windows.command[:, 26:]
    latents = model.predict(context, plans)
    rewards = model.reward(context, latents, plans, commands)
    values = model.value(context, latents, commands)
    assert rewards.shape == values.shape == (4, 25)
    terminal = model.value(context, latents, commands, LAST_TICK)
    torch.testing.assert_close(terminal, values[:, -1:])
    alone = model.reward(context, latents[2:3], plans[2:3], commands[2:3])
    torch.testing.assert_close(alone, rewards[2:3], atol=1e-5, rtol=1e-5)
    model.scaling.fit_scores(rewards * 7.0 + 3.0, values)
    assert (model.reward(context, latents, plans, commands) - rewards).abs().max() > 0.1


def test_latents_without_observations_are_not_read_as_such() -> None:
    model, windows = walker(readable=False)
    with pytest.raises(UserError, match="cannot be read as observations"):
        model.forecast(windows)
    assert model.forecast_error(windows).shape == (4, 25, 64)
    assert walker(readable=True)[0].forecast_error(windows).shape == (4, 25, 35)


@torch.no_grad()
def test_a_readable_forecast_holds_height_maps_and_turns_the_clock() -> None:
    model, windows = walker(readable=True)
    forecast, cells = model.forecast(windows), model._maps["height_scan"]
    now = windows.observation[:, 25:26]
    torch.testing.assert_close(forecast[..., cells], now[..., cells].expand(-1, 25, -1))
    assert (forecast - now)[..., -2:].abs().max() > 1e-4
