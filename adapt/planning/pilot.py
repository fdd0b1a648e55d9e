"""The pilot: what to propose for the next tick, and what to fall back on when there is no plan."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from adapt.errors import UserError
from adapt.model.world_model import WorldModel
from adapt.planning.planner import Planner
from adapt.planning.settings import PlannerSettings
from adapt.planning.surprise import Surprise, SurpriseSettings
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import BoolArray, FloatArray, Tick

Controller = Literal["planner", "policy", "direct", "none"]
"""Who drives: MPPI over the model, the policy's plan as it is, the reference as it is, or nobody."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Actions for the coming ticks.

    Attributes:
        actions: shape (P, A), one for each tick from the next beat on; without dead time, from now on.
        source: planner, policy, direct, rest, or tail (the rest of an older plan).
        latents: shape (T, latent), what the model expects at the ends of the tick under way and of those
            that follow; None where no model was asked.
    """

    actions: FloatArray
    source: str
    latents: Tensor | None


class Pilot:
    """Keeps the last ticks, and turns the newest observation into a proposal for the next tick."""

    def __init__(
        self,
        specification: RobotSpecification,
        model: WorldModel,
        settings: PlannerSettings,
        seed: int,
        controller: Controller = "planner",
    ):
        self._specification = specification
        self._model = model
        self._settings = settings
        self._device = next(model.parameters()).device
        generator = torch.Generator(self._device).manual_seed(seed)
        self._planner = Planner(specification, model, settings, generator)
        self._ticks: deque[Tick] = deque(maxlen=specification.history_ticks)
        self._tail: FloatArray | None = None
        self._tail_age = 0
        # Predictions are checked as soon as actions that were not yet fixed when they were made begin to act.
        self._fixed_ticks = 1 + specification.dead_time_ticks
        self._expected: deque[tuple[FloatArray, Tensor]] = deque(maxlen=self._fixed_ticks)
        self.surprise = Surprise(SurpriseSettings())
        self.surprised = False
        """Whether, at this tick, predictions were found to have become wrong."""
        self.controller: Controller = controller
        self.counts: Counter[str] = Counter()
        """Proposals by source, and reasons for which there was no fresh one."""
        if self._specification.direct_index is None and controller == "direct":
            raise UserError(
                f"robot '{specification.name}': controller 'direct' needs an action that targets the "
                "channel that the command tracks"
            )

    @property
    def dead_time_ticks(self) -> int:
        """1 where its proposals leave on the next beat, 0 where at once."""
        return self._specification.dead_time_ticks

    def record(self, tick: Tick) -> None:
        """Take a tick that is complete; a gap in the numbers begins a new history."""
        if self._ticks and tick.index != self._ticks[-1].index + 1:
            self.reset()
        if tick.complete:
            self._ticks.append(tick)
        else:
            self._ticks.clear()

    def reset(self) -> None:
        """Forget history and plan, after a pause or a jump of the clock."""
        self._ticks.clear()
        self._planner.reset()
        self._tail = None
        self._expected.clear()

    def skip(self) -> None:
        """A proposal left late or not at all: what was expected of it, and the plan around it, are void."""
        self._planner.reset()
        self._expected.clear()

    def decide(
        self,
        observation: FloatArray,
        valid: BoolArray,
        commands: FloatArray,
        ahead: FloatArray,
        sent: FloatArray,
    ) -> Proposal | None:
        """Propose the action of the next tick, or without dead time of this one.

        Args:
            observation: shape (O,), of the tick under way.
            valid: shape (O,).
            commands: shape (T, C), the reference of the ticks after the one under way.
            ahead: shape (T, C), the reference at the instants at which the actions leave.
            sent: shape (A,), the action of the tick under way, without dead time of the one before; NaN if
                unknown.

        Returns:
            None where nothing can be proposed; the safety node then falls back.
        """
        self.surprised = bool(valid.all()) and self._compare(observation)
        proposal = self._choose(observation, valid, commands, ahead, sent)
        if proposal is None or proposal.latents is None:
            # The plan before is no longer of the tick before: neither expectation nor warm start.
            self._expected.clear()
            self._planner.reset()
            self._tail = self._tail if proposal is not None and proposal.source == "tail" else None
        else:
            self._expected.append((observation, proposal.latents[self._fixed_ticks - 1]))
        return proposal

    def _choose(
        self,
        observation: FloatArray,
        valid: BoolArray,
        commands: FloatArray,
        ahead: FloatArray,
        sent: FloatArray,
    ) -> Proposal | None:
        if self.controller == "none" or not np.isfinite(commands).all():
            self.counts["no reference"] += self.controller != "none"
            return None
        if self.controller == "direct":
            return self._direct(ahead)
        if not valid.all():
            return self._older("measurement not valid")
        known = len(self._ticks) == self._specification.history_ticks and np.isfinite(sent).all()
        if not known:
            self.counts["history too short"] += 1
            return self._begin(ahead)
        return self._modelled(observation, commands, sent)

    @torch.no_grad()
    def _compare(self, observation: FloatArray) -> bool:
        if len(self._expected) < self._fixed_ticks:
            return False
        made_at, expected = self._expected[0]
        both = torch.from_numpy(np.stack([made_at, observation])).float().to(self._device)
        before, seen = self._model.measure(both[None], both[:1])[0]
        return self.surprise.observe(
            *(each.double().cpu().numpy() for each in (before, self._model.measured(expected), seen))
        )

    def _modelled(self, observation: FloatArray, commands: FloatArray, sent: FloatArray) -> Proposal | None:
        past = np.stack([tick.observation for tick in self._ticks] + [observation])
        applied = np.stack([tick.applied for tick in self._ticks])
        arguments = [
            torch.from_numpy(each).float().to(self._device) for each in (past, applied, sent, commands)
        ]
        plan = (
            self._planner.plan(*arguments)
            if self.controller == "planner"
            else self._planner.policy_plan(*arguments)
        )
        self.counts["samples not finite"] += plan.not_finite
        actions = plan.actions[self._specification.dead_time_ticks :].double().cpu().numpy()
        if not (np.isfinite(actions).all() and np.isfinite(plan.value)):
            return self._older("plan not finite")
        self._tail, self._tail_age = actions[1:], 0
        self.counts[self.controller] += 1
        return Proposal(actions, self.controller, plan.latents)

    def _begin(self, ahead: FloatArray) -> Proposal | None:
        """What to send while there is no history to plan from."""
        rest = self._specification.rest_action
        if rest is not None:
            self.counts["rest"] += 1
            return Proposal(np.tile(np.array(rest), (len(ahead), 1)), "rest", None)
        return (
            self._direct(ahead) if self._specification.direct_index is not None else self._older("no history")
        )

    def _direct(self, ahead: FloatArray) -> Proposal:
        index = self._specification.direct_index
        assert index is not None
        self.counts["direct"] += 1
        return Proposal(ahead[:, list(index)], "direct", None)

    def _older(self, reason: str) -> Proposal | None:
        self.counts[reason] += 1
        if self._tail is None or len(self._tail) == 0 or self._tail_age >= self._settings.oldest_tail_ticks:
            return None
        actions, self._tail, self._tail_age = self._tail, self._tail[1:], self._tail_age + 1
        self.counts["tail"] += 1
        return Proposal(actions, "tail", None)
