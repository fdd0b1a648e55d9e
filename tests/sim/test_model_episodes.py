"""Experts of any robot, and the episodes that they make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco")

from robots import CART_POLE

from adapt.errors import UserError
from adapt.sim.commands import SetPoint, draw_commands
from adapt.sim.conditions import make_conditions
from adapt.sim.experts import make_expert
from adapt.sim.fleet import Fleet
from adapt.sim.model_episodes import generate_model_episodes
from adapt.sim.planner_expert import MonteCarloPlanner
from adapt.sim.simulated_robot import simulated_robots


def test_the_planner_balances_the_pole_and_goes_where_it_is_told() -> None:
    fleet = Fleet(CART_POLE, simulated_robots(CART_POLE, [make_conditions({})]))
    fleet.robots[0].data.qpos[1] = 0.1
    planner = make_expert(CART_POLE, None, 0)
    assert isinstance(planner, MonteCarloPlanner)
    sent, commands = np.zeros((1, 1)), np.full((1, 1, 1), 0.3)
    for _ in range(100):
        sent = planner.act(fleet, fleet.observe(), commands, sent)
        fleet.step(sent)
    cart, pole, *_ = fleet.observe()[0]
    assert abs(cart - 0.3) < 0.2 and abs(pole) < 0.15


def test_rollouts_see_what_the_robots_would() -> None:
    fleet = Fleet(
        CART_POLE, simulated_robots(CART_POLE, [make_conditions({}), make_conditions({"mass_scale": 2.0})])
    )
    planner = make_expert(CART_POLE, None, 0)
    assert isinstance(planner, MonteCarloPlanner)
    actions = np.random.default_rng(0).normal(size=(2, 1, 10, 1))
    expected = planner.roll_out(fleet, actions)[:, 0]
    for tick in range(10):
        fleet.step(actions[:, 0, tick])
        np.testing.assert_allclose(fleet.observe(), expected[:, tick], atol=1e-9)


def test_episodes_are_those_of_the_seed_and_labels_are_clean() -> None:
    data, again = (generate_model_episodes(CART_POLE, 3, 25, np.random.default_rng(5)) for _ in range(2))
    for name, size in (("observation", 4), ("action", 1), ("command", 1), ("expert_action", 1)):
        values = getattr(data, name)
        assert values.shape == (3, 25, size)
        np.testing.assert_array_equal(values, getattr(again, name))
    assert data.reward.shape == (3, 25) and (data.reward <= 0).all() and data.not_finite is None
    undisturbed = (data.action == data.expert_action).mean()
    assert 0.0 < undisturbed < 1.0


def test_commands_are_held_and_keep_their_ranges() -> None:
    commands = draw_commands(CART_POLE, 50, 400, np.random.default_rng(0))
    assert commands.shape == (50, 400, 1) and np.abs(commands).max() <= 0.5
    changes = (np.diff(commands[..., 0], axis=1) != 0).sum(axis=1)
    assert changes.max() <= 400 / 100 and changes.min() >= 1


def test_a_set_point_begins_on_its_tick_whatever_the_rounding() -> None:
    times = np.cumsum(np.full(50, 0.02)) - 0.02
    np.testing.assert_array_equal(SetPoint(np.array([1.0]), 25 * 0.02)(times)[:, 0], np.arange(50) >= 25)


def test_an_expert_that_does_not_fit_is_refused() -> None:
    assert CART_POLE.simulation is not None
    without = CART_POLE.simulation.model_copy(update={"expert": None})
    with pytest.raises(UserError, match=r"simulation\.expert"):
        make_expert(CART_POLE.model_copy(update={"simulation": without}), None, 0)
    with pytest.raises(UserError, match="leave out --expert"):
        make_expert(CART_POLE, Path("weights.npz"), 0)
