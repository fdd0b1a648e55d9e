import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adapt.planning.gauss_newton import convolution_matrix, gauss_newton, secant

TICKS, ENTRIES, ACTIONS = 7, 3, 2


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def flat(response: Tensor) -> Tensor:
    return response.flatten(2).flatten(0, 1)


def test_the_matrix_is_the_convolution_with_the_response() -> None:
    impulse, plan = drawn(0, ENTRIES, ACTIONS, TICKS), drawn(1, TICKS, ACTIONS)
    motion = torch.einsum("tesa,sa->te", convolution_matrix(impulse), plan)
    for tick in range(TICKS):
        expected = sum(impulse[:, :, tick - earlier] @ plan[earlier] for earlier in range(tick + 1))
        torch.testing.assert_close(motion[tick], expected)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_samples_correct_a_wrong_response_and_leave_what_they_do_not_tell(seed: int, samples: int) -> None:
    true, believed = drawn(seed, 12, 9), drawn(seed + 1, 12, 9)
    change = drawn(seed + 2, samples, 9)
    found = secant(believed, change, change @ true.T, 1e-9)
    torch.testing.assert_close(change @ found.T, change @ true.T, atol=1e-4, rtol=1e-4)
    assert (found - true).norm() <= (believed - true).norm() * (1 + 1e-6)
    torch.testing.assert_close(secant(true, change, change @ true.T, 0.1), true)


def test_samples_that_are_not_finite_take_no_part() -> None:
    believed, change, effect = drawn(0, 6, 4), drawn(1, 10, 4), drawn(2, 10, 6)
    effect[3, 2], effect[7, 0] = torch.nan, torch.inf
    good = [number for number in range(10) if number not in (3, 7)]
    whole = secant(believed, change, effect, 0.1)
    # The ridge is relative to all samples' mean squared change, in which the two count as none.
    ridge = 0.1 * len(good) / 10
    torch.testing.assert_close(whole, secant(believed, change[good], effect[good], ridge))


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(0, 3), st.floats(0.0, 5.0))
def test_a_step_is_downhill_on_the_cost_and_leaves_what_is_fixed(
    seed: int, fixed: int, effort: float
) -> None:
    response = flat(convolution_matrix(drawn(seed, ENTRIES, ACTIONS, TICKS)))
    wanted, plan, before = (
        drawn(seed + 1, TICKS, ENTRIES),
        drawn(seed + 2, TICKS, ACTIONS),
        torch.zeros(ACTIONS),
    )

    def cost(actions: Tensor) -> Tensor:
        error = wanted - (response @ actions.flatten()).view(TICKS, ENTRIES)
        moved = actions - torch.cat([before[None], actions[:-1]])
        return ((1.0 + error.square()).sqrt() - 1.0).sum() + effort * moved.square().sum()

    error = wanted - (response @ plan.flatten()).view(TICKS, ENTRIES)
    step = gauss_newton(response, error, plan, before.double(), fixed, effort, 1e-3)
    assert not step[:fixed].any()
    # The majorising quadratic of a pseudo-Huber cost lies above it: its whole step never goes uphill.
    assert cost(plan + step) <= cost(plan) + 1e-9
    assert cost(plan + 0.5 * step) <= cost(plan) + 1e-9


def test_of_a_quadratic_cost_one_step_finds_the_best() -> None:
    response = torch.eye(TICKS * ACTIONS, dtype=torch.float64)
    error = 1e-4 * drawn(0, TICKS, ACTIONS)
    step = gauss_newton(response, error, torch.zeros_like(error), torch.zeros(ACTIONS).double(), 0, 0.0, 0.0)
    torch.testing.assert_close(step, error, rtol=1e-6, atol=0.0)


def test_nothing_known_and_nothing_lacking_give_no_step() -> None:
    nothing, plan = torch.zeros(TICKS, ENTRIES), torch.ones(TICKS, ACTIONS)
    blind = torch.zeros(TICKS * ENTRIES, TICKS * ACTIONS)
    assert not gauss_newton(blind, nothing + 1.0, plan, plan[0], 1, 0.0, 0.01).any()
    response = torch.randn(TICKS * ENTRIES, TICKS * ACTIONS, generator=torch.Generator().manual_seed(0))
    assert not gauss_newton(response, nothing, plan, plan[0], 1, 1.0, 0.01).any()
