from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from adapt.errors import UserError
from adapt.robot.load import load_robot
from adapt.sim.data import Dataset, generate

SPEC = load_robot("so101")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return generate(SPEC, arms=70, ticks=30, seed=5, threads=1)


def test_arrays_have_the_sizes_of_the_robot_and_are_finite(dataset: Dataset) -> None:
    assert len(dataset) == 70
    for each in fields(Dataset):
        values = getattr(dataset, each.name)
        assert values.shape == (70, 30, 6)
        assert values.dtype == np.float32
        assert np.isfinite(values).all()


def test_actions_stay_within_the_position_limits(dataset: Dataset) -> None:
    low, high = np.array([limits.position for limits in SPEC.action.limits.values()]).T
    for values in (dataset.action, dataset.expert_action, dataset.command):
        assert (values >= low - 1e-5).all() and (values <= high + 1e-5).all()


def test_a_seed_names_the_data_bit_for_bit_whatever_the_threads(dataset: Dataset) -> None:
    again = generate(SPEC, arms=70, ticks=30, seed=5, threads=2)
    other = generate(SPEC, arms=70, ticks=30, seed=6, threads=1)
    for each in fields(Dataset):
        np.testing.assert_array_equal(getattr(dataset, each.name), getattr(again, each.name))
        assert (getattr(dataset, each.name) != getattr(other, each.name)).any()


def test_no_two_arms_are_alike(dataset: Dataset) -> None:
    assert len(np.unique(dataset.observation[:, 10, 0])) > 60


def test_progress_counts_the_arms() -> None:
    seen: list[int] = []
    generate(SPEC, arms=66, ticks=2, seed=0, threads=1, progress=seen.append)
    assert seen == [64, 66]


def test_a_saved_data_set_comes_back_and_a_broken_one_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    dataset.save(path)
    again = Dataset.load(path)
    for each in fields(Dataset):
        np.testing.assert_array_equal(getattr(dataset, each.name), getattr(again, each.name))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"data\.npz"):
        Dataset.load(path)
    np.savez(tmp_path / "other.npz", observation=dataset.observation)
    with pytest.raises(UserError, match="action"):
        Dataset.load(tmp_path / "other.npz")
    with pytest.raises(UserError, match="no such file"):
        Dataset.load(tmp_path / "none.npz")
