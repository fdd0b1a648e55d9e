"""Episodes of simulated robots of any kind: good and bad actions, the expert's opinion."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np

from adapt.robot.specification import RobotSpecification
from adapt.sim.commands import draw_commands
from adapt.sim.conditions import draw_conditions
from adapt.sim.data import Dataset, rewards
from adapt.sim.excitation import excite
from adapt.sim.experts import Expert, make_expert
from adapt.sim.fleet import Fleet
from adapt.sim.mechanics import simulation_of
from adapt.sim.simulated_robot import simulated_robots
from adapt.stream.tick import BoolArray, FloatArray

BEHAVIOURS = {"expert": 0.3, "noisy": 0.3, "bursts": 0.4}
"""Shares of the robots that do what the expert says, that with noise all the time, and in bursts."""
BURST_S, CALM_S = 0.3, 1.2
"""Mean lengths of the disturbed stretches and of those between them."""
FROM_THE_START = 0.2
"""Share of the episodes that begin with the robot waiting for a history, as on the hardware."""
ROUNDS = 8
"""Robots that fall too early are drawn again so many times; those of the last time are kept as they are."""


def generate_model_episodes(
    spec: RobotSpecification,
    count: int,
    ticks: int,
    generator: np.random.Generator,
    expert: Path | None = None,
) -> Dataset:
    """Simulate `count` different robots for `ticks` ticks each, in one thread.

    Labels are the expert's clean actions on the states visited, whatever was done there. An episode may
    end with a fall, but no robot lies about for longer than a horizon.

    Args:
        spec: the robot.
        count: E.
        ticks: L.
        generator: of everything random.
        expert: the weights of the expert, where it is a policy.

    Raises:
        UserError: see `make_expert`, `Fleet` and `draw_conditions`.
    """
    parts: list[Dataset] = []
    missing = count
    for round_ in range(ROUNDS):
        part, late = _simulate(spec, missing, ticks, generator, expert)
        if round_ < ROUNDS - 1:
            part = part.select(late)
        parts.append(part)
        missing -= len(part)
        if missing == 0:
            break
    return Dataset(
        **{
            each.name: np.concatenate([getattr(part, each.name) for part in parts])
            for each in fields(Dataset)
        }
    )


def _simulate(
    spec: RobotSpecification, count: int, ticks: int, generator: np.random.Generator, file: Path | None
) -> tuple[Dataset, BoolArray]:
    """Episodes, and which of them have no fall but within a horizon of the end."""
    fleet = Fleet(spec, simulated_robots(spec, draw_conditions(spec, count, generator)))
    fleet.reset(generator)
    waiting = spec.history_ticks
    total = waiting + ticks + 1
    expert: Expert = make_expert(spec, file, int(generator.integers(2**31)))
    commands = draw_commands(spec, count, total + spec.horizon_ticks, generator)
    disturbances = _disturbances(spec, count, total, generator)
    disturbances[:, :waiting] = 0.0
    commands[:, :waiting] = 0.0
    stirred, signals = _excitation(spec, count, total, generator)
    low, high = np.array([each.position for each in spec.action.limits.values()]).T
    rest = np.zeros(spec.action_size) if spec.rest_action is None else np.array(spec.rest_action)
    sent = np.tile(rest, (count, 1))
    observation = np.empty((count, total, spec.observation_size))
    action = np.empty((count, total, spec.action_size))
    label = np.empty_like(action)
    fell = np.full(count, total)
    for tick in range(total):
        truth = fleet.observe()
        observation[:, tick] = fleet.sensing.blur(truth, generator)
        ahead = commands[:, tick : tick + 1 + spec.horizon_ticks]
        label[:, tick] = np.clip(expert.act(fleet, truth, ahead, sent), low, high)
        driven = np.where(stirred, rest + signals[:, tick], label[:, tick] + disturbances[:, tick])
        wanted = sent if tick < waiting else driven
        action[:, tick] = np.clip(wanted, low, high)
        sent = action[:, tick]
        fleet.step(sent)
        fell = np.where(fleet.fallen & (fell == total), tick, fell)
    first = np.where(generator.uniform(size=count) < FROM_THE_START, 0, waiting)
    rows = first[:, None] + np.arange(ticks + 1)
    robots = np.arange(count)[:, None]
    kept = {"observation": observation, "action": action, "command": commands, "expert_action": label}
    arrays = {name: values[robots, rows] for name, values in kept.items()}
    reward = rewards(spec, arrays["observation"], arrays["action"], arrays["command"])
    dataset = Dataset(
        **{name: values[:, :-1].astype(np.float32) for name, values in arrays.items()},
        reward=reward.astype(np.float32),
    )
    return dataset, fell > first + ticks - spec.horizon_ticks


def _disturbances(
    spec: RobotSpecification, count: int, ticks: int, generator: np.random.Generator
) -> FloatArray:
    """What is added to the expert's actions, shape (E, T, A): white or slow noise of a scale per robot."""
    scale = simulation_of(spec).disturbance
    behaviours = generator.choice(list(BEHAVIOURS), p=list(BEHAVIOURS.values()), size=count)
    noise = generator.normal(size=(count, ticks, spec.action_size))
    keep = generator.choice([0.0, 0.8], size=(count, 1))
    for tick in range(1, ticks):
        noise[:, tick] = keep * noise[:, tick - 1] + np.sqrt(1 - keep**2) * noise[:, tick]
    noise *= scale * generator.uniform(size=(count, 1, 1))
    means = np.array([CALM_S, BURST_S]) * spec.rate_hz
    for row, behaviour in enumerate(behaviours):
        if behaviour == "expert":
            noise[row] = 0.0
        elif behaviour == "bursts":
            lengths = generator.exponential(np.tile(means, ticks))
            stretch = np.searchsorted(lengths.cumsum(), np.arange(ticks), side="right")
            noise[row] *= 2.0 * (stretch % 2)[:, None]
    return noise


def _excitation(
    spec: RobotSpecification, count: int, ticks: int, generator: np.random.Generator
) -> tuple[BoolArray, FloatArray]:
    """Which robots signals move, shape (E, 1), and by how much away from rest, shape (E, T, A)."""
    signals = np.zeros((count, ticks, spec.action_size))
    settings = simulation_of(spec).excitation
    if settings is None:
        return np.zeros((count, 1), dtype=bool), signals
    stirred = generator.uniform(size=(count, 1)) < settings.share
    times = np.arange(ticks, dtype=np.float64) * spec.period_s
    for row in np.flatnonzero(stirred):
        signals[row] = excite(times, spec.action_size, generator, settings.amplitude)
    return stirred, signals
