"""A transformer decoder whose context is read once and shared by many plans."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from adapt.model.settings import ModelSettings

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one layer's context, each of shape (B, heads, S, width / heads)."""


class Attention(nn.Module):
    """Multi-head attention with keys and values that can be computed ahead."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)

    def keys_values(self, source: Tensor) -> KeysValues:
        """Project what is attended to. Shape (B, S, width)."""
        keys, values = self.key_value(source).chunk(2, dim=-1)
        return self._split(keys), self._split(values)

    def forward(self, tokens: Tensor, source: KeysValues, causal: bool) -> Tensor:
        """Attend from tokens to the source.

        Args:
            tokens: shape (B * N, L, width): N plans for each of the source's B contexts.
            source: keys and values of B contexts.
            causal: whether token i sees only the first i + 1 entries of the source (then N is 1).

        Returns:
            shape (B * N, L, width).
        """
        keys, values = source
        # All plans of one context stand in one long row of queries: one matrix product, no copies.
        rows = tokens.reshape(keys.shape[0], -1, tokens.shape[-1])
        attended = functional.scaled_dot_product_attention(
            self._split(self.query(rows)), keys, values, is_causal=causal
        )
        return self.output(attended.transpose(1, 2).reshape(tokens.shape))  # type: ignore[no-any-return]

    def _split(self, values: Tensor) -> Tensor:
        return values.reshape(*values.shape[:-1], self.heads, -1).transpose(1, 2)


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the context, feed-forward; normalised after each."""

    def __init__(self, settings: ModelSettings):
        super().__init__()
        width = settings.latent
        self.self_attention = Attention(width, settings.heads)
        self.context_attention = Attention(width, settings.heads)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, settings.feed_forward),
            nn.GELU(approximate="tanh"),
            nn.Linear(settings.feed_forward, width),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(3))

    def forward(self, tokens: Tensor, context: KeysValues) -> Tensor:
        """Decode tokens of shape (B * N, L, width) given B contexts."""
        own = self.self_attention.keys_values(tokens)
        tokens = self.norms[0](tokens + self.self_attention(tokens, own, causal=True))
        tokens = self.norms[1](tokens + self.context_attention(tokens, context, causal=False))
        return self.norms[2](tokens + self.feed_forward(tokens))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Learned position code, decoder layers, one linear map out."""

    def __init__(self, settings: ModelSettings, inputs: int, outputs: int, length: int):
        super().__init__()
        self.embed = nn.Linear(inputs, settings.latent)
        self.position = nn.Parameter(0.02 * torch.randn(length, settings.latent))
        self.layers = nn.ModuleList(DecoderLayer(settings) for _ in range(settings.layers))
        self.output = nn.Linear(settings.latent, outputs)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def read(self, context: Tensor) -> list[KeysValues]:
        """Keys and values of the context for every layer. Shape (B, S, width)."""
        return [layer.context_attention.keys_values(context) for layer in self._layers()]

    def forward(self, inputs: Tensor, context: list[KeysValues]) -> Tensor:
        """Map (B * N, L, inputs) to (B * N, L, outputs); output i depends on inputs up to i only."""
        tokens = self.embed(inputs) + self.position[: inputs.shape[1]]
        for layer, source in zip(self._layers(), context, strict=True):
            tokens = layer(tokens, source)
        return self.output(tokens)  # type: ignore[no-any-return]

    def _layers(self) -> list[DecoderLayer]:
        return [layer for layer in self.layers if isinstance(layer, DecoderLayer)]
