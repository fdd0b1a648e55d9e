"""What the planner is worth for its time: against published MPPI, plain and fast, on logged states.

Three planners answer the same questions in turns:
    (a) published MPPI as it is published: history, context and all values for every sample and iteration;
    (b) the same search, sample by sample the same noise, with our computation;
    (c) our planner at its own settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from adapt.evaluation.logged_states import State
from adapt.evaluation.plain_model import plain_model
from adapt.evaluation.published_mppi import Noise, PublishedSettings, Start, draw_noise, search
from adapt.evaluation.statistics import paired_difference
from adapt.model.context import Context
from adapt.model.reward import TaskReward
from adapt.model.simdist import ACTION_SCALE
from adapt.model.world_model import LAST_TICK, WorldModel
from adapt.planning.planner import Planner
from adapt.planning.settings import PlannerSettings
from adapt.robot.specification import RobotSpecification

DISCOUNT = 0.99
"""Of published returns, for each tick; the terminal value counts DISCOUNT^(T + 1)."""
MATRIX = 512
MATRIX_S = 0.05
"""The rate of matrix products is measured for so long, each time."""
MOST_ITERATIONS = 4
"""Of our planner, in its curve of return against time."""


@dataclass(frozen=True)
class Answer:
    """What a planner made of a state.

    Attributes:
        plans: after each iteration, (T, A) each; the last is the answer.
        seconds: when each was there, since the question.
    """

    plans: list[Tensor]
    seconds: list[float]


class Bench:
    """The three planners of one robot."""

    def __init__(
        self,
        specification: RobotSpecification,
        model: WorldModel,
        ours: PlannerSettings,
        published: PublishedSettings,
        seed: int,
    ):
        self._specification = specification
        self._model = model
        self._plain = plain_model(model)
        self.ours = ours
        self.published = published
        self._seed = seed
        device = torch.device("cpu")
        self._reward = TaskReward(specification, device) if model.settings.readable else None
        self._low, self._high = torch.tensor(
            [each.position for each in specification.action.limits.values()]
        ).T
        # Models that were published say what their unit is; ours have that of their data.
        self._unit = (
            model.scaling.action_deviation
            if model.settings.readable
            else torch.full((specification.action_size,), ACTION_SCALE)
        )

    def noise(self, number: int) -> Noise:
        """The noise with which (a) and (b) plan for the state of this number."""
        generator = torch.Generator().manual_seed(self._seed + number)
        size = self._specification.horizon_ticks, self._specification.action_size
        return draw_noise(self.published, *size, generator)

    def reference(self, state: State, noise: Noise) -> Answer:
        """(a)."""
        model = self._plain

        def score(plans: Tensor) -> Tensor:
            count = len(plans)
            context = model.read(state.observation.expand(count, -1, -1), state.action.expand(count, -1, -1))
            return self._returns(model, context, plans, state, slice(None))

        return self._search(state, noise, lambda context: score, repeat=True)

    def same(self, state: State, noise: Noise) -> Answer:
        """(b)."""

        def scored_with(context: Context) -> Callable[[Tensor], Tensor]:
            return lambda plans: self._returns(self._model, context, plans, state, LAST_TICK)

        return self._search(state, noise, scored_with, repeat=False)

    def our_planner(self, number: int, iterations: int | None = None) -> Planner:
        """(c), with nothing planned before."""
        settings = self.ours
        if iterations is not None:
            update = {"iterations": iterations, "iterations_near_policy": iterations}
            settings = settings.model_copy(update=update)
        generator = torch.Generator().manual_seed(self._seed + number)
        return Planner(self._specification, self._model, settings, generator)

    @torch.inference_mode()
    def worth(self, state: State, plans: Sequence[Tensor]) -> list[float]:
        """Returns of plans in the model, the same way for whoever made them."""
        context = self._model.read(state.observation[None], state.action[None])
        returns = self._returns(self._model, context, torch.stack(list(plans)), state, LAST_TICK)
        return [float(each) for each in returns]

    @torch.inference_mode()
    def _search(
        self,
        state: State,
        noise: Noise,
        scored_with: Callable[[Context], Callable[[Tensor], Tensor]],
        repeat: bool,
    ) -> Answer:
        begin = perf_counter()
        context = self._model.read(state.observation[None], state.action[None])
        policy = self._model.propose(context, state.command[None])[0]
        start = Start(policy, self._still(state), self._unit)
        answer = Answer([], [])

        def limit(plans: Tensor) -> Tensor:
            limited = torch.minimum(torch.maximum(plans, self._low), self._high)
            limited[..., : len(state.sent), :] = state.sent
            return limited

        for plan in search(self.published, start, noise, limit, scored_with(context), repeat):
            answer.plans.append(plan)
            answer.seconds.append(perf_counter() - begin)
        return answer

    def _still(self, state: State) -> Tensor:
        """Zero of the network's action: the rest pose, or where the robot stands."""
        specification = self._specification
        rest = specification.rest_action
        if rest is None:
            targets = state.observation[-1, list(specification.action_anchor)]
            return targets.expand(specification.horizon_ticks, -1)
        return torch.tensor(rest).expand(specification.horizon_ticks, -1)

    def _returns(
        self, model: WorldModel, context: Context, plans: Tensor, state: State, ticks: slice
    ) -> Tensor:
        """Returns (N,) of plans; values are computed for `ticks`, of which the last counts."""
        latents = model.predict(context, plans)
        if self._reward is not None:
            seen = model.observation(latents, context.now.expand(len(plans), -1))
            return self._reward(seen, plans, state.action[-1], state.command).sum(-1)
        command = state.command.expand(len(context.now), -1, -1)
        discounts = DISCOUNT ** torch.arange(plans.shape[1])
        rewards = model.reward(context, latents, plans, command) @ discounts
        return rewards + model.value(context, latents, command, ticks)[:, -1] * DISCOUNT ** (
            plans.shape[1] + 1
        )


def count_operations(function: Callable[[], object]) -> int:
    """Floating-point operations of matrix products, convolutions and attention, counted while it runs."""

    def attention(query: Sequence[int], key: Sequence[int], *_: object, **__: object) -> int:
        return 4 * prod(query) * key[-2]

    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    counter = FlopCounterMode(display=False, custom_mapping={kernel: attention})
    with counter:
        function()
    return int(counter.get_total_flops())


def matrix_rate() -> float:
    """Floating-point operations a second of products of large matrices, now, with as many threads as set."""
    left, right = torch.randn(2, MATRIX, MATRIX)
    out = torch.mm(left, right)
    begin, count = perf_counter(), 0
    while (seconds := perf_counter() - begin) < MATRIX_S:
        torch.mm(left, right, out=out)
        count += 1
    return 2.0 * MATRIX**3 * count / seconds


def measure(bench: Bench, states: Sequence[State]) -> Iterator[dict[str, Any]]:
    """One row for each state, each planner having had its turn: times in s, returns, difference of plans.

    Our planner's curve is of 0 (the policy's own plan), 1, ... iterations.
    """
    # The first time everything is woken up.
    noise = bench.noise(0)
    bench.reference(states[0], noise)
    bench.same(states[0], noise)
    for number, state in enumerate(states):
        noise = bench.noise(number)
        reference = bench.reference(state, noise)
        rate = matrix_rate()
        same = bench.same(state, noise)
        question = (state.observation, state.action, state.sent, state.command)
        ours = Answer([], [])
        for iterations in range(MOST_ITERATIONS + 1):
            planner = bench.our_planner(number, max(1, iterations))
            begin = perf_counter()
            plan = planner.plan(*question) if iterations else planner.policy_plan(*question)
            ours.seconds.append(perf_counter() - begin)
            ours.plans.append(plan.actions)
        planner = bench.our_planner(number)
        begin = perf_counter()
        chosen = planner.plan(*question).actions
        ours_s = perf_counter() - begin
        yield {
            "rate": rate,
            "reference_s": reference.seconds,
            "same_s": same.seconds,
            "curve_s": ours.seconds,
            "ours_s": ours_s,
            "difference": float((reference.plans[-1] - same.plans[-1]).abs().max()),
            "reference_return": bench.worth(state, reference.plans),
            "curve_return": bench.worth(state, ours.plans),
            "ours_return": bench.worth(state, [chosen])[0],
        }


def operations(bench: Bench, state: State) -> dict[str, int]:
    """Floating-point operations of one plan of each planner."""
    noise = bench.noise(0)
    question = (state.observation, state.action, state.sent, state.command)
    return {
        "reference": count_operations(lambda: bench.reference(state, noise)),
        "same": count_operations(lambda: bench.same(state, noise)),
        "ours": count_operations(lambda: bench.our_planner(0).plan(*question)),
    }


def summarise(rows: Sequence[dict[str, Any]], flops: dict[str, int]) -> dict[str, Any]:
    """For JSON: medians over the rows of `measure`, and what follows from them and from `operations`."""

    def column(key: str) -> np.typing.NDArray[np.float64]:
        return np.array([row[key] for row in rows], dtype=np.float64)

    milliseconds = {
        "reference": 1e3 * column("reference_s")[:, -1],
        "same": 1e3 * column("same_s")[:, -1],
        "ours": 1e3 * column("ours_s"),
    }
    reference_ms, same_ms, ours_ms = (float(np.median(each)) for each in milliseconds.values())
    rate = float(np.median(column("rate")))
    gain = paired_difference(column("ours_return").tolist(), column("reference_return")[:, -1].tolist())
    return {
        "reference_ms": reference_ms,
        "same_ms": same_ms,
        "speedup": reference_ms / same_ms,
        "floor_ms": 1e3 * flops["same"] / rate,
        "floor_ratio": same_ms * 1e-3 * rate / flops["same"],
        "plan_max_abs_diff": float(column("difference").max()),
        "ours_ms": ours_ms,
        "time_ratio": reference_ms / ours_ms,
        "return_gain": gain.as_dict(),
        "latency_ms": {
            name: {"p50": float(np.percentile(each, 50)), "p99": float(np.percentile(each, 99))}
            for name, each in milliseconds.items()
        },
        "flops": flops,
        "matrix_flops_per_s": rate,
        "curves": {
            name: {
                "ms": (1e3 * np.median(column(f"{key}_s"), axis=0)).tolist(),
                "return": column(f"{key}_return").mean(0).tolist(),
            }
            for name, key in (("reference", "reference"), ("ours", "curve"))
        },
    }
