"""Experts that drive a stand-in whose truth they may see: what to measure controllers against."""

from __future__ import annotations

import numpy as np

from adapt.errors import UserError
from adapt.planning.pilot import Proposal
from adapt.robot.specification import RobotSpecification
from adapt.sim.arm_stand_in import ArmStandIn
from adapt.sim.arms import arm_models, load_model
from adapt.sim.expert import correct, feed_forward
from adapt.sim.experts import Expert
from adapt.sim.fleet import Fleet
from adapt.sim.model_stand_in import ModelStandIn
from adapt.sim.reference import ReferencePath
from adapt.sim.scenario_episodes import arms_of
from adapt.stream.tick import BoolArray, FloatArray, Tick


class ExpertDriver:
    """The expert of a fleet drives one stand-in; it waits for as long as a pilot has no history.

    It acts at once, as it does in the data that models are trained on, whatever the robot's dead time.
    """

    dead_time_ticks = 0

    def __init__(self, spec: RobotSpecification, expert: Expert, stand_in: ModelStandIn) -> None:
        self._spec = spec
        self._expert = expert
        self._fleet = Fleet(spec, [stand_in.robot])
        rest = spec.rest_action
        self._rest = np.zeros(spec.action_size) if rest is None else np.array(rest)
        self._waiting = 0

    def reset(self) -> None:
        """Begin an episode."""
        self._expert.reset()
        self._waiting = self._spec.history_ticks

    def record(self, tick: Tick) -> None:
        """Nothing is remembered."""

    def decide(
        self,
        observation: FloatArray,
        valid: BoolArray,
        commands: FloatArray,
        ahead: FloatArray,
        sent: FloatArray,
    ) -> Proposal:
        """One action, from the truth; see `Pilot.decide`."""
        if self._waiting > 0:
            self._waiting -= 1
            return Proposal(self._rest[None], "rest", None)
        # `ahead` begins with the command of the tick in which the action acts.
        action = self._expert.act(self._fleet, self._fleet.observe(), ahead[None], sent[None])
        return Proposal(action, "expert", None)


class ArmExpertDriver:
    """Inverse dynamics of the very arm of a scenario, with feedback from its true position."""

    dead_time_ticks = 1

    def __init__(self, spec: RobotSpecification, stand_in: ArmStandIn, path: ReferencePath) -> None:
        """Look ahead on the path.

        Raises:
            UserError: the robot's actions leave at once, for which this expert is not made.
        """
        if spec.dead_time_ticks != 1:
            raise UserError(f"robot {spec.name}: the inverse dynamics expert needs dead_time_ticks: 1")
        self._spec = spec
        self._stand_in = stand_in
        self._path = path
        self._arms = arms_of(spec, stand_in.scenario)
        self._models = arm_models(load_model(spec), self._arms)
        self.reset()

    def reset(self) -> None:
        """Begin an episode."""
        self._tick = 0

    def record(self, tick: Tick) -> None:
        """Nothing is remembered."""

    def decide(
        self,
        observation: FloatArray,
        valid: BoolArray,
        commands: FloatArray,
        ahead: FloatArray,
        sent: FloatArray,
    ) -> Proposal:
        """One action for the next beat; see `Pilot.decide`."""
        now, self._tick = np.array([self._tick * self._spec.period_s]), self._tick + 1
        leaving = now + self._spec.period_s
        action = feed_forward(self._spec, self._models, self._arms, [self._path], leaving)[0]
        # Of the servo's lag the feed-forward has taken care: what is corrected is the error now.
        action = correct(self._spec, action, self._path.position(now), self._stand_in.true_position[None])
        return Proposal(action, "expert", None)
