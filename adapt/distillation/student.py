"""A student drives simulated robots, and an expert who knows them says what it would have done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from adapt.distillation.teacher import Teacher, at_pace, velocities
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification
from adapt.sim.conditions import Conditions
from adapt.sim.data import rewards
from adapt.sim.experts import Expert
from adapt.sim.fleet import Fleet
from adapt.sim.simulated_robot import simulated_robots
from adapt.stream.tick import BoolArray, FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Drives:
    """What E robots did in L ticks, in the first H of which they waited for a history.

    Attributes:
        observation: shape (E, L, O), as measured.
        action: shape (E, L, A), as sent.
        command: shape (E, L + 1 + T, C).
        label: shape (E, L, A), the expert's actions in the true states; None where nobody was asked.
        fell: shape (E,), the tick in which a robot fell; L where it did not.
    """

    observation: FloatArray
    action: FloatArray
    command: FloatArray
    label: FloatArray | None
    fell: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.fell)

    @staticmethod
    def join(parts: list[Drives]) -> Drives:
        """All robots of `parts`, which are of one length and all with labels, or all without."""
        labels = [part.label for part in parts if part.label is not None]
        return Drives(
            np.concatenate([part.observation for part in parts]),
            np.concatenate([part.action for part in parts]),
            np.concatenate([part.command for part in parts]),
            np.concatenate(labels) if labels else None,
            np.concatenate([part.fell for part in parts]),
        )

    @property
    def has_fallen(self) -> BoolArray:
        """Which robots have fallen, shape (E,)."""
        return np.asarray(self.fell < self.observation.shape[1])

    def rewards(self, spec: RobotSpecification, pace: float = 1.0) -> FloatArray:
        """Of each robot that was driven at all, the mean reward of its ticks before a fall, by the task of
        the robot file, where it should go `pace` times as fast as commanded.
        """
        length = self.observation.shape[1]
        wanted = at_pace(spec, self.command[:, :length], pace)
        each = rewards(spec, self.observation, self.action, wanted)
        driven = self._driven(spec)[:, :-1]
        began = driven.any(axis=1)
        return np.asarray((each * driven).sum(axis=1)[began] / driven.sum(axis=1)[began])

    def pace(self, spec: RobotSpecification) -> float | None:
        """How many times as fast as commanded the robots went that did not fall (least squares); None where
        none went where it should, or no velocity is commanded.
        """
        entries = velocities(spec)
        driven = self._driven(spec) & ~self.has_fallen[:, None]
        wanted = self.command[:, : self.observation.shape[1]][driven][:, entries.commanded]
        product = float(np.sum(self.observation[driven][:, entries.measured] * wanted))
        return product / float(np.sum(wanted**2)) if product > 0.0 else None

    def _driven(self, spec: RobotSpecification) -> BoolArray:
        """In which ticks there was a plan, and no fall yet; shape (E, L)."""
        tick = np.arange(self.observation.shape[1])
        return np.asarray((tick >= spec.history_ticks) & (tick < self.fell[:, None]))


def roll_out(
    spec: RobotSpecification,
    conditions: Sequence[Conditions],
    commands: FloatArray,
    student: WorldModel | None,
    expert: Expert | None,
    generator: np.random.Generator,
    disturbance: float = 0.0,
    pace: float = 1.0,
    insistence: float = 0.0,
) -> Drives:
    """Let a student's policy drive one robot for each of `conditions`; without a student the expert drives.

    Both plan as on the robot: where the robot has a dead time, an action leaves a tick after it was planned.
    An expert that cannot bear that has nothing to teach. The rollout ends when all robots have fallen.

    Args:
        spec: the robot.
        conditions: E of them.
        commands: shape (E, L + 1 + T, C); in the first H ticks zero is commanded, whatever they say.
        student: whose policy drives.
        expert: labels what is done; None to do without.
        generator: of start, noise and disturbances.
        disturbance: of each robot's actions, of a standard deviation up to this, in the action's unit.
        pace: see `Teacher`.
        insistence: likewise.

    Raises:
        UserError: see `simulated_robots`, `Fleet` and `Expert.act`.
    """
    fleet = Fleet(spec, simulated_robots(spec, conditions))
    fleet.reset(generator)
    count, horizon, waiting = len(fleet), spec.horizon_ticks, spec.history_ticks
    total = commands.shape[1] - 1 - horizon
    commands = commands.copy()
    commands[:, :waiting] = 0.0
    teacher = None if expert is None else Teacher(spec, expert, commands, pace, insistence)
    low, high = np.array([each.position for each in spec.action.limits.values()]).T
    rest = np.zeros(spec.action_size) if spec.rest_action is None else np.array(spec.rest_action)
    scale = disturbance * generator.uniform(size=(count, 1))
    sent = np.tile(rest, (count, 1))
    observation = np.empty((count, total, spec.observation_size))
    action = np.empty((count, total, spec.action_size))
    label = None if teacher is None else np.empty_like(action)
    fell = np.full(count, total)
    late = spec.dead_time_ticks > 0

    def planned(tick: int) -> FloatArray:
        if student is None:
            assert label is not None
            wanted = label[:, tick]
        else:
            past = slice(tick - waiting, tick + 1)
            ahead = commands[:, tick + 1 : tick + 1 + horizon]
            wanted = _proposed(student, observation[:, past], action[:, past], ahead)[:, int(late)]
        return np.clip(wanted + scale * generator.normal(size=wanted.shape), low, high)

    for tick in range(total):
        truth = fleet.observe()
        observation[:, tick] = fleet.sensing.blur(truth, generator)
        if teacher is not None and label is not None:
            # Of a student that plans a tick ahead, what is sent now is known already.
            before = action[:, tick - 1] if tick else sent
            label[:, tick] = np.clip(teacher.act(fleet, truth, before), low, high)
        if tick >= waiting and not late:
            sent = planned(tick)
        action[:, tick] = sent
        fleet.step(sent)
        if tick >= waiting and late:
            sent = planned(tick)
        fell = np.where(fleet.fallen & (fell == total), tick, fell)
        if (fell < total).all():
            total = tick + 1
            break
    return Drives(
        observation[:, :total],
        action[:, :total],
        commands[:, : total + 1 + horizon],
        None if label is None else label[:, :total],
        fell,
    )


@torch.no_grad()
def _proposed(
    student: WorldModel, observation: FloatArray, action: FloatArray, ahead: FloatArray
) -> FloatArray:
    """The policy's plans, shape (E, T, A), from histories up to now, (E, H + 1, O) and (E, H or more, A)."""
    history = observation.shape[1] - 1
    seen, done, wanted = (
        torch.from_numpy(np.ascontiguousarray(each)).float()
        for each in (observation, action[:, :history], ahead)
    )
    return np.asarray(student.propose(student.read(seen, done), wanted).double().numpy())
