"""Segments of two splits that hold nearly the same motion.

Such a pair is no fault of the accounts, but who is trained on the one and judged on the other is judged on
what it knows. Two segments are near-duplicates where half of one lies in the other at any shift: same
observations, same applied actions, up to a fiftieth of the usual deviation of each entry. A half in which
next to nothing moves does not count: a robot at rest looks the same every time, and tells nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from adapt.learning.splits import Split
from adapt.stream.tick import FloatArray

DISTANCE = 0.02
"""RMS over ticks and entries, in standard deviations over the whole ledger; nearer is a near-duplicate."""
MOVING = 0.1
"""RMS about its own mean, likewise, above which a half counts."""
STRIDE = 5
"""Only every so many ticks of a half are looked at before all are."""
DIMENSIONS = 8
"""Halves are sought by so many principal components: a projection never makes a distance longer."""
NEAREST = 16
"""So many of the nearest halves are compared in full: bounds the cost where all motions are alike."""
SAMPLE = 500
"""Segments from which the principal components are taken."""

Load = Callable[[int], FloatArray]
"""Gives the ticks of a segment by its number, shape (L, D): observation and applied action."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two segments of different splits, and how far apart they are, in standard deviations."""

    segments: tuple[int, int]
    distance: float


@dataclass(frozen=True, slots=True, eq=False)
class Halves:
    """N halves as points, shape (N, DIMENSIONS); of each the segment, the tick at which it begins, and
    whether it is the first or the last half of its segment."""

    points: FloatArray
    segment: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    outer: npt.NDArray[np.bool_]

    def outermost(self) -> Halves:
        """The first and last half of each segment: whoever shares half a segment shares one of them."""
        return Halves(*(getattr(self, each.name)[self.outer] for each in fields(self)))


def near_duplicates(splits: Mapping[int, Split], half: int, load: Load) -> list[Duplicate]:
    """For each segment the nearest segment of another split, where it is nearly the same.

    Time and memory grow with the number of segments, not with its square; each is read three times.

    Args:
        splits: by segment.
        half: ticks of half a segment; shorter segments are left out.
        load: see `Load`.
    """
    if len(splits) < 2:
        return []
    deviation = _deviation(list(splits), load)

    @lru_cache(maxsize=256)
    def scaled(number: int) -> FloatArray:
        return load(number) / deviation

    basis = _basis(list(splits), half, scaled)
    if basis is None:
        return []
    by_split = {
        split: _halves([number for number, each in splits.items() if each is split], half, scaled, basis)
        for split in Split
    }
    radius = 2.0 * DISTANCE * len(basis) ** 0.5
    found: dict[int, Duplicate] = {}
    for one, other in combinations(by_split.values(), 2):
        if not len(one.points) or not len(other.points):
            continue
        other = other.outermost()
        near = cKDTree(one.points).query(other.points, k=NEAREST, distance_upper_bound=radius)[1]
        for place, candidates in enumerate(near):
            for candidate in candidates[candidates < len(one.points)]:
                pair = int(one.segment[candidate]), int(other.segment[place])
                starts = int(one.start[candidate]), int(other.start[place])
                parts = [
                    scaled(number)[start : start + half] for number, start in zip(pair, starts, strict=True)
                ]
                distance = float(np.sqrt(np.mean((parts[0] - parts[1]) ** 2)))
                nearest = found.get(pair[1])
                if distance < DISTANCE and (nearest is None or distance < nearest.distance):
                    found[pair[1]] = Duplicate(pair, distance)
    return sorted(found.values(), key=lambda each: each.segments)


def _deviation(numbers: list[int], load: Load) -> FloatArray:
    """Standard deviation of each entry over all ticks; 1 where an entry never changes. Shape (D,)."""
    origin = load(numbers[0]).mean(0)  # against cancellation
    count, total, squares = 0, np.zeros_like(origin), np.zeros_like(origin)
    for number in numbers:
        ticks = load(number) - origin
        count += len(ticks)
        total += ticks.sum(0)
        squares += np.square(ticks).sum(0)
    variance = squares / count - np.square(total / count)
    deviation = np.sqrt(np.maximum(variance, 0.0))
    return np.where(deviation > 1e-9, deviation, 1.0)


def _basis(numbers: list[int], half: int, scaled: Load) -> FloatArray | None:
    """Orthonormal directions, shape (half / STRIDE * D, DIMENSIONS or fewer); None without any half."""
    some = numbers[:: max(1, len(numbers) // SAMPLE)]
    rows = [_looked_at(scaled(number), np.zeros(1, dtype=np.int64), half) for number in some]
    rows = [row.reshape(1, -1) for row in rows if row.size]
    if not rows:
        return None
    points = np.concatenate(rows)
    basis: FloatArray = np.linalg.svd(points - points.mean(0), full_matrices=False)[2][:DIMENSIONS].T
    return basis


def _halves(numbers: list[int], half: int, scaled: Load, basis: FloatArray) -> Halves:
    """All halves, at every shift, of these segments in which something moves."""
    parts = [(np.empty((0, basis.shape[1])), np.empty(0, int), np.empty(0, int), np.empty(0, bool))]
    for number in numbers:
        ticks = scaled(number)
        starts = np.arange(len(ticks) - half + 1)
        looked_at = _looked_at(ticks, starts, half)
        motion = np.sqrt(np.mean(np.square(looked_at - looked_at.mean(1, keepdims=True)), axis=(1, 2)))
        starts, looked_at = starts[motion > MOVING], looked_at[motion > MOVING]
        points = looked_at.reshape(len(starts), len(basis)) @ basis
        outer = (starts == 0) | (starts == len(ticks) - half)
        parts.append((points, np.full(len(starts), number), starts, outer))
    return Halves(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _looked_at(ticks: FloatArray, starts: npt.NDArray[np.int64], half: int) -> FloatArray:
    """Every STRIDE-th tick of the halves that begin at `starts`. Shape (N, half / STRIDE, D)."""
    starts = starts[starts + half <= len(ticks)]
    looked_at: FloatArray = ticks[starts[:, None] + np.arange(0, half, STRIDE)]
    return looked_at
