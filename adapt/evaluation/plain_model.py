"""The transformers as they are described in the paper, written without a thought for speed.

What the planner is measured against, and checked by: each plan brings a history and a context of its own,
layer by layer, and PyTorch's own attention is called. After SimDist (arXiv 2603.15759) and its code.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

from adapt.model.attention import Attention, Decoder, DecoderLayer, KeysValues, Scorer, ScorerLayer
from adapt.model.world_model import WorldModel


def plain_model(model: WorldModel) -> WorldModel:
    """A copy with the same weights whose dynamics, reward and value are computed plainly."""
    copy = deepcopy(model)
    copy.dynamics.transformer = PlainDecoder(copy.dynamics.transformer)
    copy.reward_head = PlainScorer(copy.reward_head)
    copy.value_head = PlainScorer(copy.value_head)
    return copy


class PlainDecoder(Decoder):
    """A decoder with the weights of another."""

    def __init__(self, like: Decoder):
        nn.Module.__init__(self)
        self.embed, self.position, self.layers, self.output = (
            like.embed,
            like.position,
            like.layers,
            like.output,
        )

    def forward(self, inputs: Tensor, context: list[KeysValues]) -> Tensor:
        """Map (N, L, inputs) to (N, L, outputs), with one context for each plan."""
        tokens = self.embed(inputs) + self.position[: inputs.shape[1]]
        for layer, source in zip(self.layers, context, strict=True):
            assert isinstance(layer, DecoderLayer)
            own = layer.self_attention.keys_values(tokens)
            tokens = layer.norms[0](tokens + _attend(layer.self_attention, tokens, own, causal=True))
            tokens = layer.norms[1](tokens + _attend(layer.context_attention, tokens, source, causal=False))
            tokens = layer.norms[2](tokens + _feed_forward(layer.feed_forward, tokens))
        return self.output(tokens)  # type: ignore[no-any-return]


class PlainScorer(Scorer):
    """A scorer with the weights of another, that scores all ticks and gives those wanted."""

    def __init__(self, like: Scorer):
        nn.Module.__init__(self)
        self.embed, self.position, self.layers, self.output = (
            like.embed,
            like.position,
            like.layers,
            like.output,
        )

    def forward(self, inputs: Tensor, shared: Tensor, wanted: slice = slice(None)) -> Tensor:
        """Map (N, L, I) and (N, L, inputs - I) to (N, L')."""
        tokens = self.embed(torch.cat([inputs, shared], dim=-1)) + self.position[: inputs.shape[1]]
        for layer in self.layers:
            assert isinstance(layer, ScorerLayer)
            own = layer.attention.keys_values(tokens)
            tokens = layer.norms[0](tokens + _attend(layer.attention, tokens, own, causal=False))
            tokens = layer.norms[1](tokens + _feed_forward(layer.feed_forward, tokens))
        return self.output(tokens)[:, wanted, 0]  # type: ignore[no-any-return]


def _attend(attention: Attention, tokens: Tensor, source: KeysValues, causal: bool) -> Tensor:
    """Shape (N, L, width), to keys and values (N, heads, S, width / heads)."""
    queries = attention.query(tokens).unflatten(-1, (attention.heads, -1)).transpose(1, 2)
    attended = functional.scaled_dot_product_attention(queries, *source, is_causal=causal)
    return attention.output(attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def _feed_forward(layers: nn.Sequential, tokens: Tensor) -> Tensor:
    return layers[2](functional.gelu(layers[0](tokens), approximate="tanh"))  # type: ignore[no-any-return]
