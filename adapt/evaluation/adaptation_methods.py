"""What learns from real windows, by name, and what needs no learning: the rows of the benchmark."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import get_args

from adapt.evaluation.adaptation import measured_entries
from adapt.evaluation.open_loop import CommandPlusOffset, Forecaster, HoldLast
from adapt.learning.recipes import Recipe, default_recipe, recipe
from adapt.learning.round import learned
from adapt.learning.update import UpdateSettings
from adapt.model.windows import Windows
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification
from adapt.sim.conditions import make_conditions
from adapt.sim.identification import identify
from adapt.sim.mechanics import simulation_of
from adapt.sim.rollout_forecast import RolloutForecast, state_is_measured

Method = Callable[[Windows, int], Forecaster]
"""Learns from real windows, with a seed for everything random."""


def methods_of(
    specification: RobotSpecification, model: WorldModel | None, rehearsal: Windows | None
) -> dict[str, Method]:
    """All that can learn of this robot, by name.

    Args:
        specification: the robot; where its state is measured, its simulator can be fitted.
        model: the pretrained one, which stays as it is; without it there is nothing to update.
        rehearsal: windows from simulation, None to do without.
    """
    methods: dict[str, Method] = {}
    if model is not None:
        train = partial(_by_settings, specification, model, rehearsal)
        methods["default"] = partial(train, lambda windows: default_recipe(specification))
        methods |= {name: partial(train, partial(recipe, name)) for name in get_args(Recipe)}
    if state_is_measured(specification):
        methods["identified"] = partial(_identified, specification)
    return methods


def forecasts(specification: RobotSpecification, model: WorldModel | None) -> dict[str, Forecaster]:
    """What needs no learning: the model as it is, the simulator as the robot file has it, and rules."""
    found: dict[str, Forecaster] = {} if model is None else {"none": model}
    if state_is_measured(specification):
        parameters = simulation_of(specification).parameters
        found["prior"] = RolloutForecast(specification, make_conditions(parameters))
    if any(entry >= 0 for entry in specification.action_anchor):
        found["command_plus_offset"] = CommandPlusOffset(specification)
    return {**found, "hold_last": HoldLast(specification)}


def _by_settings(
    specification: RobotSpecification,
    model: WorldModel,
    rehearsal: Windows | None,
    settings: Callable[[int], UpdateSettings],
    windows: Windows,
    seed: int,
) -> WorldModel:
    return learned(specification, settings(len(windows)), model, windows, rehearsal, seed)


def _identified(specification: RobotSpecification, windows: Windows, seed: int) -> RolloutForecast:
    """Nothing in it is random."""
    found = identify(specification, windows, measured_entries(specification))
    return RolloutForecast(specification, make_conditions(found))
