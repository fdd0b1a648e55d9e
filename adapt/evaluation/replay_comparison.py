"""Open-loop errors of models over a replay, block by block: memory is bounded however long the bags are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapt.errors import UserError
from adapt.evaluation.adaptation import (
    STRIDE,
    Run,
    measured_entries,
    measured_unit,
    run_of,
    run_windows,
)
from adapt.evaluation.model_error import LATENT, model_error
from adapt.evaluation.open_loop import (
    CommandPlusOffset,
    Forecaster,
    HoldLast,
    OpenLoopError,
    open_loop_error,
    pooled,
)
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray, Tick

BLOCK_WINDOWS = 512
SHOWN_S = 8.0
"""Length of the stretch that is kept to be drawn: the one in which the observations travel farthest."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A part of an unbroken run of complete ticks.

    Attributes:
        run: its ticks.
        known: how many of them, at the start, were in the block before.
    """

    run: Run
    known: int


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Open-loop errors on the same windows.

    Attributes:
        entries: names of the observation entries that were measured, all in `unit`.
        step_s: time between two steps of the horizon, s.
        time_s: shape (B,), "now" of each window since the first, s.
        errors: by forecaster: the models by their names, then command_plus_offset and hold_last.
        liveliest: the stretch of at most SHOWN_S in which the observations travel farthest.
    """

    entries: tuple[str, ...]
    unit: str
    step_s: float
    time_s: FloatArray
    errors: dict[str, OpenLoopError]
    liveliest: Run

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "unit": self.unit,
            "windows": len(self.time_s),
            "stride_ticks": STRIDE,
            "horizon_s": self.step_s * len(next(iter(self.errors.values())).by_step),
            "open_loop_rmse": {
                name: {
                    "total": error.total,
                    "joints": dict(zip(self.entries, error.by_entry.tolist(), strict=True)),
                    "steps": error.by_step.tolist(),
                }
                for name, error in self.errors.items()
            },
        }


def compare(
    specification: RobotSpecification,
    models: dict[str, WorldModel],
    ticks: Iterable[Tick],
    report: Callable[[Block], None] = lambda block: None,
) -> Comparison:
    """Open-loop errors of models, and of two forecasts that need none, on the same ticks.

    For what is measured see `model_error`: where latents cannot be read as observations, there is nothing to
    compare the models with.

    Args:
        specification: the robot.
        models: by name; their latents can all be read as observations, or none's.
        ticks: in order.
        report: called with each block.

    Raises:
        UserError: the ticks hold no unbroken run as long as a window.
    """
    horizon, history = specification.horizon_ticks, specification.history_ticks
    length = history + 1 + horizon
    shown = max(length, round(SHOWN_S * specification.rate_hz))
    # What two blocks share holds every window and every stretch that would lie across their border.
    shared = length + -(-(shown - length) // STRIDE) * STRIDE
    entries = measured_entries(specification)
    hidden = next((model for model in models.values() if not model.settings.readable), None)
    others: dict[str, Forecaster] = {}
    if hidden is None:
        others["command_plus_offset"] = CommandPlusOffset(specification)
        others["hold_last"] = HoldLast(specification)
    errors: dict[str, list[OpenLoopError]] = {name: [] for name in (*models, *others)}
    now_ns, liveliest = [], _Liveliest(length, shown)
    for block in blocks(ticks, shared + BLOCK_WINDOWS * STRIDE, shared):
        liveliest.feed(block.run)
        report(block)
        begin = max(0, block.known - length + STRIDE)
        fresh = block.run.part(slice(begin, None))
        windows = run_windows(specification, fresh, STRIDE)
        if len(windows) == 0:
            continue
        now_ns.append(fresh.stamp_ns[history : len(fresh.stamp_ns) - horizon : STRIDE])
        for name, model in models.items():
            errors[name].append(model_error(specification, model, windows))
        for name, other in others.items():
            errors[name].append(open_loop_error(other, windows, entries))
    if liveliest.run is None:
        raise UserError(
            f"nothing to measure on: no unbroken run of {length} complete ticks is left"
            f" ({length / specification.rate_hz:.2f} s): learn from fewer minutes, or give a longer bag"
        )
    stamps = np.concatenate(now_ns)
    return Comparison(
        entries=("latent",) if hidden else short_names(specification.observation_names[entries]),
        unit=LATENT if hidden else measured_unit(specification),
        step_s=specification.period_s,
        time_s=(stamps - stamps[0]) * 1e-9,
        errors={name: pooled(parts) for name, parts in errors.items()},
        liveliest=liveliest.run,
    )


def blocks(ticks: Iterable[Tick], size: int, shared: int) -> Iterator[Block]:
    """Unbroken runs of complete ticks in blocks of at most `size`, which share ticks with the one before."""
    kept: list[Tick] = []
    known = 0
    for tick in ticks:
        if not tick.complete:
            continue
        if kept and tick.index != kept[-1].index + 1:
            if len(kept) > known:
                yield Block(run_of(kept), known)
            kept, known = [], 0
        kept.append(tick)
        if len(kept) == size:
            yield Block(run_of(kept), known)
            kept, known = kept[-shared:], shared
    if len(kept) > known:
        yield Block(run_of(kept), known)


class _Liveliest:
    """The stretch in which the observations travel farthest, of all that came."""

    def __init__(self, shortest: int, longest: int):
        self.run: Run | None = None
        self._shortest, self._longest = shortest, longest
        self._distance = -1.0

    def feed(self, run: Run) -> None:
        length = min(self._longest, len(run.stamp_ns))
        if length < self._shortest:
            return
        steps = np.abs(np.diff(run.observation, axis=0, prepend=run.observation[:1])).sum(axis=1)
        travelled = np.concatenate([[0.0], steps.cumsum()])
        distance = travelled[length:] - travelled[:-length]
        start = int(np.argmax(distance))
        if distance[start] > self._distance:
            self._distance = float(distance[start])
            self.run = run.part(slice(start, start + length))


def short_names(names: Sequence[str]) -> tuple[str, ...]:
    """Without the channel, where that leaves them apart."""
    short = tuple(name.split("/")[-1] for name in names)
    return short if len(set(short)) == len(short) else tuple(names)
