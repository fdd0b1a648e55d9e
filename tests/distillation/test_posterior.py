"""Posteriors: draws, files, and what they say of themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cart import CART
from hypothesis import given
from hypothesis import strategies as st

from adapt.distillation.posterior import Posterior, load_posterior
from adapt.errors import UserError
from adapt.robot.load import load_robot

RANGES = {"friction": (0.2, 1.0), "damping": (0.1, 10.0)}


def posterior(mean: tuple[float, float], deviation: float) -> Posterior:
    return Posterior(RANGES, np.array(mean), deviation**2 * np.eye(2), ratios=("damping",))


@given(st.tuples(st.floats(-0.5, 1.5), st.floats(-0.5, 1.5)), st.floats(0.001, 2.0), st.integers(0, 99))
def test_no_draw_leaves_the_ranges(mean: tuple[float, float], deviation: float, seed: int) -> None:
    found = posterior(mean, deviation)
    for values in found.values(found.shares(50, np.random.default_rng(seed))):
        for name, (low, high) in RANGES.items():
            assert low - 1e-9 <= values[name] <= high + 1e-9


def test_ratios_count_in_the_logarithm_and_all_else_does_not() -> None:
    (middle,) = posterior((0.5, 0.5), 1.0).values(np.array([[0.5, 0.5]]))
    assert middle == pytest.approx({"friction": 0.6, "damping": 1.0})


def test_a_posterior_says_what_the_data_tell() -> None:
    found = Posterior(RANGES, np.array([0.5, 0.5]), np.diag([0.05**2, 1.0]))
    summary = found.summary(np.random.default_rng(0))
    assert summary["friction"]["told"] and not summary["damping"]["told"]
    assert summary["friction"]["low"] < 0.6 < summary["friction"]["high"]
    prior = Posterior.prior(CART).summary(np.random.default_rng(0))
    assert not any(each["told"] for each in prior.values())


def test_a_file_gives_the_same_posterior_and_is_of_one_robot(tmp_path: Path) -> None:
    ranges = Posterior.prior(CART).ranges
    found = Posterior(
        ranges, np.array([0.3, 0.6]), 0.01 * np.eye(2), (), ((0.5,),), {"seed": 1}, {"distance": 2.0}
    )
    found.save(tmp_path / "p.json", CART)
    again = load_posterior(tmp_path / "p.json", CART)
    assert again.name == found.name and again.commands == found.commands and again.lineage == {"seed": 1}
    other = load_robot("so101")
    with pytest.raises(UserError, match=r"of robot 'cart_pole'.*not of 'so101'"):
        load_posterior(tmp_path / "p.json", other)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not a posterior"),
        ("{}", "key 'robot'"),
        ('{"robot": "cart_pole"', "not a posterior"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(UserError, match=said):
        load_posterior(tmp_path / "p.json", CART)
    with pytest.raises(UserError, match="no such file"):
        load_posterior(tmp_path / "q.json", CART)


def test_a_covariance_that_is_none_is_refused(tmp_path: Path) -> None:
    ranges = Posterior.prior(CART).ranges
    Posterior(ranges, np.zeros(2), -np.eye(2)).save(tmp_path / "p.json", CART)
    with pytest.raises(UserError, match="covariance"):
        load_posterior(tmp_path / "p.json", CART)
