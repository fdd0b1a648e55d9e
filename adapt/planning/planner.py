"""The planner: a history and a reference become a plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from adapt.model.dynamics import Dynamics
from adapt.model.world_model import WorldModel
from adapt.planning.captured import Captured
from adapt.planning.gauss_newton import gauss_newton, secant
from adapt.planning.mppi import knot_noise, weights
from adapt.planning.rollouts import Moment, Rollouts
from adapt.planning.settings import PlannerSettings
from adapt.planning.steadying import Steadying
from adapt.robot.specification import RobotSpecification

FEWEST_EFFECTIVE = 2.0
"""A mean of fewer samples is the best of them, about which the model errs most."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the planner made of one tick.

    Attributes:
        actions: shape (T, A), of which the first D were sent already.
        latents: shape (T, latent), what the model expects after each action.
        value: the return of the plan in the model.
        policy_value: the return of the policy's own plan.
        not_finite: plans whose return was not finite.
        iterations: of the search; 0 for the policy's own plan.
    """

    actions: Tensor
    latents: Tensor
    value: float
    policy_value: float
    not_finite: int
    iterations: int


class Found(NamedTuple):
    """A `Plan` as tensors, for which nobody has waited yet; the numbers have shape ()."""

    actions: Tensor
    latents: Tensor
    value: Tensor
    policy_value: Tensor
    not_finite: Tensor


class Planner:
    """MPPI around the policy's plan and the rest of the plan before, and corrections of the best.

    Where observations can be read from the latents, it is known how the expected motion goes with the plan:
    from the linear part of the dynamics, and, where that errs, from the samples. Gauss-Newton steps along it
    go most of the distance that random search in many dimensions leaves, and hardly need samples.

    Where the command cannot be sent as it is, the robot may fall, and what a plan leads to beyond the
    horizon is known to the policy alone: there the search stays around the policy's plan, and the mean of
    the good samples is taken, not the best of them, which is the one that the model errs most about. What
    should stand still is steadied by asking the policy for it; see `Steadying`.
    """

    def __init__(
        self,
        specification: RobotSpecification,
        model: WorldModel,
        settings: PlannerSettings,
        generator: torch.Generator,
        members: Sequence[Dynamics] = (),
    ):
        """`members` are further dynamics for the model's encoder and heads, which they share."""
        self._model = model
        self._rollouts = Rollouts(specification, model, members, settings.risk)
        self._settings = settings
        self._generator = generator
        device = generator.device
        self.near_policy = specification.direct_index is None
        """Whether the search stays around the policy's plan."""
        self._steadying = Steadying(
            specification, model.scaling.command_deviation, settings.steadying_s, settings.steadying_bound
        )
        limits = specification.action.limits.values()
        self._low = torch.tensor([limit.position[0] for limit in limits], device=device)
        self._high = torch.tensor([limit.position[1] for limit in limits], device=device)
        self.search = settings.search(self.near_policy)
        self._noise = self.search.noise * model.scaling.action_deviation
        self._steps = torch.tensor([1.0, 0.5], device=device)[:, None, None]
        self._before: Tensor | None = None
        self._graph: Captured | None = None

    def reset(self) -> None:
        """Forget the plan before, after a pause."""
        self._before = None
        self._steadying.reset()

    @torch.no_grad()
    def plan(
        self,
        observation: Tensor,
        action: Tensor,
        sent: Tensor,
        command: Tensor,
        *,
        samples: int | None = None,
        enough: Callable[[], bool] = lambda: False,
    ) -> Plan:
        """Plan the next T actions; the search can be stopped, and its size changed from plan to plan.

        Args:
            observation: shape (H + 1, O), the last one being now.
            action: shape (H, A), applied between them.
            sent: shape (D, A), what was sent since now: with a dead time of one tick the action under way,
                and more where the observation is older than the tick. Every plan begins with it.
            command: shape (T, C), the reference of the ticks after now.
            samples: of each iteration that draws some; None for as many as the settings say.
            enough: asked before each iteration whether the time is up. Then the best plan so far is given,
                without any iteration the policy's own.
        """
        asked = self._steadying(observation[-1], command) if self.near_policy else command
        before = self._before
        inputs = (observation, action, sent, command, asked)
        if self._graph is not None and before is not None and self._graph.fits(*inputs, before):
            found, done = Found(*self._graph(*inputs, before)), self.search.iterations
        else:
            found, done = self._find(samples or self.search.samples, enough, *inputs, before)
        self._before = found.actions
        return _plan_of(found, done)

    @torch.no_grad()
    def policy_plan(self, observation: Tensor, action: Tensor, sent: Tensor, command: Tensor) -> Plan:
        """The policy's own plan, without a search. Arguments as for `plan`."""
        moment = self._rollouts.read(observation, action, sent, command)
        return _plan_of(self._policy_found(moment, self._propose(moment, command)), 0)

    @torch.no_grad()
    def try_half_precision(self, observation: Tensor, action: Tensor, sent: Tensor, command: Tensor) -> bool:
        """Roll out in half precision from now on, if it tells good samples from bad as single precision does.

        Arguments as for `plan`.

        Returns:
            whether it does.
        """
        moment = self._rollouts.read(observation, action, sent, command)
        settings = self._settings
        noise = knot_noise(self.search.samples, settings.knots, len(command), self._noise, self._generator)
        plans = self._within(self._propose(moment, command) + noise, sent)
        return self._rollouts.try_half_precision(moment, plans)

    @torch.no_grad()
    def capture(
        self, observation: Tensor, action: Tensor, sent: Tensor, command: Tensor, samples: int
    ) -> None:
        """On a GPU, make one CUDA graph of all plans to come that have these shapes and so many samples.

        Such a plan is always whole: nobody is asked whether the time is up. Arguments as for `plan`.
        """
        before = action[-1].expand(len(command), -1)

        def whole(*inputs: Tensor) -> Found:
            return self._find(samples, lambda: False, *inputs)[0]

        self._graph = Captured(whole, (observation, action, sent, command, command, before), self._generator)

    def _find(
        self,
        samples: int,
        enough: Callable[[], bool],
        observation: Tensor,
        action: Tensor,
        sent: Tensor,
        command: Tensor,
        asked: Tensor,
        before: Tensor | None,
    ) -> tuple[Found, int]:
        """Plan without waiting for the device; also the number of iterations."""
        moment = self._rollouts.read(observation, action, sent, command)
        policy = self._propose(moment, asked)
        if enough():
            return self._policy_found(moment, policy), 0
        starts = [policy]
        if before is not None and not self.near_policy:
            starts.append(self._within(torch.cat([before[1:], before[-1:]]), sent))
        return self._search(moment, torch.stack(starts), samples, enough)

    def _propose(self, moment: Moment, command: Tensor) -> Tensor:
        return self._within(self._model.propose(moment.contexts[0], command[None])[0], moment.sent)

    def _policy_found(self, moment: Moment, actions: Tensor) -> Found:
        outlook = self._rollouts.evaluate(moment, actions[None])
        value = outlook.returns[0]
        return Found(actions, outlook.latents[0], value, value, ~torch.isfinite(value))

    def _search(
        self, moment: Moment, starts: Tensor, samples: int, enough: Callable[[], bool]
    ) -> tuple[Found, int]:
        """Search around the starts, of which the first is the policy's; the best plan seen is kept."""
        settings = self._settings
        pool, done = starts, 0
        policy_value = not_finite = torch.zeros((), device=starts.device)
        response = None if self.near_policy else self._rollouts.linear_response()
        while done < self.search.iterations and not (done and enough()):
            plans = pool
            if response is None or done == 0:
                scale = self._noise * settings.shrink**done
                noise = knot_noise(samples, settings.knots, starts.shape[1], scale, self._generator)
                # Near the policy the pool ends with the mean of the iteration before.
                around = pool[-1:] if self.near_policy else pool
                around = around.repeat(-(-samples // len(around)), 1, 1)[:samples]
                plans = torch.cat([pool, self._within(around + noise, moment.sent)])
            outlook = self._rollouts.evaluate(moment, plans)
            returns = outlook.returns
            policy_value = returns[0] if done == 0 else policy_value
            not_finite = not_finite + (~torch.isfinite(returns)).sum()
            best, error = _best(returns, plans, outlook.errors)
            if response is None or outlook.errors is None:
                pool = torch.stack([starts[0], self._mean(returns, plans, best, moment)])
            else:
                if done == 0:
                    change, effect = (plans - best).flatten(1), (error - outlook.errors).flatten(1)
                    response = secant(response, change, effect, settings.distrust)
                step = gauss_newton(
                    response,
                    error,
                    best,
                    moment.before,
                    len(moment.sent),
                    self._rollouts.effort,
                    settings.damping,
                )
                pool = torch.cat([best[None], self._within(best + self._steps * step, moment.sent)])
            done += 1
        outlook = self._rollouts.evaluate(moment, pool)
        not_finite = not_finite + (~torch.isfinite(outlook.returns)).sum()
        actions, latents, value = _best(outlook.returns, pool, outlook.latents, outlook.returns)
        return Found(actions, latents, value, policy_value, not_finite), done

    def _mean(self, returns: Tensor, plans: Tensor, best: Tensor, moment: Moment) -> Tensor:
        """The mean of N plans, weighed by what they are worth; the best where none can be. Shape (T, A)."""
        samples = len(plans) - 2
        weight = weights(returns, max(FEWEST_EFFECTIVE, self._settings.effective_samples * samples))
        # All lost where none has a weight.
        mean = torch.where(weight.any(), torch.einsum("n,nta->ta", weight, plans), best)
        return self._within(mean, moment.sent)

    def _within(self, plans: Tensor, sent: Tensor) -> Tensor:
        """Within the position limits, and beginning with what is under way. Shape (..., T, A)."""
        limited = torch.minimum(torch.maximum(plans, self._low), self._high)
        limited[..., : len(sent), :] = sent
        return limited


def _best(returns: Tensor, *of_plans: Tensor | None) -> list[Any]:
    """What belongs to the plan with the largest return; one that is not finite never wins against others."""
    index = torch.where(torch.isfinite(returns), returns, -torch.inf).argmax(keepdim=True)
    # By a tensor, since a number would have to be waited for.
    return [None if each is None else each.index_select(0, index)[0] for each in of_plans]


def _plan_of(found: Found, iterations: int) -> Plan:
    return Plan(
        found.actions,
        found.latents,
        float(found.value),
        float(found.policy_value),
        int(found.not_finite),
        iterations,
    )
