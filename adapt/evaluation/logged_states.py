"""States in which a robot was while a controller drove it: for comparing planners on the same questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from adapt.errors import UserError
from adapt.evaluation.closed_loop import Trial, make_driver, make_reference
from adapt.sim.closed_loop import drive
from adapt.sim.stand_in import make_stand_in
from adapt.stream.tick import Tick


@dataclass(frozen=True, slots=True)
class State:
    """What a planner is given at one tick. D is the robot's dead time in ticks.

    Attributes:
        observation: shape (H + 1, O), the last one being now.
        action: shape (H, A), applied between them.
        sent: shape (D, A), under way.
        command: shape (T, C), of the ticks after now.
    """

    observation: Tensor
    action: Tensor
    sent: Tensor
    command: Tensor


def logged_states(trial: Trial, seed: int, count: int) -> list[State]:
    """States at even distances of one episode, until the robot falls; fewer where the episode is too short.

    Raises:
        UserError: see `run_episode`; or the episode holds no state at all.
    """
    specification = trial.specification
    history, horizon = specification.history_ticks, specification.horizon_ticks
    stand_in = make_stand_in(specification, trial.scenario, seed, start_ns=1_000_000_000)
    path, reference = make_reference(trial, stand_in, seed)
    driver = make_driver(trial, stand_in, path, seed)
    ticks: list[Tick] = []
    # What was commanded while there was no history to plan from, is no part of the task.
    total = 2 * history + round(trial.seconds * specification.rate_hz)
    for tick in drive(specification, stand_in, driver, reference, total):
        ticks.append(tick)
        if stand_in.fallen:
            break
    usable = [
        index
        for index in range(2 * history, len(ticks) - horizon)
        if all(tick.complete for tick in ticks[index - history : index + 1])
    ]
    if not usable:
        raise UserError(
            f"scenario '{trial.scenario}', seed {seed}: no tick has {history} complete ones before it and "
            f"{horizon} after it: give more --seconds, or another scenario"
        )
    chosen = np.unique(np.linspace(0, len(usable) - 1, count).round().astype(int))
    return [_state(ticks, usable[each], trial) for each in chosen]


def _state(ticks: Sequence[Tick], index: int, trial: Trial) -> State:
    specification = trial.specification
    past = ticks[index - specification.history_ticks : index]
    dead = specification.dead_time_ticks
    return State(
        observation=_tensor(
            [each.observation for each in (*past, ticks[index])], specification.observation_size
        ),
        action=_tensor([each.applied for each in past], specification.action_size),
        sent=_tensor([each.applied for each in ticks[index : index + dead]], specification.action_size),
        command=_tensor(
            [each.command for each in ticks[index + 1 : index + 1 + specification.horizon_ticks]],
            specification.command_size,
        ),
    )


def _tensor(rows: Sequence[np.typing.NDArray[np.float64]], width: int) -> Tensor:
    return torch.from_numpy(np.array(rows, dtype=np.float32).reshape(-1, width))
