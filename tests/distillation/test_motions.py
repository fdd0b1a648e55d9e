"""Motions of the logs, repeated by simulated arms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco")

from adapt.distillation.arms import arms_of
from adapt.distillation.motions import MOST, Motions, motions_of, repeat_motions
from adapt.distillation.posterior import Posterior, load_posterior
from adapt.errors import UserError
from adapt.model.windows import Windows
from adapt.robot.load import load_robot

ARM = load_robot("so101")
TICKS = ARM.history_ticks + ARM.horizon_ticks


def windows(count: int) -> Windows:
    import torch

    generator = torch.Generator().manual_seed(0)
    seen = 0.3 * torch.rand(count, TICKS + 1, ARM.observation_size, generator=generator)
    told = seen[:, :1] + 0.2 * torch.linspace(0, 1, TICKS)[None, :, None].expand(
        count, TICKS, ARM.action_size
    )
    return Windows(seen, told, seen[:, :, :0])


def posterior(motions: Motions) -> Posterior:
    ranges = {f"friction/{joint}": (0.0, 0.1) for joint in ARM.action.entries}
    size = len(ranges)
    return Posterior(ranges, np.full(size, 0.5), 1e-4 * np.eye(size), motions=motions)


def test_no_more_are_kept_than_needed_and_examinations_have_their_own() -> None:
    motions = motions_of(ARM, windows(2 * MOST + 7))
    assert MOST / 2 < len(motions) <= MOST
    learned, examined = motions.for_learning(), motions.for_examination()
    assert len(learned) + len(examined) == len(motions) and len(examined) > MOST / 12
    known = {each.tobytes() for each in learned.action} & {each.tobytes() for each in examined.action}
    assert not known or len(np.unique(motions.start, axis=0)) < len(motions)
    assert not {each.tobytes() for each in learned.start} & {each.tobytes() for each in examined.start}


def test_arms_begin_where_the_real_one_was_and_follow_what_it_was_told() -> None:
    motions = motions_of(ARM, windows(20))
    arms = arms_of(ARM, posterior(motions), 3, np.random.default_rng(0))
    found = repeat_motions(ARM, arms, motions, 4, np.random.default_rng(1))
    assert found.observation.shape == (12, TICKS + 1, ARM.observation_size)
    starts = {tuple(np.round(each, 3)) for each in motions.action[:, 0]}
    assert {tuple(np.round(each, 3)) for each in found.action[:, 0].double().numpy()} <= starts
    first, last = found.observation[:, 0] - found.action[:, 0], found.observation[:, -1] - found.action[:, 0]
    assert first.abs().max() < 0.02
    assert (last[:, :3] > 0.05).all()  # told to go on by 0.2 rad, they do
    again = repeat_motions(ARM, arms, motions, 4, np.random.default_rng(1))
    assert again.observation.equal(found.observation)


def test_a_posterior_keeps_its_motions_beside_it_and_knows_others(tmp_path: Path) -> None:
    motions = motions_of(ARM, windows(10))
    found, path = posterior(motions), tmp_path / "posterior.json"
    found.save(path, ARM)
    again = load_posterior(path, ARM)
    assert again.motions is not None and again.motions.name == motions.name and again.name == found.name
    assert replace(found, motions=None).name != found.name
    beside = tmp_path / "posterior.motions.safetensors"
    motions_of(ARM, windows(9)).save(beside)
    with pytest.raises(UserError, match="not the motions of its posterior"):
        load_posterior(path, ARM)
    beside.write_bytes(b"cut off")
    with pytest.raises(UserError, match="not a file of motions"):
        load_posterior(path, ARM)
    beside.unlink()
    with pytest.raises(UserError, match="no such file: it belongs beside its posterior"):
        load_posterior(path, ARM)
