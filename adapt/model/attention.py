"""Transformers: a decoder whose context is read once and shared by many plans, and a scorer of plans.

Normalisation comes after each residual sum, with eps 1e-6, as in SimDist (arXiv 2603.15759).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

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


def _feed_forward(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, width))


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the context, feed-forward."""

    def __init__(self, width: int, heads: int, feed_forward: int):
        super().__init__()
        self.self_attention = Attention(width, heads)
        self.context_attention = Attention(width, heads)
        self.feed_forward = _feed_forward(width, feed_forward)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(3))

    def forward(self, tokens: Tensor, context: KeysValues) -> Tensor:
        """Decode tokens of shape (B * N, L, width) given B contexts."""
        own = self.self_attention.keys_values(tokens)
        tokens = self.norms[0](tokens + self.self_attention(tokens, own, causal=True))
        tokens = self.norms[1](tokens + self.context_attention(tokens, context, causal=False))
        return self.norms[2](tokens + self.feed_forward(tokens))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Learned position code, decoder layers, one linear map out."""

    def __init__(
        self, inputs: int, outputs: int, length: int, width: int, layers: int, heads: int, feed_forward: int
    ):
        super().__init__()
        self.embed = nn.Linear(inputs, width)
        self.position = nn.Parameter(0.02 * torch.randn(length, width))
        self.layers = nn.ModuleList(DecoderLayer(width, heads, feed_forward) for _ in range(layers))
        self.output = nn.Linear(width, outputs)
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


class ScorerLayer(nn.Module):
    """Self-attention among all ticks of a plan, feed-forward."""

    def __init__(self, width: int, heads: int, feed_forward: int):
        super().__init__()
        self.attention = Attention(width, heads)
        self.feed_forward = _feed_forward(width, feed_forward)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(2))

    def forward(self, tokens: Tensor, wanted: slice) -> Tensor:
        """Shape (N, L, width); gives the `wanted` ticks only."""
        source = self.attention.keys_values(tokens)
        tokens = tokens[:, wanted]
        tokens = self.norms[0](tokens + self.attention(tokens, source, causal=False))
        return self.norms[1](tokens + self.feed_forward(tokens))  # type: ignore[no-any-return]


class Scorer(nn.Module):
    """One number for each tick of a plan, seen as a whole: a reward or a value."""

    def __init__(self, inputs: int, length: int, width: int, layers: int, heads: int, feed_forward: int):
        super().__init__()
        self.embed = nn.Linear(inputs, width)
        self.position = nn.Parameter(0.02 * torch.randn(length, width))
        self.layers = nn.ModuleList(ScorerLayer(width, heads, feed_forward) for _ in range(layers))
        self.output = nn.Linear(width, 1)

    def forward(self, inputs: Tensor, wanted: slice = slice(None)) -> Tensor:
        """Map (N, L, inputs) to (N, L'), the scores of the `wanted` ticks."""
        tokens = self.embed(inputs) + self.position[: inputs.shape[1]]
        for number, layer in enumerate(self.layers, start=1):
            tokens = layer(tokens, wanted if number == len(self.layers) else slice(None))
        return self.output(tokens)[..., 0]  # type: ignore[no-any-return]
