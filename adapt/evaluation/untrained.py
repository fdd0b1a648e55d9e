"""A model that knows nothing, for robots that have logs but no simulation: it learns from the logs alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from adapt.errors import UserError
from adapt.evaluation.adaptation import complete_runs
from adapt.model.settings import ModelSettings
from adapt.model.windows import Windows, cut_windows
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import Tick

MOST_WINDOWS = 2000
"""The scaling is fitted to no more, taken from all over the ticks."""


@torch.no_grad()
def untrained_model(specification: RobotSpecification, ticks: Iterable[Tick], seed: int) -> WorldModel:
    """A model that foretells no change, with its scaling fitted to some ticks of the robot.

    Encoders are random and stay so; commands are not scaled, since nothing is planned with it.

    Args:
        specification: the robot.
        ticks: to be learned from later, not to be judged on.
        seed: of the random weights.

    Raises:
        UserError: the ticks hold no unbroken run as long as a window.
    """
    history, horizon = specification.history_ticks, specification.horizon_ticks
    parts = [
        cut_windows(
            run.observation,
            run.applied,
            np.zeros((len(run.stamp_ns), specification.command_size)),
            history,
            horizon,
        )
        for run in complete_runs(ticks)
    ]
    windows = Windows.join(parts) if parts else None
    if windows is None or len(windows) < 2:
        raise UserError(
            f"nothing to begin with: no unbroken run of {history + horizon + 2} complete ticks is among those"
            " to be learned from: give longer bags"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = WorldModel(specification, ModelSettings())
    some = windows.select(slice(0, None, -(-len(windows) // MOST_WINDOWS)))
    model.scaling.fit(some, history)
    model.scaling.command_deviation.fill_(1.0)
    for layer in (model.dynamics.transformer.output, model.dynamics.free_response):
        layer.weight.zero_()
        layer.bias.zero_()
    return model.eval()
