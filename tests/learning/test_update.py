import copy
import math

import pytest
import torch
from small_arm import servo_motion, simulated_windows, tiny_model, two_joint_arm

from adapt.learning.recipes import recipe
from adapt.learning.update import LARGEST_ERROR, DynamicsUpdate, UpdateSettings, forecast_error
from adapt.model.checkpoint import load_checkpoint, save_checkpoint
from adapt.model.windows import Windows, cut_windows

ARM = two_joint_arm()


def real_windows(seed: int = 1) -> Windows:
    positions, targets = servo_motion(400, seed, 80.0, 12.0, 0.05)
    return cut_windows(positions, targets, targets, 6, 6)


def trained(model, settings: UpdateSettings, windows: Windows, seed: int = 0):
    rehearsal = simulated_windows(4)
    update = DynamicsUpdate(settings, copy.deepcopy(model), rehearsal, torch.Generator().manual_seed(seed))
    while not update.done:
        update.step(windows)
    return update


def changed(before, after) -> set[str]:
    old, new = before.state_dict(), after.state_dict()
    return {name for name in old if not torch.equal(old[name], new[name])}


def test_training_improves_forecasts_of_motion_that_it_has_not_seen(pretrained):
    update = trained(pretrained, UpdateSettings(), real_windows(1))
    before, after = (forecast_error(model, real_windows(2)) for model in (pretrained, update.finish()))
    assert after < 0.7 * before


OUTSIDE = {"linear": "transformer.", "residual": "transformer.layers.", "full": "no such weight"}


@pytest.mark.parametrize("method", ["full", "linear", "residual", "low_rank"])
def test_only_the_weights_of_the_method_change(method):
    model = tiny_model(ARM)
    names = changed(model, trained(model, UpdateSettings(method=method, steps=5), real_windows()).finish())
    assert names and all(name.startswith("dynamics.") for name in names)
    outside = OUTSIDE.get(method, "no such weight")
    assert not any(name.startswith(f"dynamics.{outside}") for name in names)


@pytest.mark.parametrize("method", ["linear", "residual", "low_rank"])
def test_every_method_improves_forecasts_of_motion_that_it_has_not_seen(pretrained, method):
    settings = recipe(method, 400).model_copy(update={"blend": 1.0})
    after = trained(pretrained, settings, real_windows(1)).finish()
    assert forecast_error(after, real_windows(2)) < 0.85 * forecast_error(pretrained, real_windows(2))


def test_adapters_are_of_low_rank_and_leave_a_plain_checkpoint(tmp_path, pretrained):
    settings = recipe("low_rank", 400).model_copy(update={"rank": 2, "steps": 20})
    after = trained(pretrained, settings, real_windows()).finish()
    old, new = pretrained.state_dict(), after.state_dict()
    assert list(dict(after.named_parameters())) == list(dict(pretrained.named_parameters()))
    matrices = [
        name for name in changed(pretrained, after) if name.endswith("weight") and old[name].ndim == 2
    ]
    assert len(matrices) > 5
    for name in matrices:
        strengths = torch.linalg.svdvals((new[name] - old[name]).double())
        assert (strengths[2:] < 1e-4 * strengths[0]).all()
    save_checkpoint(tmp_path / "model.safetensors", after, ARM)
    again = load_checkpoint(tmp_path / "model.safetensors", ARM)[0]
    assert torch.equal(again.forecast(real_windows()), after.forecast(real_windows()))


@pytest.mark.parametrize("method", ["residual", "low_rank"])
def test_what_is_added_begins_at_zero(pretrained, method):
    settings = recipe(method, 400).model_copy(update={"learning_rate": 1e-12, "steps": 1})
    after = trained(pretrained, settings, real_windows()).finish()
    assert torch.allclose(after.forecast(real_windows()), pretrained.forecast(real_windows()), atol=1e-5)


def test_from_scratch_nothing_of_the_parents_dynamics_is_left(pretrained):
    settings = recipe("scratch", 400).model_copy(update={"steps": 5})
    other = copy.deepcopy(pretrained)
    with torch.no_grad():
        for weight in other.dynamics_parameters().values():
            weight.add_(1.0)
    results = [trained(model, settings, real_windows()).finish() for model in (pretrained, other)]
    assert changed(*results) == set()
    assert not {name for name in changed(pretrained, results[0]) if not name.startswith("dynamics.")}


def test_scratch_does_not_pretend_to_have_a_parent():
    with pytest.raises(ValueError, match="no parent"):
        UpdateSettings(method="scratch")


def test_the_rate_rises_in_the_warm_up_and_falls_to_the_last():
    settings = UpdateSettings(steps=100, learning_rate=1.0, warm_up=20, last_rate=0.5)
    rates = [settings.rate(step) for step in range(100)]
    assert rates[0] == 0.0 and max(rates) == rates[20] == 1.0
    assert rates[:21] == sorted(rates[:21]) and rates[20:] == sorted(rates[20:], reverse=True)
    assert 0.5 < rates[-1] < 0.51
    plain = UpdateSettings(steps=4, learning_rate=1.0)
    assert [plain.rate(step) for step in range(4)] == [1.0, 0.75, 0.5, 0.25]


def test_little_data_are_not_gone_through_too_often():
    settings = UpdateSettings(steps=600, batch=64, rehearsal_share=0.25, epochs=20.0)
    assert settings.steps_on(480) == 200 and settings.steps_on(10_000) == 600 and settings.steps_on(1) == 1
    assert settings.model_copy(update={"epochs": None}).steps_on(1) == 600
    few = real_windows(1).select(slice(0, 12))
    update = DynamicsUpdate(settings, tiny_model(ARM), None, torch.Generator().manual_seed(0))
    while not update.done:
        update.step(few)
    assert update.taken == settings.steps_on(len(few))


def test_simdists_recipe_is_nothing_but_real_data():
    settings = recipe("simdist", 3200)
    assert (settings.steps, settings.batch, settings.learning_rate) == (10_000, 32, 2e-4)
    assert (settings.rehearsal_share, settings.pull, settings.blend) == (0.0, 0.0, 1.0)


def test_the_seed_alone_decides_the_weights():
    model, windows = tiny_model(ARM), real_windows()
    results = [trained(model, UpdateSettings(steps=10), windows, seed).finish() for seed in (3, 3, 4)]
    assert changed(results[0], results[1]) == set()
    assert changed(results[0], results[2])


def test_the_pull_keeps_the_weights_near_the_parent():
    model, windows = tiny_model(ARM), real_windows()

    def distance(pull: float) -> float:
        after = trained(model, UpdateSettings(steps=60, pull=pull), windows).finish()
        pairs = zip(model.dynamics_parameters().values(), after.dynamics_parameters().values(), strict=True)
        return math.sqrt(sum(float((old - new).detach().square().sum()) for old, new in pairs))

    assert distance(200.0) < 0.7 * distance(0.0)


def test_a_loss_that_is_not_finite_changes_nothing_and_is_counted():
    model = tiny_model(ARM)
    windows = real_windows()
    poisoned = Windows(windows.observation * float("inf"), windows.action, windows.command)
    update = trained(model, UpdateSettings(steps=3), poisoned)
    assert update.skipped == 3
    assert changed(model, update.finish()) == set()


def test_the_forecast_error_is_always_finite():
    model, windows = tiny_model(ARM), real_windows()
    poisoned = Windows(windows.observation * float("nan"), windows.action, windows.command)
    assert forecast_error(model, poisoned) == LARGEST_ERROR
