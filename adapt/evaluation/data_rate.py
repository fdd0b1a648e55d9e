"""How fast data sets are made, against the bare physics of the same robots."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import mujoco
import mujoco.rollout
import numpy as np

from adapt.robot.specification import RobotSpecification
from adapt.sim.arms import arm_models, draw_arms, load_model
from adapt.sim.conditions import draw_conditions
from adapt.sim.generation import ShardJob
from adapt.sim.mechanics import simulation_of
from adapt.sim.simulated_robot import SimulatedRobot, simulated_robots
from adapt.sim.workers import ProcessWorkers, run_jobs
from adapt.stream.tick import FloatArray

JITTER = 0.05
"""Standard deviation of the raw rollouts' actions around the rest pose, as a share of the range."""


@dataclass(frozen=True)
class DataRate:
    """Ticks a second, of all workers together.

    Attributes:
        generated: of whole shards: robots drawn, expert, physics, sensors, file; ticks kept are counted.
        raw: of `mujoco.rollout` alone.
    """

    generated: float
    raw: float

    @property
    def ratio(self) -> float:
        """Generated over raw."""
        return self.generated / self.raw


def measure_data_rate(
    spec: RobotSpecification,
    workers: int,
    robots: int,
    ticks: int,
    seed: int,
    expert: Path | None = None,
    rounds: int = 3,
) -> DataRate:
    """Take turns at both and give the medians; the workers are started before.

    Args:
        spec: the robot.
        workers: processes of the one, threads of the other.
        robots: of a shard; each worker makes one shard a round.
        ticks: of an episode.
        seed: of everything random.
        expert: weights of the expert, where it is a policy.
        rounds: how often.

    Raises:
        UserError: see `generate_episodes`.
    """
    sizes = (1,) * workers + (robots,) * workers * rounds
    job = ShardJob(spec, sizes, ticks, seed, expert)
    raw = _RawPhysics(spec, robots * workers, ticks, workers, np.random.default_rng(seed))
    generated_s, raw_s = [], []
    with ProcessWorkers(workers) as processes:
        for first in range(0, len(sizes), workers):
            begin = perf_counter()
            for _ in run_jobs(processes, job, range(first, first + workers)):
                pass
            generated_s.append(perf_counter() - begin)
            begin = perf_counter()
            raw.run()
            raw_s.append(perf_counter() - begin)
    # The first round wakes everything up.
    total = robots * workers * ticks
    return DataRate(total / float(np.median(generated_s[1:])), total / float(np.median(raw_s[1:])))


class _RawPhysics:
    """`mujoco.rollout` of drawn robots; a new action each tick, held for it."""

    def __init__(
        self, spec: RobotSpecification, count: int, ticks: int, threads: int, generator: np.random.Generator
    ) -> None:
        self._models, self._initial, action = _robots(spec, count, generator)
        low, high = np.array([each.position for each in spec.action.limits.values()]).T
        noise = generator.normal(size=(count, ticks, spec.action_size)) * JITTER * (high - low)
        steps = round(spec.period_s / float(self._models[0].opt.timestep))
        control = np.clip(action + noise, low, high)
        names = [self._models[0].actuator(entry).id for entry in spec.action.entries]
        self._control = np.repeat(control, steps, axis=1)[:, :, np.argsort(names)]
        self._data = [mujoco.MjData(self._models[0]) for _ in range(threads)]

    def run(self) -> None:
        """All robots, all ticks."""
        with mujoco.rollout.Rollout(nthread=len(self._data)) as pool:
            pool.rollout(self._models, self._data, self._initial, self._control)


def _robots(
    spec: RobotSpecification, count: int, generator: np.random.Generator
) -> tuple[list[Any], FloatArray, FloatArray]:
    """Models of drawn robots, their states at rest (E, S), and the action there (A,)."""
    if simulation_of(spec).actuators == "servos":
        models = arm_models(load_model(spec), draw_arms(spec, count, generator))
        data = [mujoco.MjData(model) for model in models]
        action = np.array([np.mean(each.position) for each in spec.action.limits.values()])
        for each in data:
            each.qpos[:] = action
    else:
        robots: list[SimulatedRobot] = simulated_robots(spec, draw_conditions(spec, count, generator))
        for robot in robots:
            robot.reset(None)
        models, data = [robot.model for robot in robots], [robot.data for robot in robots]
        action = np.zeros(spec.action_size) if spec.rest_action is None else np.array(spec.rest_action)
    kind = mujoco.mjtState.mjSTATE_FULLPHYSICS
    states = np.empty((count, mujoco.mj_stateSize(models[0], kind)))
    for model, each, state in zip(models, data, states, strict=True):
        mujoco.mj_getState(model, each, state, kind)
    return models, states, action
