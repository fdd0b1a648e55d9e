import math
from contextlib import nullcontext
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_workers import HereAndNow

from adapt.errors import UserError
from adapt.robot.load import load_robot
from adapt.robot.specification import RobotSpecification
from adapt.sim.data import Dataset
from adapt.sim.generation import generate_data_set, plan_data_set
from adapt.sim.manifest import Manifest
from adapt.sim.sampling import SEEN_HORIZONS, Episodes, Sampler, returns_of
from adapt.sim.shards import map_arrays, observation_parts, pack

ARM, DOG = load_robot("so101"), load_robot("go2")
LENGTH = ARM.history_ticks + 1 + ARM.horizon_ticks


def counted(spec: RobotSpecification, episodes: int, ticks: int) -> Dataset:
    """Arrays whose values tell where they came from, small enough for half precision."""
    episode, tick = np.mgrid[:episodes, :ticks].astype(np.float32)
    place = episode + tick / 64

    def wide(size: int) -> np.ndarray:
        return place[..., None] + np.arange(size, dtype=np.float32) % 2

    sizes = spec.observation_size, spec.action_size, spec.command_size, spec.action_size
    return Dataset(*(wide(size) for size in sizes), place)


@pytest.fixture(scope="module")
def arm(tmp_path_factory) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("arm")
    plan = plan_data_set(ARM, episodes=5, ticks=60, seed=0, episodes_per_shard=2)
    return folder, generate_data_set(folder, ARM, plan, lambda: nullcontext(HereAndNow()))


@pytest.mark.parametrize("spec", [ARM, DOG], ids=lambda spec: spec.name)
def test_a_shard_gives_back_what_was_packed(spec: RobotSpecification, tmp_path: Path) -> None:
    dataset = counted(spec, 3, 20)
    path = tmp_path / "shard-00000.h5"
    path.write_bytes(pack(dataset, spec, 0, 1))
    assert path.read_bytes() == pack(dataset, spec, 0, 1)
    arrays = map_arrays(path)
    for key, part in observation_parts(spec).items():
        values = arrays[f"observation/{key}"]
        assert values.dtype == (np.float16 if key == "height_scan" else np.float32)
        np.testing.assert_array_equal(values, dataset.observation[:, :, part])
    for name in ("action", "expert_action", "command", "reward"):
        np.testing.assert_array_equal(arrays[name], getattr(dataset, name))
    with h5py.File(path) as file:
        assert file.attrs["schema_hash"] == spec.schema_hash
        assert list(file["action"].attrs["names"]) == list(spec.action.entries)
        assert list(file["command"].attrs["units"]) == list(spec.task.command.name_units)


def test_a_file_that_is_no_shard_is_named(tmp_path: Path) -> None:
    path = tmp_path / "shard-00000.h5"
    path.write_bytes(b"not HDF5")
    with pytest.raises(UserError, match=r"shard-00000\.h5: not a shard"):
        map_arrays(path)


def test_windows_are_runs_of_one_episode_with_what_belongs_to_them(arm: tuple[Path, Manifest]) -> None:
    data = Episodes(*arm, ARM)
    assert len(data) == 5
    examples = Sampler(data, range(5), 0.2).draw(64, torch.Generator().manual_seed(0))
    whole = {name: data.read(name, range(5), [0] * 5, 60) for name in ("observation", "action", "reward")}
    expert = data.read("expert_action", range(5), [0] * 5, 60)
    returns, known = returns_of(whole["reward"], ARM.period_s / 0.2)
    episodes = set()
    for index, window in enumerate(examples.windows.observation):
        ((episode, start),) = [
            (episode, start)
            for episode in range(5)
            for start in range(60 - LENGTH + 1)
            if torch.equal(whole["observation"][episode, start : start + LENGTH], window)
        ]
        episodes.add(episode)
        now = start + ARM.history_ticks
        ahead = slice(now, now + ARM.horizon_ticks)
        after = slice(now + 1, now + 1 + ARM.horizon_ticks)
        assert torch.equal(
            examples.windows.action[index], whole["action"][episode, start : start + LENGTH - 1]
        )
        assert torch.equal(examples.expert[index], expert[episode, ahead])
        assert torch.equal(examples.reward[index], whole["reward"][episode, ahead])
        assert torch.equal(examples.returns[index], returns[episode, after])
        assert torch.equal(examples.known[index], known[episode, after])
    assert episodes == set(range(5))


def test_only_the_chosen_episodes_are_drawn(arm: tuple[Path, Manifest]) -> None:
    data = Episodes(*arm, ARM)
    drawn = Sampler(data, range(3, 4), 0.2).draw(16, torch.Generator().manual_seed(0))
    own = data.read("observation", [3], [0], 60)[0]
    assert torch.isin(drawn.windows.observation, own).all()


def test_a_missing_shard_and_short_episodes_are_refused(arm: tuple[Path, Manifest], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"shard-00000\.h5"):
        Episodes(tmp_path, arm[1], ARM)
    plan = plan_data_set(ARM, episodes=1, ticks=LENGTH - 1, seed=0)
    manifest = generate_data_set(tmp_path, ARM, plan, lambda: nullcontext(HereAndNow()))
    with pytest.raises(UserError, match=f"a window of robot 'so101' is of {LENGTH}"):
        Sampler(Episodes(tmp_path, manifest, ARM), range(1), 0.2)


@given(
    rewards=st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=40),
    decay=st.floats(0.05, 2.0),
)
def test_returns_are_discounted_sums_where_enough_is_seen(rewards: list[float], decay: float) -> None:
    returns, known = returns_of(torch.tensor([rewards]), decay)
    for tick in range(len(rewards)):
        left = len(rewards) - tick
        assert known[0, tick] == (left * decay > SEEN_HORIZONS)
        expected = sum(math.exp(-n * decay) * rewards[tick + n] for n in range(left)) if known[0, tick] else 0
        assert returns[0, tick] == pytest.approx(expected, rel=1e-4, abs=1e-4)
