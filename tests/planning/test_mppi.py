import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adapt.planning.mppi import knot_noise, weights


def effective_size(weight: torch.Tensor) -> float:
    return 1.0 / float(weight.double().square().sum())


def random_returns(seed: int, count: int = 64) -> torch.Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed))


@given(st.integers(0, 2**32), st.floats(-6, 6), st.floats(-3, 3), st.floats(2.0, 48.0))
def test_the_effective_sample_size_is_as_wanted_at_any_scale_and_shift(
    seed: int, scale: float, shift: float, wanted: float
) -> None:
    returns = random_returns(seed).double() * 10.0**scale
    weight = weights(returns + shift * 10.0**scale, wanted)
    assert abs(float(weight.sum()) - 1.0) < 1e-5 and (weight >= 0).all()
    assert abs(effective_size(weight) / wanted - 1.0) < 0.01


@pytest.mark.parametrize("far", [-1e3, -1e9, -1e30])
def test_one_return_far_below_the_others_does_not_make_them_equal(far: float) -> None:
    returns = random_returns(0)
    returns[5] = far
    weight = weights(returns, 10.0)
    assert abs(effective_size(weight) / 10.0 - 1.0) < 0.01 and weight[5] == 0.0


@given(st.integers(0, 2**32))
def test_a_higher_return_never_weighs_less(seed: int) -> None:
    returns = random_returns(seed)
    assert (weights(returns, 8.0)[returns.argsort()].diff() >= 0).all()


@given(st.lists(st.sampled_from([0.0, -1.0, 3.5, float("nan"), float("inf"), -float("inf")]), min_size=1))
def test_what_is_not_finite_never_weighs_anything(values: list[float]) -> None:
    returns = torch.tensor(values)
    weight = weights(returns, 2.0)
    finite = torch.isfinite(returns)
    assert torch.isfinite(weight).all() and (weight[~finite] == 0.0).all()
    assert abs(float(weight.sum()) - float(finite.any())) < 1e-5


def test_equal_returns_weigh_the_same() -> None:
    assert weights(torch.tensor([2.0, 2.0, float("nan"), 2.0]), 1.0).tolist() == pytest.approx(
        [1 / 3, 1 / 3, 0, 1 / 3]
    )


@given(st.permutations(range(16)))
def test_the_order_of_samples_does_not_matter(order: list[int]) -> None:
    returns = random_returns(3, 16)
    returns[2] = torch.nan
    torch.testing.assert_close(weights(returns[order], 5.0), weights(returns, 5.0)[order])


def test_noise_is_linear_between_its_knots_and_has_the_scale_at_them() -> None:
    scale = torch.tensor([1.0, 0.5, 0.0])
    noise = knot_noise(4000, 4, 13, scale, torch.Generator().manual_seed(0))
    assert noise.shape == (4000, 13, 3)
    bends = noise.diff(dim=1).diff(dim=1).abs().amax((0, 2))
    assert [number + 1 for number in range(11) if bends[number] > 1e-4] == [4, 8]
    for knot in (0, 4, 8, 12):
        torch.testing.assert_close(noise[:, knot].std(0), scale, atol=0.04, rtol=0.0)


def test_a_seed_repeats() -> None:
    def draw(seed: int) -> torch.Tensor:
        return knot_noise(8, 3, 5, torch.ones(2), torch.Generator().manual_seed(seed))

    assert torch.equal(draw(1), draw(1)) and not torch.equal(draw(1), draw(2))
