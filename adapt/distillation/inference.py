"""From logs to simulators: a network that has seen the logs of many simulated robots, and knows theirs.

Neural posterior estimation (Papamakarios & Murray, NIPS 2016) with a normal posterior: pieces of a log are
read one by one, their mean is read as a whole (Zaheer et al., Deep Sets, NIPS 2017), and out come the mean
and the covariance of the parameters. Trained by the likelihood of the true ones. Its certainty is then
scaled so that the stated intervals hold on robots that it was not trained on.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from torch import Tensor, nn

from adapt.distillation.pieces import Float32Array
from adapt.distillation.simulated_logs import SimulatedLogs
from adapt.settings import Settings
from adapt.stream.tick import FloatArray

LEVEL = 0.9
"""Of the intervals that have to hold."""
WIDEST = 3.0
"""Nothing is widened more: a parameter of which nothing was known is nearly uniform in its range then."""


class InferenceSettings(Settings):
    """How the network is trained."""

    steps: int = Field(default=1500, gt=0)
    batch: int = Field(default=48, gt=0)
    """Robots."""
    pieces: int = Field(default=16, gt=0)
    """Most of a robot's pieces that are read at once: unmodelled effects do not average out."""
    learning_rate: float = Field(default=1e-3, gt=0)
    width: int = Field(default=64, gt=0)
    offset: float = Field(default=0.1, ge=0)
    """Of each number of each robot, normal, in its deviations: sensors may be off."""
    held_out: float = Field(default=0.2, gt=0, lt=1)
    """Share of the robots that only check the network."""


class InferenceNetwork(nn.Module):
    """N pieces (N, D, ticks) to the mean and the covariance of P parameters, in shares of their ranges."""

    offset: Tensor
    deviation: Tensor
    scale: Tensor
    rows: Tensor
    columns: Tensor

    def __init__(self, numbers: int, parameters: int, width: int) -> None:
        super().__init__()
        self.register_buffer("offset", torch.zeros(numbers, 1))
        self.register_buffer("deviation", torch.ones(numbers, 1))
        self.register_buffer("scale", torch.ones(parameters))
        self.read = nn.Sequential(
            nn.Conv1d(numbers, width, 5, stride=2),
            nn.GELU(),
            nn.Conv1d(width, width, 5, stride=2),
            nn.GELU(),
        )
        self._size = parameters
        rows, columns = torch.tril_indices(parameters, parameters)
        self.register_buffer("rows", rows)
        self.register_buffer("columns", columns)
        self.conclude = nn.Sequential(
            nn.Linear(2 * width + 1, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, parameters + len(rows)),
        )

    def forward(self, pieces: Tensor, known: Tensor, offset: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Read the logs of R robots.

        Args:
            pieces: shape (R, N, D, ticks).
            known: shape (R, N), which of them there are.
            offset: shape (R, D), added to the scaled numbers.

        Returns:
            mean (R, P) and a triangular factor of the precision (R, P, P).
        """
        robots, count = pieces.shape[:2]
        scaled = (pieces - self.offset) / self.deviation
        if offset is not None:
            scaled = scaled + offset[:, None, :, None]
        features = self.read(scaled.flatten(0, 1)).flatten(2)
        both = torch.cat([features.mean(-1), features.amax(-1)], dim=-1).reshape(robots, count, -1)
        weight = known.to(both.dtype)[..., None]
        number = weight.sum(1)
        pooled = (both * weight).sum(1) / number.clamp_min(1.0)
        out = self.conclude(torch.cat([pooled, number.log1p()], dim=-1))
        factor = out.new_zeros(robots, self._size, self._size)
        factor[:, self.rows, self.columns] = out[:, self._size :]
        diagonal = torch.diagonal(factor, dim1=1, dim2=2)
        factor = (
            factor - torch.diag_embed(diagonal) + torch.diag_embed(nn.functional.softplus(diagonal) + 1.0)
        )
        return 0.5 + out[:, : self._size], factor

    @torch.no_grad()
    def infer(self, pieces: Float32Array, at_once: int) -> tuple[FloatArray, FloatArray]:
        """Mean (P,) and covariance (P, P) for one robot's pieces (N, D, ticks).

        More pieces than `at_once` are read in groups, the mean of whose conclusions counts: they share what
        no simulator has, so that more of them do not make the conclusion more certain than one group does.
        """
        groups = np.array_split(np.arange(len(pieces)), max(1, len(pieces) // at_once))
        means, covariances = [], []
        for group in groups:
            chosen = torch.from_numpy(pieces[group])[None]
            mean, factor = self(chosen, torch.ones(1, len(group), dtype=torch.bool))
            precision = (factor @ factor.transpose(1, 2))[0].double()
            means.append(mean[0].double().numpy())
            covariances.append(torch.linalg.inv(precision).numpy())
        scale = self.scale.double().numpy()
        return np.mean(means, axis=0), np.mean(covariances, axis=0) * np.outer(scale, scale)


def train_inference(
    logs: SimulatedLogs,
    settings: InferenceSettings,
    seed: int,
    progress: Callable[[int], None] = lambda step: None,
) -> tuple[InferenceNetwork, dict[str, float]]:
    """Train on simulated logs.

    Returns:
        the network as it was when it did best on robots held out, and what it did there: `likelihood` (mean
        log-likelihood of the truth, in nats, against 0 of the prior) and `coverage` before it was scaled.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    usable = np.flatnonzero(logs.counts > 0)
    held_out = max(1, int(len(usable) * settings.held_out))
    unseen, seen = usable[:held_out], usable[held_out:]
    network = InferenceNetwork(logs.pieces.shape[2], logs.shares.shape[1], settings.width)
    known_pieces = torch.from_numpy(
        np.concatenate([logs.pieces[row, : int(logs.counts[row])] for row in seen])
    )
    network.offset.copy_(known_pieces.mean((0, 2))[:, None])
    network.deviation.copy_(known_pieces.std((0, 2))[:, None] + 1e-6)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.steps, pct_start=0.1
    )
    best, best_loss = copy.deepcopy(network.state_dict()), math.inf
    check = _batch(logs, unseen, settings.pieces)
    for step in range(settings.steps):
        rows = seen[torch.randint(len(seen), (settings.batch,), generator=generator).numpy()]
        pieces, known, shares = _batch(logs, rows, settings.pieces, generator)
        offset = settings.offset * torch.randn(len(rows), pieces.shape[2], generator=generator)
        loss = _surprise(shares, *network(pieces, known, offset)).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        progress(step + 1)
        if (step + 1) % 50 == 0 or step + 1 == settings.steps:
            with torch.no_grad():
                found = float(_surprise(check[2], *network(*check[:2])).mean())
            if found < best_loss:
                best, best_loss = copy.deepcopy(network.state_dict()), found
    network.load_state_dict(best)
    coverage = _scale(network, check)
    return network.eval(), {"likelihood": -best_loss, "coverage": coverage, "held_out": float(len(unseen))}


def _batch(
    logs: SimulatedLogs,
    rows: npt.NDArray[np.integer[Any]],
    most: int,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Up to so many pieces of each robot, any number of any, or without a generator as many as can be; which
    are known; the true shares.
    """
    pieces = np.zeros((len(rows), most, *logs.pieces.shape[2:]), np.float32)
    known = np.zeros((len(rows), most), bool)
    for place, row in enumerate(rows):
        there = int(logs.counts[row])
        wanted, chosen = min(there, most), np.arange(there)
        if generator is not None:
            wanted = min(there, int(torch.randint(1, most + 1, (1,), generator=generator)))
            chosen = torch.randperm(there, generator=generator).numpy()
        pieces[place, :wanted], known[place, :wanted] = logs.pieces[row, chosen[:wanted]], True
    return torch.from_numpy(pieces), torch.from_numpy(known), torch.from_numpy(logs.shares[rows]).float()


def _surprise(shares: Tensor, mean: Tensor, factor: Tensor) -> Tensor:
    """Negative log-likelihood of the true shares, shape (R,)."""
    away = (factor.transpose(1, 2) @ (shares - mean)[..., None])[..., 0]
    certainty = torch.diagonal(factor, dim1=1, dim2=2).log().sum(-1)
    return 0.5 * away.square().sum(-1) - certainty + 0.5 * shares.shape[1] * math.log(2 * math.pi)


@torch.no_grad()
def _scale(network: InferenceNetwork, check: tuple[Tensor, Tensor, Tensor]) -> float:
    """Make the intervals wide enough for robots held out; gives the share that held before.

    Each parameter gets the narrowest that hold, and the widest where none do: those of a parameter that is
    not told become those of its range.
    """
    mean, factor = network(*check[:2])
    covariance = torch.linalg.inv(factor @ factor.transpose(1, 2))
    deviation = torch.diagonal(covariance, dim1=1, dim2=2).sqrt()
    scales = torch.logspace(0.0, math.log10(WIDEST), 100, dtype=mean.dtype)
    held = torch.stack([_held(check[2], mean, scale * deviation) for scale in scales])
    enough = held >= LEVEL
    first = torch.where(enough.any(0), enough.int().argmax(0), len(scales) - 1)
    network.scale.copy_(scales[first])
    return float(held[0].mean())


def _held(shares: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """How often the middle `LEVEL` of normal distributions that are cut off at 0 and 1 holds the truth; of
    R robots (R, P) by parameter (P,).
    """
    low, true, high = (torch.special.ndtr((each - mean) / deviation) for each in (0.0, shares, 1.0))
    place: Tensor = (true - low) / (high - low).clamp_min(1e-12)
    return ((place - 0.5).abs() <= LEVEL / 2).to(mean.dtype).mean(0)
