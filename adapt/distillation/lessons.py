"""What a student learns from where it went: windows of drives, with the expert's actions from now on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from adapt.distillation.student import Drives
from adapt.model.windows import Windows
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification


@dataclass(frozen=True, slots=True)
class Homework:
    """B windows.

    Attributes:
        windows: what happened; after a fall the last tick before it is repeated.
        label: shape (B, T, A), what the expert would have done in the ticks of the horizon.
        known: shape (B, T), whether the robot had not fallen by then.
    """

    windows: Windows
    label: Tensor
    known: Tensor


class Collection:
    """All drives of a student so far, from which windows are drawn evenly over the ticks driven."""

    def __init__(self, spec: RobotSpecification) -> None:
        """Begin with none."""
        self._history, self._horizon = spec.history_ticks, spec.horizon_ticks
        self._drives: list[Drives] = []
        self._places = np.empty((0, 3), np.int64)

    def add(self, drives: Drives) -> None:
        """Take drives with labels."""
        assert drives.label is not None
        number = len(self._drives)
        self._drives.append(drives)
        found = [
            (number, row, now)
            for row, end in enumerate(drives.fell)
            for now in range(self._history, int(end) - 1)
        ]
        self._places = np.concatenate([self._places, np.array(found, np.int64).reshape(-1, 3)])

    def __len__(self) -> int:
        return len(self._places)

    def draw(self, count: int, generator: torch.Generator) -> Homework:
        """So many windows at random, with repetition."""
        chosen = torch.randint(len(self._places), (count,), generator=generator).numpy()
        history, horizon = self._history, self._horizon
        observation, action, command, label, known = [], [], [], [], []
        for number, row, now in self._places[chosen]:
            drives = self._drives[number]
            last = int(drives.fell[row]) - 1
            wanted = np.arange(now - history, now + horizon + 1)
            ticks = np.minimum(wanted, last)
            observation.append(drives.observation[row, ticks])
            action.append(drives.action[row, ticks[:-1]])
            command.append(drives.command[row, wanted])
            assert drives.label is not None
            label.append(drives.label[row, ticks[history:-1]])
            known.append(wanted[history:] <= last)
        windows = Windows(
            *(torch.from_numpy(np.stack(each)).float() for each in (observation, action, command))
        )
        seen = torch.from_numpy(np.stack(known))
        return Homework(windows, torch.from_numpy(np.stack(label)).float(), seen[:, :-1])


def policy_loss(model: WorldModel, homework: Homework, ticks: int) -> Tensor:
    """Squared distance of the first `ticks` of the policy's plans from the expert's actions, scaled, where
    these are known.
    """
    windows, history = homework.windows, model.history
    with torch.no_grad():
        context = model.read(windows.observation[:, : history + 1], windows.action[:, :history])
    plan = model.propose(context, windows.command[:, history + 1 :][:, :ticks])
    label, known = homework.label[:, :ticks], homework.known[:, :ticks]
    error = ((plan - label) / model.scaling.action_deviation).square().mean(-1)
    return (error * known).sum() / known.sum()


def dynamics_loss(model: WorldModel, homework: Homework) -> Tensor:
    """Of the windows in which the robot did not fall; zero where there is none."""
    whole = homework.known.all(dim=1)
    if not whole.any():
        return homework.label.new_zeros(())
    return model.dynamics_loss(homework.windows.select(torch.nonzero(whole)[:, 0])).mean()
