"""Encoders by the kind of channel, each giving tokens of one width; an image encoder would stand here."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from adapt.robot.interface import HeightMap


def perceptron(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers of these sizes with tanh-GELU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.GELU(approximate="tanh")]
    return nn.Sequential(*layers[:-1])


class MapEncoder(nn.Module):
    """Convolutions over a height map, a code for each row and column, and a perceptron.

    Kernels are 3 x 3 and stride 2, padded as "same" is in TensorFlow and JAX: where one cell is
    over, it comes last.
    """

    def __init__(self, grid: HeightMap, channels: Sequence[int], hidden: Sequence[int], width: int):
        super().__init__()
        self._rows, self._columns = grid.rows, grid.columns
        rows, columns = grid.rows, grid.columns
        for _ in channels:
            rows, columns = (rows + 1) // 2, (columns + 1) // 2
        sizes = (1, *channels)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(inputs, outputs, kernel_size=3, stride=2)
            for inputs, outputs in itertools.pairwise(sizes)
        )
        self.column_code = nn.Parameter(0.02 * torch.randn(columns, sizes[-1]))
        self.row_code = nn.Parameter(0.02 * torch.randn(rows, sizes[-1]))
        self.project = perceptron((rows * columns * sizes[-1], *hidden, width))

    def forward(self, heights: Tensor) -> Tensor:
        """Scaled heights (..., rows * columns), row by row, to (..., width)."""
        # As published: the image's first axis runs from front to back, its second from left to right.
        image = heights.flip(-1).reshape(-1, 1, self._rows, self._columns).transpose(2, 3)
        for number, convolution in enumerate(self.convolutions):
            image = functional.gelu(image, approximate="tanh") if number else image
            image = convolution(_padded(image))
        code = self.column_code[:, None] + self.row_code[None]
        flat = (image.permute(0, 2, 3, 1) + code).flatten(1)
        return self.project(flat).unflatten(0, heights.shape[:-1])  # type: ignore[no-any-return]


def _padded(image: Tensor) -> Tensor:
    """Padded for a 3 x 3 kernel of stride 2, so that n cells become (n + 1) // 2."""
    rows, columns = image.shape[-2:]
    first_row, first_column = rows % 2, columns % 2
    return functional.pad(image, (first_column, 1, first_row, 1))
