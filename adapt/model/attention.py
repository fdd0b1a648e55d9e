"""Transformers: a decoder whose context is read once and shared by many plans, and a scorer of plans.

Normalisation comes after each residual sum, with eps 1e-6, as in SimDist (arXiv 2603.15759).

Tokens are kept tick by tick, (L, M, width) for M plans, not plan by plan: then every head of every plan
is an item of one batched product that reads projections where they lie. Heads are narrow (8 or 16), and
for such plain products are two to four times as fast on a CPU as PyTorch's fused attention.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one layer's context, each of shape (B, heads, S, width / heads)."""
ROWS_AT_ONCE = 1250
"""Tokens of many plans pass the layers in parts of at most this size, which stay in a core's cache."""
LONG_ROW = 64
"""Along shorter rows PyTorch looks for the largest number by number."""


class Attention(nn.Module):
    """Multi-head attention, among the tokens of a plan or to a context whose keys and values are kept."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self._scale = (width // heads) ** -0.5
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)

    def keys_values(self, source: Tensor) -> KeysValues:
        """Project a context, to attend to it any number of times. Shape (B, S, width)."""
        keys, values = self.key_value(source).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return keys, values

    def among(self, tokens: Tensor, wanted: slice, mask: Tensor | None) -> Tensor:
        """Attend among the ticks of each plan.

        Args:
            tokens: shape (L, M, width).
            wanted: the ticks that attend, L' of them.
            mask: shape (L, L'), added to the scores of keys and queries.

        Returns:
            shape (L', M, width).
        """
        weights, biases = self.key_value.weight.chunk(2), self.key_value.bias.chunk(2)
        queries = self._by_head(self.query(tokens[wanted]))
        keys, values = (
            self._by_head(functional.linear(tokens, weight, bias))
            for weight, bias in zip(weights, biases, strict=True)
        )
        # Keys first: what is done along them is then done for a whole row of queries at once.
        scores = torch.baddbmm(
            keys.new_empty(()) if mask is None else mask,
            keys,
            queries.transpose(1, 2),
            beta=0.0 if mask is None else 1.0,
            alpha=self._scale * _unit(tokens),
        )
        attended = _weighed(values.transpose(1, 2), scores)
        rows = attended.view(tokens.shape[1], tokens.shape[2], -1).permute(2, 0, 1)
        return self.output(rows.reshape(-1, tokens.shape[2])).view(rows.shape)  # type: ignore[no-any-return]

    def to_context(self, tokens: Tensor, context: KeysValues) -> Tensor:
        """Attend to a context.

        Args:
            tokens: shape (L, B * N, width): N plans for each of B contexts, in order.
            context: keys and values of B contexts.

        Returns:
            shape (L, B * N, width).
        """
        keys, values = (each.flatten(0, 1) for each in context)
        ticks, plans, width = tokens.shape
        contexts = len(context[0])
        # All ticks of all plans stand in one long row of queries: no copies where there is one context.
        queries = self.query(tokens).view(ticks, contexts, plans // contexts, self.heads, -1)
        queries = queries.permute(1, 3, 4, 0, 2).reshape(len(keys), width // self.heads, -1)
        scores = torch.bmm(keys * (self._scale * _unit(tokens)), queries)
        attended = _weighed(values.transpose(1, 2), scores).view(contexts, width, ticks, -1)
        rows = attended.permute(2, 0, 3, 1).reshape(-1, width)
        return self.output(rows).view(tokens.shape)  # type: ignore[no-any-return]

    def _by_head(self, rows: Tensor) -> Tensor:
        """(L, M, width) to (M * heads, L, width / heads), without a copy."""
        return rows.view(len(rows), rows.shape[1] * self.heads, -1).transpose(0, 1)


def _by_hand(values: Tensor) -> bool:
    """Whether to compute in place and in parts: on a CPU, where nothing is to be differentiated."""
    return values.device.type == "cpu" and not torch.is_grad_enabled()


def _unit(values: Tensor) -> float:
    """What scores are to be multiplied by for `_weighed`."""
    return 1.0 / log(2.0) if _by_hand(values) else 1.0


def _weighed(values: Tensor, scores: Tensor) -> Tensor:
    """Values (Z, d, S) weighed by the softmax over S of scores (Z, S, R), times `_unit`: (Z, d, R)."""
    if not _by_hand(scores):
        return torch.bmm(values, scores.softmax(1))
    # Powers of two take a third of the time of PyTorch's softmax; the few sums are divided by at the end.
    weights = scores.sub_(_largest(scores)).exp2_()
    return torch.bmm(values, weights).div_(weights.sum(1, keepdim=True))


def _largest(scores: Tensor) -> Tensor:
    """Largest over the middle axis, (Z, S, R) to (Z, 1, R), of short rows too by whole vectors."""
    if not 1 < scores.shape[2] < LONG_ROW:
        return scores.amax(1, keepdim=True)
    while (count := scores.shape[1]) > 1:
        # Two halves, which share the one in the middle of an odd number.
        half = (count + 1) // 2
        scores = torch.maximum(scores[:, :half], scores[:, -half:])
    return scores


class TanhGelu(nn.Module):
    """GELU by its tanh approximation."""

    def forward(self, values: Tensor) -> Tensor:
        """Any shape."""
        if not _by_hand(values):
            return functional.gelu(values, approximate="tanh")
        # The same, x * sigmoid(2 z) for x * (1 + tanh(z)) / 2: an exponential is cheaper than a tanh.
        scale = 1.5957691216057308
        inner = torch.addcmul(values.new_tensor(scale), values, values, value=0.044715 * scale)
        return inner.mul_(values).sigmoid_().mul_(values)


def _feed_forward(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), TanhGelu(), nn.Linear(hidden, width))


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the context, feed-forward."""

    def __init__(self, width: int, heads: int, feed_forward: int):
        super().__init__()
        self.self_attention = Attention(width, heads)
        self.context_attention = Attention(width, heads)
        self.feed_forward = _feed_forward(width, feed_forward)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(3))

    def forward(self, tokens: Tensor, context: KeysValues, mask: Tensor) -> Tensor:
        """Decode tokens (L, B * N, width) given B contexts; the mask, (L, L), hides what is ahead."""
        tokens = self.norms[0](tokens + self.self_attention.among(tokens, slice(None), mask))
        tokens = self.norms[1](tokens + self.context_attention.to_context(tokens, context))
        return self.norms[2](tokens + self.feed_forward(tokens))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Learned position code, decoder layers, one linear map out."""

    future: Tensor

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
        self.register_buffer("future", torch.full((length, length), -torch.inf).tril(-1), persistent=False)

    def read(self, context: Tensor) -> list[KeysValues]:
        """Keys and values of the context for every layer. Shape (B, S, width)."""
        return [layer.context_attention.keys_values(context) for layer in self._layers()]

    def forward(self, inputs: Tensor, context: list[KeysValues]) -> Tensor:
        """Map (B * N, L, inputs) to (B * N, L, outputs); output i depends on inputs up to i only."""
        if len(context[0][0]) == 1:
            return _in_parts(lambda part: self._decode(part, context), inputs)
        return self._decode(inputs, context)

    def _decode(self, inputs: Tensor, context: list[KeysValues]) -> Tensor:
        tokens = _tick_by_tick(self.embed, inputs, self.position)
        mask = self.future[: len(tokens), : len(tokens)]
        for layer, source in zip(self._layers(), context, strict=True):
            tokens = layer(tokens, source, mask)
        return self.output(tokens).transpose(0, 1)  # type: ignore[no-any-return]

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
        """Shape (L, N, width); gives the `wanted` ticks only."""
        tokens = self.norms[0](tokens[wanted] + self.attention.among(tokens, wanted, None))
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
        return _in_parts(lambda part: self._score(part, wanted), inputs)

    def _score(self, inputs: Tensor, wanted: slice) -> Tensor:
        tokens = _tick_by_tick(self.embed, inputs, self.position)
        for number, layer in enumerate(self.layers, start=1):
            tokens = layer(tokens, wanted if number == len(self.layers) else slice(None))
        return self.output(tokens)[..., 0].T  # type: ignore[no-any-return]


def _tick_by_tick(embed: nn.Linear, inputs: Tensor, position: Tensor) -> Tensor:
    """Tokens (L, N, width) of inputs (N, L, ...)."""
    plans, ticks, _ = inputs.shape
    rows: Tensor = embed(inputs.transpose(0, 1).flatten(0, 1))
    return rows.view(ticks, plans, -1) + position[:ticks, None]


def _in_parts(function: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """The function of inputs (N, L, ...), in parts that fit the cache, unless it is to be differentiated."""
    parts = -(-len(inputs) * inputs.shape[1] // ROWS_AT_ONCE)
    if not _by_hand(inputs) or parts == 1:
        return function(inputs)
    return torch.cat([function(part) for part in torch.split(inputs, -(-len(inputs) // parts))])
