"""What the model expects of plans, and what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from adapt.model.context import Context
from adapt.model.dynamics import Dynamics
from adapt.model.reward import TaskReward
from adapt.model.world_model import LAST_TICK, WorldModel
from adapt.planning.gauss_newton import convolution_matrix
from adapt.robot.specification import RobotSpecification

HALF_TOLERANCE = 0.05
"""Largest difference that half precision may make to the returns of plans, relative to their spread."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the model expects of N plans.

    Attributes:
        latents: shape (N, T, latent).
        returns: shape (N,).
        errors: shape (N, T, E), scaled, of what the task wants; None where the latents do not tell it.
    """

    latents: Tensor
    returns: Tensor
    errors: Tensor | None


@dataclass(frozen=True, slots=True)
class Moment:
    """What a plan is judged in.

    Attributes:
        contexts: what each member of the ensemble read of the history, the model's own first.
        before: shape (A,), the action before the first.
        sent: shape (D, A), what every plan begins with.
        command: shape (T, C).
    """

    contexts: list[Context]
    before: Tensor
    sent: Tensor
    command: Tensor


class Rollouts:
    """Plans go through the dynamics, and are worth the rewards of their ticks.

    Where observations can be read from the latents, rewards are exact from the robot file. Otherwise the
    learned reward and the terminal value, discounted, are believed. With an ensemble a plan is worth the mean
    of its members' returns less `risk` standard deviations.
    """

    def __init__(
        self, specification: RobotSpecification, model: WorldModel, members: Sequence[Dynamics], risk: float
    ):
        """`members` are further dynamics for the model's encoder and heads, which they share."""
        self._ensemble = [model, *(_with_dynamics(model, member) for member in members)]
        self._risk = risk
        self._half = False
        device = model.scaling.action_mean.device
        self._reward = TaskReward(specification, device) if model.settings.readable else None
        ticks = torch.arange(specification.horizon_ticks + 1, device=device)
        self._discounts = torch.exp(-ticks * specification.period_s / model.settings.value_horizon_s)

    def read(self, observation: Tensor, action: Tensor, sent: Tensor, command: Tensor) -> Moment:
        """Read the history once for all plans; arguments as for `Planner.plan`."""
        contexts = [model.read(observation[None], action[None]) for model in self._ensemble]
        return Moment(contexts, action[-1], sent, command)

    @property
    def effort(self) -> float:
        """What a squared change from one action to the next costs, where rewards are exact; else 0."""
        return 0.0 if self._reward is None else self._reward.effort

    def linear_response(self) -> Tensor | None:
        """How the linear part of the model's own dynamics lets a plan undo errors, scaled as in `Outlook`.

        Returns:
            shape (T * E, T * A); None where the latents do not tell errors. Zero without a linear part.
        """
        if self._reward is None:
            return None
        model, entries = self._ensemble[0], self._reward.entries
        scaling, dynamics = model.scaling, model.dynamics
        ticks, actions = dynamics.horizon, len(scaling.action_deviation)
        if not dynamics.linear_rank:
            return scaling.action_deviation.new_zeros(ticks * len(entries), ticks * actions)
        # Where an entry of the observation stands among those that are plain numbers.
        rows = (scaling.vector == entries[:, None]).float() * scaling.change_deviation
        own = (rows / self._reward.scales[:, None]) @ dynamics.impulse_response.flatten(1)
        response = own.view(len(entries), actions, ticks) / scaling.action_deviation[:, None]
        return convolution_matrix(response).flatten(2).flatten(0, 1)

    def evaluate(self, moment: Moment, plans: Tensor) -> Outlook:
        """What to expect of plans (N, T, A)."""
        half = torch.float16 if plans.is_cuda else torch.bfloat16
        with torch.autocast(plans.device.type, half, enabled=self._half):
            outlooks = [
                self._by_member(model, context, moment, plans)
                for model, context in zip(self._ensemble, moment.contexts, strict=True)
            ]
        if len(outlooks) == 1:
            return outlooks[0]
        returns = torch.stack([each.returns for each in outlooks])
        cautious = returns.mean(0) - self._risk * returns.std(0, correction=0)
        return replace(outlooks[0], returns=cautious)

    def try_half_precision(self, moment: Moment, plans: Tensor) -> bool:
        """Use half precision from now on where it ranks plans (N, T, A) as single does; whether so."""
        returns = []
        for self._half in (False, True):
            returns.append(self.evaluate(moment, plans).returns)
        difference = (returns[1] - returns[0]).abs().max()
        self._half = bool(difference < HALF_TOLERANCE * returns[0].std())
        return self._half

    def _by_member(self, model: WorldModel, context: Context, moment: Moment, plans: Tensor) -> Outlook:
        latents = model.predict(context, plans)
        if self._reward is not None:
            observation = model.observation(latents, context.now.expand(len(plans), -1))
            rewards = self._reward(observation, plans, moment.before, moment.command)
            return Outlook(latents, rewards.sum(-1), self._reward.error(observation, moment.command))
        command = moment.command[None]
        rewards = model.reward(context, latents, plans, command)
        terminal = model.value(context, latents, command, LAST_TICK)[:, 0]
        returns = rewards @ self._discounts[:-1] + terminal * self._discounts[-1]
        return Outlook(latents, returns, None)


def _with_dynamics(model: WorldModel, dynamics: Dynamics) -> WorldModel:
    """The same model, weights shared, with other dynamics."""
    twin = copy(model)
    twin._modules = {**model._modules, "dynamics": dynamics}
    return twin
