"""Which weights of the dynamics an update may change, and in what form.

Whatever the method, what comes out are weights of the parent's architecture: a version stays a plain
checkpoint, and the planner pays nothing for how it was trained.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, register_parametrization, remove_parametrizations

from adapt.model.world_model import WorldModel

Method = Literal["full", "linear", "residual", "low_rank", "scratch"]
Weights = dict[str, nn.Parameter]
TRANSFORMER = "dynamics.transformer."
RESIDUAL = (f"{TRANSFORMER}output.", "dynamics.free_response.", "dynamics.impulse_response")


def trainable_weights(model: WorldModel, method: Method, rank: int, generator: torch.Generator) -> Weights:
    """Prepare a model for a method, and give the weights to train. `merge` undoes the preparation.

    - `full`: all of the dynamics.
    - `linear`: the linear autoregression over history and plan, without the transformer.
    - `residual`: a correction added to the frozen dynamics, from zero (ReDRAW, arXiv 2504.02252). Theirs
      is a network of its own beside the dynamics; a checkpoint has no room for one. A correction that is
      linear in the features that the frozen dynamics have computed, in the plan and in a constant, folds
      into the last layers exactly, so to train these from where they are is to train the residual.
    - `low_rank`: to each matrix the product of two thin ones is added, from zero (LoRA, arXiv 2106.09685).
      Vectors and the impulse response are small, and change as they are.
    - `scratch`: all of the dynamics, from random weights instead of the parent's.

    Args:
        model: changed in place.
        method: see above.
        rank: of what `low_rank` adds.
        generator: draws what begins at random.
    """
    if method == "scratch":
        _reset(model, generator)
    if method == "low_rank":
        for module in list(model.dynamics.modules()):
            if isinstance(module, nn.Linear):
                register_parametrization(module, "weight", LowRank(module.weight, rank, generator))
    weights = model.dynamics_parameters()
    if method == "linear":
        return {name: weight for name, weight in weights.items() if not name.startswith(TRANSFORMER)}
    if method == "residual":
        return {name: weight for name, weight in weights.items() if name.startswith(RESIDUAL)}
    if method == "low_rank":
        return {name: weight for name, weight in weights.items() if not name.endswith(".original")}
    return weights


def merge(model: WorldModel) -> None:
    """Fold what was added to weights into them: the model has its parent's architecture again."""
    for module in list(model.dynamics.modules()):
        if isinstance(module, nn.Linear) and is_parametrized(module, "weight"):
            remove_parametrizations(module, "weight", leave_parametrized=True)
            if module.bias is not None:
                # The weight came back last: sums over all weights shall be added up as in the parent.
                bias = module.bias
                del module.bias
                module.bias = bias


class LowRank(nn.Module):
    """A matrix plus the product of two thin ones; the sum begins as the matrix."""

    def __init__(self, weight: Tensor, rank: int, generator: torch.Generator):
        super().__init__()
        outputs, inputs = weight.shape
        self.left = nn.Parameter(torch.zeros(outputs, rank))
        self.right = nn.Parameter(torch.randn(rank, inputs, generator=generator) / inputs**0.5)

    def forward(self, weight: Tensor) -> Tensor:
        """Shape (outputs, inputs)."""
        return weight + self.left @ self.right


def _reset(model: WorldModel, generator: torch.Generator) -> None:
    """Give the dynamics the weights of an untrained model."""
    seed = int(torch.randint(2**62, (), generator=generator))
    dynamics = model.dynamics
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = type(dynamics)(
            model.settings,
            dynamics.observations,
            dynamics.transformer.embed.in_features,
            model.history,
            model.horizon,
        )
    dynamics.load_state_dict(fresh.state_dict())
