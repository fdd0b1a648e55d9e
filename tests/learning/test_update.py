import copy
import math

import pytest
import torch
from small_arm import servo_motion, simulated_windows, tiny_model, two_joint_arm

from adapt.learning.update import LARGEST_ERROR, DynamicsUpdate, UpdateSettings, forecast_error
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


@pytest.mark.parametrize("method", ["full", "linear"])
def test_only_the_weights_of_the_method_change(method):
    model = tiny_model(ARM)
    names = changed(model, trained(model, UpdateSettings(method=method, steps=5), real_windows()).finish())
    assert names and all(name.startswith("dynamics.") for name in names)
    assert any(name.startswith("dynamics.transformer.") for name in names) == (method == "full")


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
