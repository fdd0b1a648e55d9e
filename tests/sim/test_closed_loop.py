"""The pilot drives the stand-in, in simulated time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

pytest.importorskip("mujoco")

from adapt.evaluation.tracking import tracking_error
from adapt.model.settings import ModelSettings
from adapt.model.world_model import WorldModel
from adapt.planning.pilot import Controller, Pilot
from adapt.planning.settings import PlannerSettings
from adapt.robot.load import load_robot
from adapt.sim.arm_stand_in import ArmStandIn
from adapt.sim.closed_loop import drive
from adapt.sim.reference import ReferencePath
from adapt.sim.scenario import Scenario, load_scenario
from adapt.stream.tick import Tick
from adapt.stream.tick_message import tick_data

ARM = load_robot("so101")
POSE = np.array([0.0, 0.2, 0.5, 0.0, 0.0, 0.5])
TICKS = 60


def episode(controller: Controller, scenario: Scenario | None = None, seed: int = 0) -> list[Tick]:
    torch.manual_seed(0)
    model = WorldModel(ARM, ModelSettings(latent=16, encoder_hidden=16, layers=1, feed_forward=16)).eval()
    pilot = Pilot(ARM, model, PlannerSettings(samples=8, iterations=1), seed, controller)
    stand_in = ArmStandIn(ARM, scenario or load_scenario(ARM, "ideal"), seed, pose=POSE)
    path = ReferencePath(ARM, POSE, 3.0, np.random.default_rng(seed))
    return list(drive(ARM, stand_in, pilot, path.position, TICKS, first_index=100))


def test_ticks_are_those_of_the_live_nodes() -> None:
    ticks = episode("direct")
    assert [tick.index for tick in ticks] == list(range(100, 100 + TICKS))
    assert {later.stamp_ns - earlier.stamp_ns for earlier, later in itertools.pairwise(ticks)} == {40_000_000}
    # The robot is measured from the end of the first half tick on, and a tick looks back by 30 ms.
    assert not ticks[0].valid.any() and all(tick.complete for tick in ticks[2:])
    for tick in ticks[2:]:
        np.testing.assert_allclose(tick.applied, tick.proposed, atol=0.1)


def test_an_action_is_sent_one_tick_after_it_was_planned() -> None:
    """Direct control proposes the reference of the instant at which the action leaves."""
    ticks = episode("direct")
    path = ReferencePath(ARM, POSE, 3.0, np.random.default_rng(0))
    times = np.arange(TICKS) * ARM.period_s
    for tick, leaves in zip(ticks[1:], path.position(times)[1:], strict=True):
        np.testing.assert_allclose(tick.proposed, leaves, atol=1e-12)
    for tick, seen in zip(ticks, path.position(np.maximum(times - ARM.sampling_delay_s, 0.0)), strict=True):
        np.testing.assert_allclose(tick.command, seen, atol=1e-12)


def test_what_is_applied_is_safe_whatever_is_proposed() -> None:
    for controller in ("direct", "planner"):
        applied = np.stack([tick.applied for tick in episode(controller)])  # type: ignore[arg-type]
        limits = ARM.action.limits.values()
        speed = np.abs(np.diff(applied, axis=0)) / ARM.period_s
        assert (speed <= np.array([each.velocity for each in limits]) * (1 + 1e-6)).all()
        for column, each in zip(applied.T, limits, strict=True):
            assert each.position[0] <= column.min() and column.max() <= each.position[1]


@pytest.mark.parametrize("controller", ["direct", "planner"])
def test_the_same_seed_gives_the_same_ticks_bit_for_bit(controller: Controller) -> None:
    scenario = load_scenario(ARM, "real_arm")
    first, again, other = (
        np.array([tick_data(tick) for tick in episode(controller, scenario, seed)]).tobytes()
        for seed in (3, 3, 4)
    )
    assert first == again != other


def test_lost_measurements_are_bridged_or_marked() -> None:
    ticks = episode("direct", Scenario(lost_measurements=0.7))
    assert any(not tick.valid.all() for tick in ticks[2:]) and any(tick.complete for tick in ticks)
    assert all(np.isfinite(tick.observation).all() for tick in ticks)


def test_the_ideal_arm_follows_its_reference_and_the_error_says_how_well() -> None:
    ticks = episode("direct")[5:]
    error = tracking_error(ARM, ticks)
    assert error.shape == (len(ticks), 6)
    moving = np.ptp(np.stack([tick.command for tick in ticks]), axis=0)
    assert moving.max() > 0.3 and np.sqrt((error**2).mean()) < 0.15 * moving.max()
