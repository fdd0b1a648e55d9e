"""Experts: who knows the simulated robots, and says what would be good to do."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from adapt.errors import UserError
from adapt.robot.simulation import PolicyExpert
from adapt.robot.specification import RobotSpecification
from adapt.sim.fleet import Fleet
from adapt.sim.mechanics import simulation_of
from adapt.sim.planner_expert import MonteCarloPlanner
from adapt.sim.policy_expert import Policy, load_perceptron
from adapt.stream.tick import FloatArray


class Expert(Protocol):
    """Actions for the robots of a fleet, from their true states."""

    def reset(self) -> None:
        """Begin an episode."""
        ...

    def act(
        self, fleet: Fleet, observation: FloatArray, commands: FloatArray, sent: FloatArray
    ) -> FloatArray:
        """What to do in the tick that begins now, shape (E, A).

        Args:
            fleet: E robots.
            observation: shape (E, O), what they would measure without noise.
            commands: shape (E, 1 + T, C), the command now and those of the T ticks that follow.
            sent: shape (E, A), the actions of the tick before.
        """
        ...


def make_expert(spec: RobotSpecification, file: Path | None, seed: int) -> Expert:
    """The expert of the robot file.

    Args:
        spec: the robot.
        file: the weights, where the expert is a policy.
        seed: of samples, where it is a planner.

    Raises:
        UserError: the robot file has none, or `file` is missing, wrong or not wanted.
    """
    settings = simulation_of(spec).expert
    if settings is None:
        raise UserError(f"robot {spec.name}: key 'simulation.expert' is missing: name a policy or a planner")
    if isinstance(settings, PolicyExpert):
        if file is None:
            raise UserError(f"robot {spec.name}: its expert is a policy: give its weights with --expert FILE")
        return Policy(spec, settings, load_perceptron(file))
    if file is not None:
        raise UserError(f"robot {spec.name}: its expert is a planner: leave out --expert")
    return MonteCarloPlanner(spec, settings, seed)
