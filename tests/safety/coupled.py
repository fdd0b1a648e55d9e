"""Robots with walls across their workspace, and what a command has to keep there."""

from __future__ import annotations

import numpy as np

from adapt.robot.couplings import Coupling
from adapt.robot.load import load_robot
from adapt.robot.specification import RobotSpecification


def coupled_robot(name: str, couplings: int, seed: int = 0, **changes: object) -> RobotSpecification:
    """A robot with random walls around where it rests, some of them with a barrier."""
    robot = load_robot(name)
    generator = np.random.default_rng(seed)
    entries = robot.action.entries
    rest = np.array(robot.rest_action or np.zeros(len(entries)))
    made = {}
    for number in range(couplings):
        weights = np.zeros(len(entries))
        chosen = generator.choice(len(entries), size=3, replace=False)
        weights[chosen] = generator.normal(size=3)
        weights *= generator.uniform(0.5, 2.0) / np.linalg.norm(weights)
        made[f"wall_{number}"] = Coupling(
            weights=dict(zip(entries, weights.tolist(), strict=True)),
            at_most=float(weights @ rest + np.linalg.norm(weights) * generator.uniform(0.1, 0.4)),
            barrier=float(generator.choice([1.0, 0.5, 0.2])),
        )
    return robot.model_copy(update={"action": robot.action.model_copy(update={"couplings": made}), **changes})


class Judge:
    """Holds what is published against the limits of the robot file, with no tolerance."""

    def __init__(self, robot: RobotSpecification, start: np.ndarray) -> None:
        limits = list(robot.action.limits.values())
        self.lower, self.upper = np.array([each.position for each in limits]).T
        self.step = np.array([each.velocity for each in limits]) * robot.period_s
        self.change = np.array([each.acceleration for each in limits]) * robot.period_s**2
        entries = robot.action.entries
        couplings = list(robot.action.couplings.values())
        self.weights = np.array([[each.weights.get(entry, 0.0) for entry in entries] for each in couplings])
        self.weights = self.weights.reshape(len(couplings), len(entries))
        self.at_most = np.array([each.at_most for each in couplings])
        self.barrier = np.array([each.barrier for each in couplings])
        self.before = self.last = start

    def see(self, command: np.ndarray) -> None:
        assert np.isfinite(command).all()
        assert (self.lower <= command).all() and (command <= self.upper).all()
        assert (np.abs(command - self.last) <= self.step).all()
        assert (np.abs(command - 2 * self.last + self.before) <= self.change).all()
        distance, before = (self.at_most - self.weights @ each for each in (command, self.last))
        assert (distance >= 0.0).all()
        assert (distance >= (1.0 - self.barrier) * before).all()
        self.before, self.last = self.last, command
