"""What the planner would have proposed in a recording, and how far that is from what was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adapt.model.world_model import WorldModel
from adapt.planning.pilot import Controller, Pilot
from adapt.planning.settings import PlannerSettings
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray, Tick


@dataclass(frozen=True, slots=True, eq=False)
class Proposals:
    """P proposals, each for one tick of a recording.

    Attributes:
        stamp_ns: of the tick whose period each is for.
        proposed: shape (P, A), in the robot file's unit.
        applied: shape (P, A), what was done then.
    """

    stamp_ns: tuple[int, ...]
    proposed: FloatArray
    applied: FloatArray

    @property
    def distance(self) -> float | None:
        """See `rms_distance`."""
        return rms_distance(self.proposed, self.applied)


def rms_distance(proposed: FloatArray, applied: FloatArray) -> float | None:
    """Root mean square of proposed - applied, both (P, A), over ticks and entries; None where P is 0."""
    return float(np.sqrt(np.mean((proposed - applied) ** 2))) if len(proposed) else None


def propose_again(
    specification: RobotSpecification,
    model: WorldModel,
    ticks: Sequence[Tick],
    settings: PlannerSettings | None = None,
    seed: int = 0,
    controller: Controller = "planner",
) -> Proposals:
    """Let the pilot look at recorded ticks, one after the other, as if it drove.

    It sees what was measured and what had really been sent, so that each proposal is an answer to the
    recorded situation, not to one that its own earlier proposals would have led to. The commands ahead
    are those that came. Searches take the time that they need: no sample is left out.

    Args:
        specification: the robot.
        model: the version that is asked.
        ticks: in order; gaps begin anew.
        settings: of the search.
        seed: of its samples.
        controller: who proposes.
    """
    pilot = Pilot(specification, model, settings or PlannerSettings(), seed, controller)
    dead_time, horizon = specification.dead_time_ticks, specification.horizon_ticks
    by_index = {tick.index: tick for tick in ticks}
    found: list[tuple[int, FloatArray, FloatArray]] = []
    for tick in ticks:
        before, acting = by_index.get(tick.index - 1), by_index.get(tick.index + dead_time)
        if before is not None:
            pilot.record(before)
        sent = tick.applied if dead_time else None if before is None else before.applied
        if sent is None:
            continue
        commands = _commands(by_index, tick, horizon)
        proposal = pilot.decide(tick.observation, tick.valid, commands, commands, sent)
        if proposal is None or acting is None or not np.isfinite(acting.applied).all():
            continue
        found.append((acting.stamp_ns, proposal.actions[0], acting.applied))
    stamps, proposed, applied = zip(*found, strict=True) if found else ((), (), ())
    empty = np.empty((0, specification.action_size))
    return Proposals(
        tuple(stamps), np.stack(proposed) if found else empty, np.stack(applied) if found else empty
    )


def _commands(by_index: dict[int, Tick], tick: Tick, horizon: int) -> FloatArray:
    """The commands of the ticks that follow, shape (T, C); the last one known holds."""
    rows, last = [], tick.command
    for index in range(tick.index + 1, tick.index + 1 + horizon):
        last = by_index[index].command if index in by_index else last
        rows.append(last)
    return np.stack(rows)
