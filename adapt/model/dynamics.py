"""The dynamics: how latents change over the horizon under a plan."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adapt.model.attention import Decoder, KeysValues
from adapt.model.settings import ModelSettings


@dataclass(frozen=True, slots=True)
class Memory:
    """What the dynamics keep of B histories.

    Attributes:
        attention: keys and values of the context, by layer.
        past: shape (B, rank), what the linear part makes of the history.
    """

    attention: list[KeysValues]
    past: Tensor


class Dynamics(nn.Module):
    """A linear autoregression over history and plan, and a causal transformer that corrects it.

    Near its working point a servo is close to linear: on the real SO-101 an autoregression alone
    comes within a factor of two of the best, and a transformer alone needs many times the data to
    find it. Together they are better than either. Its rank is bounded, for robots with many entries.
    """

    def __init__(self, settings: ModelSettings, observations: int, actions: int, history: int, horizon: int):
        super().__init__()
        self.observations = observations
        self.horizon = horizon
        self.transformer = Decoder(settings, actions, settings.latent, horizon)
        rank = settings.linear_rank
        self.from_past = nn.Linear(history * (observations + actions), rank, bias=False)
        self.from_plan = nn.Linear(horizon * actions, rank, bias=False)
        self.linear = nn.Linear(rank, horizon * observations)

    def read(self, context: Tensor, changes: Tensor, actions: Tensor) -> Memory:
        """Read histories.

        Args:
            context: shape (B, S, latent), tokens of the history.
            changes: shape (B, H, O), scaled observations before now.
            actions: shape (B, H, A), scaled.
        """
        past = torch.cat([changes.flatten(1), actions.flatten(1)], dim=-1)
        return Memory(self.transformer.read(context), self.from_past(past))

    def forward(self, actions: Tensor, memory: Memory) -> Tensor:
        """Change of the latents since now. Shapes (B * N, T, A) to (B * N, T, latent).

        T may be shorter than the horizon. The linear part sees the whole plan; for a shorter one the
        last action is held.
        """
        steps = actions.shape[1]
        plan = torch.cat([actions, actions[:, -1:].expand(-1, self.horizon - steps, -1)], dim=1)
        plans = actions.shape[0] // memory.past.shape[0]
        hidden = memory.past.repeat_interleave(plans, dim=0) + self.from_plan(plan.flatten(1))
        linear = self.linear(hidden).unflatten(-1, (self.horizon, self.observations))[:, :steps]
        change: Tensor = self.transformer(actions, memory.attention)
        observed = change[..., : self.observations] + linear
        return torch.cat([observed, change[..., self.observations :]], dim=-1)
