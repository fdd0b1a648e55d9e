"""The tick: one time-aligned record at the control rate, and the unit of the budget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Tick:
    """What was measured, wanted, proposed and done at one instant.

    Attributes:
        index: number of the tick since the stream began; a gap means lost ticks.
        stamp_ns: the instant that the observation and the command are of, in ns of the robot's clock.
        observation: shape (O,), in the units of the robot file; the last known value where not valid.
        valid: shape (O,), False where a measurement is missing, too old or not finite.
        command: shape (C,), the task's reference at `stamp_ns`; NaN where none has arrived.
        proposed: shape (A,), what the planner proposed for this period; NaN where nothing.
        applied: shape (A,), what the robot was told in this period, averaged over it; NaN if unknown.
        version: the world-model version that made the proposal; empty for none.
        schema_hash: of the robot file that the tick was made by, so that no other robot learns from it.
    """

    index: int
    stamp_ns: int
    observation: FloatArray
    valid: BoolArray
    command: FloatArray
    proposed: FloatArray
    applied: FloatArray
    version: str
    schema_hash: str

    @property
    def complete(self) -> bool:
        """Whether the tick may be learned from: all measurements valid and the applied action known."""
        return bool(
            self.valid.all() and np.isfinite(self.observation).all() and np.isfinite(self.applied).all()
        )
