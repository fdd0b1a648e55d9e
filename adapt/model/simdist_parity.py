"""Our outputs beside those that SimDist's own code recorded for the same inputs and weights."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from adapt.errors import UserError
from adapt.model.simdist import ACTION_SCALE
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification

INPUTS = ("x_proprio_obs_hist", "x_extero_obs", "x_acts_hist", "x_fut_acts", "x_fut_cmds")
OUTPUTS = ("latents", "rewards", "values", "actions")


@torch.no_grad()
def max_relative_error(path: Path, model: WorldModel, specification: RobotSpecification) -> dict[str, float]:
    """Largest difference from the recorded outputs, relative to each output's range, by output.

    Args:
        path: .npz with INPUTS (raw units, SimDist's conventions) and y_<output> for the four OUTPUTS.
        model: with the published weights.
        specification: its robot.

    Raises:
        UserError: the file is missing or is not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            recorded = {name: torch.from_numpy(archive[name]) for name in archive.files}
        given = {name: recorded[name] for name in INPUTS}
        wanted = {name: recorded[f"y_{name}"] for name in OUTPUTS}
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (ValueError, EOFError, OSError, BadZipFile, KeyError, TypeError) as error:
        raise UserError(f"{path}: no recorded inputs and outputs of a SimDist model: {error}") from error
    seen = _outputs(model, specification, given)
    return {
        name: float((seen[name] - wanted[name]).abs().max() / (wanted[name].max() - wanted[name].min()))
        for name in OUTPUTS
    }


def _outputs(
    model: WorldModel, specification: RobotSpecification, given: dict[str, Tensor]
) -> dict[str, Tensor]:
    proprioception, heights, past, plan, command = (given[name] for name in INPUTS)
    rest = torch.tensor(specification.rest_action)
    observation = torch.zeros(*proprioception.shape[:2], specification.observation_size)
    vector = torch.tensor(specification.vector_indices)
    observation[..., vector] = proprioception
    observation[..., specification.channel_slice(specification.action.targets or "")] += rest
    cells = torch.ones(specification.observation_size, dtype=torch.bool)
    cells[vector] = False
    # The published model looks at the newest scan only.
    observation[:, -1, cells] = heights
    context = model.read(observation, rest + ACTION_SCALE * past)
    action = rest + ACTION_SCALE * plan
    latents = model.predict(context, action)
    proposed = model.propose(context, command[:, :-1])
    return {
        "latents": latents,
        "rewards": model.reward(context, latents, action, command[:, :-1]),
        "values": model.value(context, latents, command[:, 1:]),
        "actions": (proposed - rest) / ACTION_SCALE,
    }
