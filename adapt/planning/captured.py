"""A whole plan as one CUDA graph: hundreds of small kernels are launched with one call.

Not tried on a GPU yet: see the README.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

WARM_UP = 3
"""Calls before the capture: libraries choose their kernels and reserve their memory in them."""

Outputs = TypeVar("Outputs", bound="tuple[Tensor, ...]")


class Captured:
    """A function of tensors, captured once and replayed for inputs of the same shapes.

    The graph reads weights where they lie: new ones must be copied into the same tensors.
    """

    def __init__(
        self, function: Callable[..., Outputs], inputs: tuple[Tensor, ...], generator: torch.Generator
    ) -> None:
        """Capture `function`, which must not wait for the GPU, for `inputs` on a GPU.

        Args:
            function: to be replayed.
            inputs: an example.
            generator: source of its randomness; it goes on from replay to replay.
        """
        self._inputs = tuple(each.clone() for each in inputs)
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                function(*self._inputs)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        self._graph.register_generator_state(generator)
        with torch.cuda.graph(self._graph):
            self._outputs = function(*self._inputs)

    def fits(self, *inputs: Tensor) -> bool:
        """Whether inputs have the shapes of those that it was captured for."""
        return [each.shape for each in inputs] == [each.shape for each in self._inputs]

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The function's outputs for `inputs`."""
        for kept, given in zip(self._inputs, inputs, strict=True):
            kept.copy_(given)
        self._graph.replay()
        return tuple(each.clone() for each in self._outputs)
