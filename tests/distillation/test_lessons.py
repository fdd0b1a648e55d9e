"""Windows that a student learns from."""

from __future__ import annotations

import numpy as np
import torch
from cart import CART
from hypothesis import given
from hypothesis import strategies as st

from adapt.distillation.lessons import Collection
from adapt.distillation.student import Drives

HISTORY, HORIZON, TICKS = CART.history_ticks, CART.horizon_ticks, 60


def counting(falls: list[int]) -> Drives:
    """Robots whose every number is the tick; after a fall they are nowhere."""
    count = len(falls)
    ticks = np.arange(TICKS + 1 + HORIZON, dtype=np.float64)[None, :, None]
    observation = np.tile(ticks[:, :TICKS], (count, 1, CART.observation_size))
    action = np.tile(ticks[:, :TICKS], (count, 1, CART.action_size))
    for row, fell in enumerate(falls):
        observation[row, fell:] = action[row, fell:] = np.nan
    return Drives(observation, action, np.tile(ticks, (count, 1, 1)), action + 0.5, np.array(falls))


@given(st.lists(st.integers(HISTORY + 3, TICKS), min_size=1, max_size=4), st.integers(0, 99))
def test_windows_end_with_a_fall_and_say_so(falls: list[int], seed: int) -> None:
    collection = Collection(CART)
    collection.add(counting(falls))
    drawn = collection.draw(32, torch.Generator().manual_seed(seed))
    assert torch.isfinite(drawn.windows.observation).all() and torch.isfinite(drawn.label).all()
    now = drawn.windows.observation[:, HISTORY, 0]
    horizon = now[:, None] + torch.arange(HORIZON)
    assert torch.equal(drawn.label[drawn.known][:, 0], horizon[drawn.known] + 0.5)
    assert torch.equal(drawn.windows.command[:, HISTORY, 0], now)
    assert drawn.known[:, 0].all() and (now <= max(falls) - 2).all()
    assert (horizon[drawn.known] < max(falls)).all()


def test_all_ticks_of_all_robots_are_drawn_evenly() -> None:
    collection = Collection(CART)
    collection.add(counting([TICKS, HISTORY + 3]))
    collection.add(counting([TICKS]))
    assert len(collection) == 2 * (TICKS - 1 - HISTORY) + 2
