import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adapt.model.scaling import Scaling
from adapt.model.windows import Windows

HISTORY, HORIZON = 4, 3
SIZE, ANCHORED = 5, (1, 0, -1)


def windows(seed: int, count: int = 16) -> Windows:
    generator = torch.Generator().manual_seed(seed)

    def draw(length: int, size: int) -> torch.Tensor:
        scale, mean = torch.rand(size, generator=generator) * 3 + 0.1, torch.randn(size, generator=generator)
        return torch.randn(count, length, size, generator=generator) * scale + mean

    length = HISTORY + 1 + HORIZON
    return Windows(draw(length, SIZE), draw(length - 1, len(ANCHORED)), draw(length, len(ANCHORED)))


def fitted(data: Windows) -> Scaling:
    scaling = Scaling(SIZE, range(SIZE), ANCHORED, ANCHORED)
    scaling.fit(data, HISTORY)
    return scaling


@given(st.integers(0, 2**32))
def test_scaling_is_undone_exactly(seed: int) -> None:
    data = windows(seed)
    scaling, now = fitted(data), data.observation[:, HISTORY]
    back = scaling.unscale_action(scaling.action(data.action, now), now)
    torch.testing.assert_close(back, data.action, atol=1e-4, rtol=1e-4)
    back = scaling.unscale_change(scaling.change(data.observation, now), now)
    torch.testing.assert_close(back, data.observation, atol=1e-4, rtol=1e-4)


def test_scaled_values_are_of_order_one() -> None:
    data = windows(1, count=500)
    scaling, now = fitted(data), data.observation[:, HISTORY]
    observation = scaling.observation(data.observation).flatten(0, 1)
    assert observation.mean(0).abs().max() < 1e-4 and (observation.std(0) - 1).abs().max() < 1e-4
    for scaled in (scaling.action(data.action, now), scaling.command(data.command, now)):
        assert (scaled.square().mean((0, 1)) - 1).abs().max() < 1e-3


def test_anchored_entries_move_with_the_robot_and_the_others_do_not() -> None:
    data = windows(2)
    scaling, now = fitted(data), data.observation[:, HISTORY]
    shift = torch.tensor([0.7, -0.3, 0.0, 0.0, 0.0])
    for values, scale in ((data.action, scaling.action), (data.command, scaling.command)):
        # Entry 0 is anchored to observation 1 and entry 1 to observation 0.
        moved = scale(values + torch.tensor([-0.3, 0.7, 0.5]), now + shift)
        torch.testing.assert_close(moved[..., :2], scale(values, now)[..., :2], atol=1e-5, rtol=1e-5)
        assert not torch.allclose(moved[..., 2], scale(values, now)[..., 2])
    scaled = scaling.action(data.action, now)
    moved = scaling.unscale_action(scaled, now + shift) - scaling.unscale_action(scaled, now)
    torch.testing.assert_close(moved, torch.tensor([-0.3, 0.7, 0.0]).expand_as(moved), atol=1e-5, rtol=1e-4)


def test_rest_is_zero_for_a_set_point() -> None:
    data = windows(3)
    scaling, now = fitted(data), data.observation[:, HISTORY]
    hold = torch.stack([now[:, 1], now[:, 0], torch.zeros(len(now))], dim=1)[:, None]
    assert (scaling.action(hold, now)[..., :2] == 0.0).all()
    assert (scaling.change(now[:, None], now) == 0.0).all()


def test_entries_that_never_change_do_not_divide_by_zero() -> None:
    data = windows(4)
    still = Windows(torch.ones_like(data.observation), torch.ones_like(data.action), data.command * 0 + 1)
    scaling, now = fitted(still), still.observation[:, HISTORY]
    for scaled in (
        scaling.observation(still.observation),
        scaling.change(still.observation, now),
        scaling.action(still.action, now),
        scaling.command(still.command, now),
    ):
        assert torch.isfinite(scaled).all() and scaled.abs().max() == 0.0


@pytest.mark.parametrize("name", ["observation_mean", "change_deviation", "action_deviation", "command_mean"])
def test_the_scaling_travels_with_the_weights(name: str) -> None:
    assert name in fitted(windows(5)).state_dict()
