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
LARGEST_SUM = 2.0**100
"""Of the exponentials of scores; the smallest is 1 / of it. Float32 ends at 2^127."""


class Attention(nn.Module):
    """Multi-head attention, among the tokens of a plan or to a context whose keys and values are kept."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
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
        attended = _attend(queries.transpose(1, 2), keys, values, mask)
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
        attended = _attend(queries, keys, values, None).view(contexts, width, ticks, -1)
        rows = attended.permute(2, 0, 3, 1).reshape(-1, width)
        return self.output(rows).view(tokens.shape)  # type: ignore[no-any-return]

    def _by_head(self, rows: Tensor) -> Tensor:
        """(L, M, width) to (M * heads, L, width / heads), without a copy."""
        return rows.view(len(rows), rows.shape[1] * self.heads, -1).transpose(0, 1)


def _by_hand(values: Tensor) -> bool:
    """Whether to compute in place and in parts: on a CPU, where nothing is to be differentiated."""
    return values.device.type == "cpu" and not torch.is_grad_enabled()


def _attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Values weighed by the softmax over the keys.

    Args:
        queries: shape (Z, d, R); scores are scaled by 1 / sqrt(d).
        keys: shape (Z, S, d).
        values: shape (Z, S, d).
        mask: shape (S, R), added to the scores.

    Returns:
        shape (Z, d, R).
    """
    # Keys first: what is done along them is then done for a whole row of queries at once.
    scale = keys.shape[2] ** -0.5
    if _by_hand(keys):
        # Powers of two take a third of the time of PyTorch's softmax; the few sums are divided by at the end.
        weights = _scores(queries, keys, mask, scale / log(2.0)).exp2_()
        sums = weights.sum(1, keepdim=True)
        smallest, largest = sums.aminmax()
        # Nothing vanished or overflowed, although the largest score was not looked for and taken off.
        if smallest > 1.0 / LARGEST_SUM and largest < LARGEST_SUM:
            return torch.bmm(values.transpose(1, 2), weights).div_(sums)
    return torch.bmm(values.transpose(1, 2), _scores(queries, keys, mask, scale).softmax(1))


def _scores(queries: Tensor, keys: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Shape (Z, S, R); see `_attend`."""
    if mask is None:
        return torch.bmm(keys * scale, queries)
    return torch.baddbmm(mask, keys, queries, alpha=scale)


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
        tokens = _tick_by_tick(
            inputs, self.embed.weight, (self.embed.bias + self.position[: inputs.shape[1]])[None]
        )
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

    def forward(self, inputs: Tensor, shared: Tensor, wanted: slice = slice(None)) -> Tensor:
        """Score plans.

        Args:
            inputs: shape (B * N, L, I), the first of each tick's inputs.
            shared: shape (B, L, inputs - I), the others, which N plans have in common.
            wanted: the ticks to score, L' of them.

        Returns:
            shape (B * N, L').
        """
        own, common = torch.split(self.embed.weight, [inputs.shape[2], shared.shape[2]], dim=1)
        code = functional.linear(shared, common, self.embed.bias) + self.position[: shared.shape[1]]
        if len(shared) == 1:
            return _in_parts(lambda part: self._score(part, own, code, wanted), inputs)
        return self._score(inputs, own, code, wanted)

    def _score(self, inputs: Tensor, weight: Tensor, code: Tensor, wanted: slice) -> Tensor:
        tokens = _tick_by_tick(inputs, weight, code)
        for number, layer in enumerate(self.layers, start=1):
            tokens = layer(tokens, wanted if number == len(self.layers) else slice(None))
        return self.output(tokens)[..., 0].T  # type: ignore[no-any-return]


def _tick_by_tick(inputs: Tensor, weight: Tensor, code: Tensor) -> Tensor:
    """Tokens (L, B * N, width) of inputs (B * N, L, I), by a weight (width, I) and a code (B, L, width)."""
    plans, ticks, _ = inputs.shape
    rows = functional.linear(inputs.transpose(0, 1).flatten(0, 1), weight)
    tokens = rows.view(ticks, len(code), plans // len(code), -1) + code.transpose(0, 1)[:, :, None]
    return tokens.flatten(1, 2)


def _in_parts(function: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """The function of inputs (N, L, ...), in parts that fit the cache, unless it is to be differentiated."""
    parts = -(-len(inputs) * inputs.shape[1] // ROWS_AT_ONCE)
    if not _by_hand(inputs) or parts == 1:
        return function(inputs)
    return torch.cat([function(part) for part in torch.split(inputs, -(-len(inputs) // parts))])
