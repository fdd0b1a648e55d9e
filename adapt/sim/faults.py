"""What goes wrong between a sensor and those who hear it, one fault or several at once, for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from adapt.robot.interface import Positive
from adapt.settings import Settings
from adapt.stream.tick import FloatArray

Measurement = Mapping[str, tuple[int, FloatArray]]
"""Stamp in ns and values by channel, of one instant."""
SIZED = ("late", "noisy", "offset", "clock_jump")


class Fault(Settings):
    """One fault. Whole messages are struck, except for the values of one `channel` where it is given."""

    kind: Literal[
        "lost", "late", "duplicated", "reordered", "frozen", "not_finite", "noisy", "offset", "clock_jump"
    ]
    """`reordered` messages overtake each other in pairs; `frozen` ones have new stamps and old values."""
    onset_s: float = Field(default=0.0, ge=0)
    duration_s: Positive
    share: float = Field(default=1.0, gt=0, le=1)
    """Of the messages meanwhile."""
    size: float = Field(default=0.0, allow_inf_nan=False)
    """By how much: s for `late` and `clock_jump`, in the channel's unit for `noisy` (standard deviation) and
    `offset`."""
    channel: str = ""
    """Whose values are struck; empty for all."""

    @model_validator(mode="after")
    def _size_fits(self) -> Fault:
        if (self.kind in SIZED) != (self.size != 0.0):
            raise ValueError(f"'{self.kind}' {'needs a' if self.kind in SIZED else 'has no'} 'size'")
        if self.kind in ("late", "noisy") and self.size < 0:
            raise ValueError(f"'{self.kind}' has a 'size' above 0")
        return self


@dataclass
class _Striking:
    fault: Fault
    begins_ns: int
    ends_ns: int
    kept: list[tuple[int, Measurement]] = field(default_factory=list)
    """Measurements held back, and when they are due; of a frozen sensor the first one."""


class SensorFaults:
    """Stands between what is measured and what is published. The same calls and seed give the same faults."""

    def __init__(self, seed: int) -> None:
        """Begin without any."""
        self._generator = np.random.default_rng(seed)
        self._striking: list[_Striking] = []

    def begin(self, fault: Fault, now_ns: int) -> None:
        """Let a fault strike, `onset_s` after `now_ns`."""
        begins_ns = now_ns + round(fault.onset_s * 1e9)
        self._striking.append(_Striking(fault, begins_ns, begins_ns + round(fault.duration_s * 1e9)))

    def heard(self, measured: Measurement, now_ns: int) -> list[Measurement]:
        """What is to be published at `now_ns`, in order, where `measured` (empty: nothing) is measured."""
        messages = [measured] if measured else []
        for each in self._striking:
            messages = [heard for message in messages for heard in self._strike(each, message, now_ns)]
            messages += self._due(each, now_ns)
        self._striking = [each for each in self._striking if now_ns < each.ends_ns or each.kept]
        return messages

    def _strike(self, striking: _Striking, message: Measurement, now_ns: int) -> Iterator[Measurement]:
        fault, kept = striking.fault, striking.kept
        spared = not striking.begins_ns <= now_ns < striking.ends_ns
        if spared or (fault.share < 1.0 and self._generator.uniform() >= fault.share):
            yield message
        elif fault.kind == "duplicated":
            yield from (message, message)
        elif fault.kind == "late":
            kept.append((now_ns + round(fault.size * 1e9), message))
        elif fault.kind == "reordered":
            if kept:
                yield from (message, kept.pop()[1])
            else:
                kept.append((striking.ends_ns, message))
        elif fault.kind == "clock_jump":
            jump_ns = round(fault.size * 1e9)
            yield {key: (stamp_ns + jump_ns, values) for key, (stamp_ns, values) in message.items()}
        elif fault.kind != "lost":
            if fault.kind == "frozen" and not kept:
                kept.append((striking.ends_ns, message))
            yield {
                key: (stamp_ns, self._falsified(striking, key, values))
                if fault.channel in ("", key)
                else (stamp_ns, values)
                for key, (stamp_ns, values) in message.items()
            }

    def _falsified(self, striking: _Striking, key: str, values: FloatArray) -> FloatArray:
        fault = striking.fault
        if fault.kind == "frozen":
            frozen = striking.kept[0][1]
            return frozen[key][1] if key in frozen else values
        if fault.kind == "not_finite":
            return np.full(values.shape, np.nan)
        if fault.kind == "noisy":
            return values + self._generator.normal(scale=fault.size, size=values.shape)
        return values + fault.size

    def _due(self, striking: _Striking, now_ns: int) -> list[Measurement]:
        """What was held back and is due; the pattern of a frozen sensor is not told again."""
        due = [message for due_ns, message in striking.kept if due_ns <= now_ns]
        striking.kept = [each for each in striking.kept if each[0] > now_ns]
        return [] if striking.fault.kind == "frozen" else due
