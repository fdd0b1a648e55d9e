"""The dynamics: how latents change over the horizon under a plan."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from adapt.model.attention import Decoder, KeysValues
from adapt.model.settings import ModelSettings


@dataclass(frozen=True, slots=True)
class Memory:
    """What the dynamics keep of B histories.

    Attributes:
        attention: keys and values of the context, by layer.
        response: shape (B, horizon, V), where the history alone leads, by the linear part if there is one.
    """

    attention: list[KeysValues]
    response: Tensor | None

    def first(self, count: int) -> Memory:
        """Of the first `count` histories."""
        attention = [(keys[:count], values[:count]) for keys, values in self.attention]
        return Memory(attention, None if self.response is None else self.response[:count])


class Dynamics(nn.Module):
    """A linear autoregression over history and plan, and a causal transformer that corrects it.

    Near its working point a servo is close to linear: on the real SO-101 an autoregression alone
    comes within a factor of two of the best, and a transformer alone needs many times the data to
    find it. Together they are better than either.

    The linear part is the free response to the history, of bounded rank for robots with many entries,
    plus the plan's actions convolved with an impulse response.
    """

    def __init__(self, settings: ModelSettings, observations: int, actions: int, history: int, horizon: int):
        super().__init__()
        self.observations = observations
        self.horizon = horizon
        self.transformer = Decoder(
            actions,
            settings.latent,
            horizon,
            settings.latent,
            settings.layers,
            settings.heads,
            settings.feed_forward,
        )
        self.linear_rank = settings.linear_rank
        if settings.linear_rank:
            self.from_past = nn.Linear(history * (observations + actions), settings.linear_rank, bias=False)
            self.free_response = nn.Linear(settings.linear_rank, horizon * observations)
            self.impulse_response = nn.Parameter(torch.zeros(observations, actions, horizon))

    def read(self, context: Tensor, changes: Tensor, actions: Tensor) -> Memory:
        """Read histories.

        Args:
            context: shape (B, S, latent), tokens of the history.
            changes: shape (B, H, V), scaled change of the vector observations before now.
            actions: shape (B, H, A), scaled.
        """
        attention = self.transformer.read(context)
        if not self.linear_rank:
            return Memory(attention, None)
        past = torch.cat([changes.flatten(1), actions.flatten(1)], dim=-1)
        response = self.free_response(self.from_past(past))
        return Memory(attention, response.unflatten(-1, (self.horizon, self.observations)))

    def forward(self, actions: Tensor, memory: Memory) -> Tensor:
        """What the plan makes of the latents. Shapes (B * N, T, A) to (B * N, T, latent).

        T may be shorter than the horizon; tick i depends on actions up to i only.
        """
        latents: Tensor = self.transformer(actions, memory.attention)
        if memory.response is None:
            return latents
        steps = actions.shape[1]
        plans = actions.shape[0] // memory.response.shape[0]
        free = memory.response[:, :steps].repeat_interleave(plans, dim=0)
        padded = functional.pad(actions.transpose(1, 2), (self.horizon - 1, 0))
        # Convolution in torch is correlation: turned round, the kernel's last entry acts at once.
        forced = functional.conv1d(padded, self.impulse_response.flip(-1)).transpose(1, 2)
        observed = latents[..., : self.observations] + free + forced
        return torch.cat([observed, latents[..., self.observations :]], dim=-1)
