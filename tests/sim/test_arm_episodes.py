from dataclasses import fields

import numpy as np
import pytest

from adapt.robot.load import load_robot
from adapt.sim.arm_episodes import generate_arm_episodes
from adapt.sim.data import Dataset

SPEC = load_robot("so101")


def episodes(seed: int) -> Dataset:
    return generate_arm_episodes(SPEC, 70, 30, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return episodes(5)


def test_arrays_have_the_sizes_of_the_robot_and_are_finite(dataset: Dataset) -> None:
    assert len(dataset) == 70 and dataset.not_finite is None
    for each in fields(Dataset):
        values = getattr(dataset, each.name)
        assert values.shape == ((70, 30) if each.name == "reward" else (70, 30, 6))
        assert values.dtype == np.float32


def test_actions_stay_within_the_position_limits(dataset: Dataset) -> None:
    low, high = np.array([limits.position for limits in SPEC.action.limits.values()]).T
    for values in (dataset.action, dataset.expert_action, dataset.command):
        assert (values >= low - 1e-5).all() and (values <= high + 1e-5).all()


def test_a_seed_names_the_data_bit_for_bit(dataset: Dataset) -> None:
    again, other = episodes(5), episodes(6)
    for each in fields(Dataset):
        np.testing.assert_array_equal(getattr(dataset, each.name), getattr(again, each.name))
        assert (getattr(dataset, each.name) != getattr(other, each.name)).any()


def test_no_two_arms_are_alike(dataset: Dataset) -> None:
    assert len(np.unique(dataset.observation[:, 10, 0])) > 60


def test_the_reward_is_for_what_an_action_led_to(dataset: Dataset) -> None:
    error = (dataset.command - dataset.observation).astype(np.float64) / SPEC.task.tracking_scale
    cost = (np.sqrt(1 + error**2) - 1).sum(-1)
    change = np.diff(dataset.action.astype(np.float64), axis=1) / SPEC.task.tracking_scale
    effort = SPEC.task.effort_weight * (change**2).sum(-1)
    np.testing.assert_allclose(dataset.reward[:, 1:-1], -cost[:, 2:] - effort[:, :-1], rtol=1e-3, atol=1e-3)
