"""The pilot: what to propose for the next tick, and what to fall back on when there is no plan."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from adapt.errors import UserError
from adapt.model.world_model import WorldModel
from adapt.planning.pace import Pace
from adapt.planning.planner import Plan, Planner
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
        source: planner, policy (its own plan, also where there was no time for a search), direct, rest, or
            tail (the rest of an older plan).
        latents: shape (T, latent), what the model expects at the ends of the tick under way and of those
            that follow; None where no model was asked.
    """

    actions: FloatArray
    source: str
    latents: Tensor | None


class Pilot:
    """Keeps the last ticks, and turns the newest observation into a proposal for the next tick.

    Where the measurements are some ticks behind, the plan begins at the last tick that they do tell of, with
    the actions that were sent since as the first steps of every rollout.
    """

    def __init__(
        self,
        specification: RobotSpecification,
        model: WorldModel,
        settings: PlannerSettings,
        seed: int,
        controller: Controller = "planner",
        pace: Pace | None = None,
    ):
        """Without a `pace` every search is whole, however long it takes."""
        self._specification = specification
        self._model = model
        self._settings = settings
        self._device = next(model.parameters()).device
        generator = torch.Generator(self._device).manual_seed(seed)
        self._planner = Planner(specification, model, settings, generator)
        self._pace = pace
        self._ticks: deque[Tick] = deque(maxlen=specification.history_ticks + settings.oldest_tail_ticks)
        self._behind = 0
        self._driven = 0
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

    def fit(self) -> float | None:
        """Fit the pace to this machine by plans for a robot that stands still.

        Returns:
            the time of a plan, ms; None without a pace.
        """
        if self._pace is None:
            return None
        pace, specification, scaling = self._pace, self._specification, self._model.scaling
        now = scaling.observation_mean.expand(specification.history_ticks + 1, -1)
        none = now.new_zeros(1, specification.history_ticks, specification.action_size)
        still = scaling.unscale_action(none, now[:1])[0]
        commands = now.new_zeros(specification.horizon_ticks, specification.command_size)
        fixed = still[: specification.dead_time_ticks]
        milliseconds = pace.fit(lambda: self._planner.plan(now, still, fixed, commands, samples=pace.samples))
        if now.is_cuda:
            if self._settings.half_precision and not self._planner.try_half_precision(
                now, still, fixed, commands
            ):
                self.counts["half precision refused"] += 1
            self._planner.capture(now, still, fixed, commands, pace.samples)
        self._planner.reset()
        return milliseconds

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

    def late(self, proposal: Proposal | None, ticks: int) -> Proposal | None:
        """A proposal missed its beat: what was expected of it, and the plan around it, are void.

        Args:
            proposal: what was decided too late.
            ticks: how many of the ticks that it is for have passed.

        Returns:
            the rest of it, where that is young enough to be followed.
        """
        self.counts["plan late"] += 1
        self._planner.reset()
        self._expected.clear()
        if proposal is None or not ticks <= min(self._settings.oldest_tail_ticks, len(proposal.actions) - 1):
            return None
        return replace(proposal, actions=proposal.actions[ticks:])

    def decide(
        self,
        observation: FloatArray,
        valid: BoolArray,
        commands: FloatArray,
        ahead: FloatArray,
        sent: FloatArray,
        behind: int = 0,
    ) -> Proposal | None:
        """Propose the action of the next tick, or without dead time of this one.

        Args:
            observation: shape (O,), of the tick under way.
            valid: shape (O,).
            commands: shape (T, C), the reference of the ticks after the one under way.
            ahead: shape (T, C), the reference at the instants at which the actions leave.
            sent: shape (A,), the action of the tick under way, without dead time of the one before; NaN if
                unknown.
            behind: so many whole ticks the newest measurements are older than the tick asks for.

        Returns:
            None where nothing can be proposed; the safety node then falls back.
        """
        self.surprised = bool(valid.all()) and not behind and self._compare(observation)
        if behind != self._behind:
            # The plan before began at a tick that is not the one before where this one begins.
            self._planner.reset()
            self._behind = behind
        proposal = self._choose(observation, valid, commands, ahead, sent)
        if proposal is None or proposal.latents is None:
            # The plan before is no longer of the tick before: neither expectation nor warm start.
            self._expected.clear()
            self._planner.reset()
            self._tail = self._tail if proposal is not None and proposal.source == "tail" else None
        elif behind:
            self._expected.clear()
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
        if self._behind > self._settings.oldest_tail_ticks:
            return self._older("measurement too old")
        known = len(self._ticks) >= self._specification.history_ticks + self._behind
        if not known or not np.isfinite(sent).all():
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
        behind, dead_time = self._behind, self._specification.dead_time_ticks
        ticks = list(self._ticks)[-(self._specification.history_ticks + behind) :]
        known, since = ticks[: len(ticks) - behind], ticks[len(ticks) - behind :]
        if since:
            # No action that is still free acts before the commands that are known exactly.
            wanted = [each.command for each in since[1:]] + [commands[0]]
            commands = np.concatenate([wanted, commands])[: len(commands)]
            observation = since[0].observation
            self.counts["measurement behind"] += 1
        past = np.stack([tick.observation for tick in known] + [observation])
        applied = np.stack([tick.applied for tick in known])
        fixed = np.stack([*(tick.applied for tick in since), sent])[: behind + dead_time]
        searches = self.controller == "planner" and self._may_search()
        plan = self._plan(
            searches,
            *(torch.from_numpy(each).float().to(self._device) for each in (past, applied, fixed, commands)),
        )
        self.counts["samples not finite"] += plan.not_finite
        actions = plan.actions[behind + dead_time :].double().cpu().numpy()
        if not (np.isfinite(actions).all() and np.isfinite(plan.value)):
            return self._older("plan not finite")
        self._tail, self._tail_age = actions[1:], 0
        source = "planner" if plan.iterations else "policy"
        self.counts[source] += 1
        self.counts["no time to search"] += searches and source == "policy"
        self.counts["history not driven yet"] += self.controller == "planner" and not searches
        self._driven += 1
        return Proposal(actions, source, plan.latents[behind:])

    def _may_search(self) -> bool:
        """Where the robot may fall, a search needs a history in which the robot was driven: of what follows
        after a rest the model knows little, and what it wrongly promises is a fall with the first step.
        """
        return not self._planner.near_policy or self._driven >= self._specification.history_ticks

    def _plan(self, searches: bool, past: Tensor, applied: Tensor, fixed: Tensor, commands: Tensor) -> Plan:
        """Arguments as for `Planner.plan`."""
        if not searches:
            return self._planner.policy_plan(past, applied, fixed, commands)
        if self._pace is None:
            return self._planner.plan(past, applied, fixed, commands)
        return self._planner.plan(
            past, applied, fixed, commands, samples=self._pace.samples, enough=self._pace.enough
        )

    def _begin(self, ahead: FloatArray) -> Proposal | None:
        """What to send while there is no history to plan from."""
        self._driven = 0
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
