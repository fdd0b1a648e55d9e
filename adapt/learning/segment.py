"""Segments: runs of consecutive ticks, the unit in which real samples are spent."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load, save

from adapt.learning.splits import Split
from adapt.stream.tick import FloatArray, Tick


@dataclass(frozen=True, slots=True)
class Segment:
    """Where a segment lies in the stream, and what it is for.

    Attributes:
        number: counts from 0 in the order of assignment.
        split: decided before its first tick came.
        assigned: number of the journal entry that decided it.
        stored: number of the journal entry that holds the ticks.
        first_index, last_index: of its ticks.
        first_stamp_ns, last_stamp_ns: of its ticks.
        content: hash of the ticks.
    """

    number: int
    split: Split
    assigned: int
    stored: int
    first_index: int
    last_index: int
    first_stamp_ns: int
    last_stamp_ns: int
    content: str

    @property
    def ticks(self) -> int:
        """How many ticks it has."""
        return self.last_index - self.first_index + 1

    def follows(self, other: Segment, period_ns: int) -> bool:
        """Whether its first tick is the one after the last of `other`, and it has the same split."""
        return self.split is other.split and consecutive(
            other.last_index, other.last_stamp_ns, self.first_index, self.first_stamp_ns, period_ns
        )


def consecutive(index: int, stamp_ns: int, next_index: int, next_stamp_ns: int, period_ns: int) -> bool:
    """Whether a tick is the very next one: numbered so, and one period later to within half of one."""
    return next_index == index + 1 and abs(next_stamp_ns - stamp_ns - period_ns) < period_ns / 2


@dataclass(frozen=True, slots=True, eq=False)
class SegmentTicks:
    """What dynamics are learned from: stamps (L,), observation (L, O), applied (L, A).

    And what was commanded, (L, C): NaN where nothing was, None in ledgers from before that was kept.
    """

    stamp_ns: npt.NDArray[np.int64]
    observation: FloatArray
    applied: FloatArray
    command: FloatArray | None = None


def encode_ticks(ticks: Sequence[Tick]) -> bytes:
    """Ticks as bytes in the safetensors layout."""
    arrays = {
        "stamp_ns": np.array([tick.stamp_ns for tick in ticks], dtype=np.int64),
        "observation": np.stack([tick.observation for tick in ticks]),
        "applied": np.stack([tick.applied for tick in ticks]),
        "command": np.stack([tick.command for tick in ticks]),
    }
    return bytes(save(arrays))


def decode_ticks(content: bytes) -> SegmentTicks:
    """Undo `encode_ticks`."""
    return SegmentTicks(**load(content))


def content_of(data: bytes) -> str:
    """Hash that names the ticks of a segment."""
    return hashlib.sha256(data).hexdigest()
