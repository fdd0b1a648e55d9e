"""What a robot is: one YAML file becomes a validated, frozen specification.

Dimensions used throughout the project:
    O: observation values of a tick (all channels, joined in the order of the file, then the clock)
    A: action values
    C: command values (the task's reference)
"""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import Field, model_validator

from adapt.robot.access import Access
from adapt.robot.incidents import IncidentRules
from adapt.robot.interface import Action, Channel, Command, Positive
from adapt.robot.simulation import Simulation
from adapt.settings import Settings


class Goal(Settings):
    """A value at which one entry of the observation should stay."""

    value: float
    scale: Positive
    """An error of this size is one unit of cost."""


class Task(Settings):
    """What the robot should do."""

    command: Command
    tracking_scale: Positive
    """An error of this size, in the command's unit, is one unit of cost."""
    goals: dict[str, Goal] = {}
    """What should be kept besides following the command, by observation entry (channel/name)."""
    effort_weight: float = Field(default=0.0, ge=0)
    """Cost of an action that departs by `tracking_scale` from the one before."""


class Budget(Settings):
    """How many real ticks this deployment may spend, and on what."""

    total_ticks: int = Field(gt=0)
    adapt: Positive
    gate: Positive
    audit: Positive
    segment_s: Positive = 2.0
    guard_s: float = Field(default=0.6, ge=0)
    """Ticks within this time of a border between two splits belong to neither."""

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> Budget:
        total = self.adapt + self.gate + self.audit
        if abs(total - 1.0) > 1e-6:
            raise ValueError(f"adapt + gate + audit must be 1, not {total:g}")
        return self


class Fallback(Settings):
    """What the safety node does when no proposal can be trusted."""

    kind: Literal["hold", "damp", "stop"]
    deceleration: Positive
    """Every entry of the command comes to rest at this rate, in the action's unit per s^2."""


class RobotSpecification(Settings):
    """One robot: what it measures, what it may be told, how fast, for what, at what price."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    description: str = ""
    rate_hz: Positive
    """Ticks a second: the rate of planning and of actions."""
    sampling_delay_s: float = Field(default=0.0, ge=0)
    """A tick at time t holds what was measured at t - sampling_delay_s, interpolated between the
    messages on both sides. At least the slowest sensor's period plus its transport."""
    dead_time_ticks: Literal[0, 1] = 1
    """1: an action is planned a tick ahead and leaves on the beat. 0: it leaves as soon as it is planned."""
    history_ticks: int = Field(gt=0)
    horizon_ticks: int = Field(gt=0)
    clock_period_s: Positive | None = None
    """The observation ends with cosine and sine of a clock of this period, for gaits that follow one."""
    channels: dict[str, Channel] = Field(min_length=1)
    action: Action
    task: Task
    budget: Budget
    fallback: Fallback
    access: Access = Access()
    incidents: IncidentRules = IncidentRules()
    simulation: Simulation | None = None

    @model_validator(mode="after")
    def _links_lead_to_channels(self) -> RobotSpecification:
        command = self.task.command
        self._check_link("action.targets", self.action.targets, self.action.entries, (self.action.unit,))
        if isinstance(command.tracks, tuple):
            for entry, unit in zip(command.tracks, command.name_units, strict=True):
                channel, _, name = entry.rpartition("/")
                self._check_link("task.command.tracks", channel, (name,), (unit,))
        else:
            self._check_link("task.command.tracks", command.tracks, command.names, command.name_units)
        for entry in self.task.goals:
            if entry not in self.observation_names:
                raise ValueError(f"task.goals: there is no observation entry '{entry}' (channel/name)")
        return self

    def _check_link(
        self, key: str, channel_name: str | None, names: tuple[str, ...], units: tuple[str, ...]
    ) -> None:
        if channel_name is None:
            return
        channel = self.channels.get(channel_name)
        if channel is None:
            known = ", ".join(self.channels)
            raise ValueError(f"{key} names the channel '{channel_name}'; there are: {known}")
        missing = [name for name in names if name not in channel.names]
        if missing:
            raise ValueError(f"{key}: channel '{channel_name}' has no '{missing[0]}'")
        for unit in units:
            if unit != channel.unit:
                raise ValueError(
                    f"{key}: the unit is {unit} but channel '{channel_name}' is in {channel.unit}"
                )

    @property
    def period_s(self) -> float:
        """Time between two ticks, in s."""
        return 1.0 / self.rate_hz

    @property
    def observation_names(self) -> tuple[str, ...]:
        """Names of the O observation values, as channel/name, in order."""
        measured = tuple(f"{key}/{name}" for key, channel in self.channels.items() for name in channel.names)
        return measured if self.clock_period_s is None else (*measured, "clock/cos", "clock/sin")

    @property
    def observation_units(self) -> tuple[str, ...]:
        """Units of the O observation values."""
        measured = tuple(channel.unit for channel in self.channels.values() for _ in channel.names)
        return measured if self.clock_period_s is None else (*measured, "1", "1")

    @property
    def observation_size(self) -> int:
        """O."""
        return len(self.observation_names)

    @property
    def vector_indices(self) -> tuple[int, ...]:
        """Which observation values are plain numbers rather than cells of a height map."""
        maps = [self.channel_slice(key) for key, each in self.channels.items() if each.height_map]
        cells = {index for each in maps for index in range(each.start, each.stop)}
        return tuple(index for index in range(self.observation_size) if index not in cells)

    @property
    def action_size(self) -> int:
        """A."""
        return len(self.action.entries)

    @property
    def command_size(self) -> int:
        """C."""
        return len(self.task.command.names)

    def channel_slice(self, channel: str) -> slice:
        """Where the values of `channel` lie within the observation."""
        start = 0
        for key, each in self.channels.items():
            if key == channel:
                return slice(start, start + len(each.names))
            start += len(each.names)
        raise KeyError(channel)

    @property
    def action_anchor(self) -> tuple[int, ...]:
        """For each action value the index of the observation that it targets, or -1. Length A."""
        return self._anchor(self.action.targets, self.action.entries)

    @property
    def command_anchor(self) -> tuple[int, ...]:
        """For each command value the index of the observation that tracks it, or -1. Length C."""
        tracks = self.task.command.tracks
        if isinstance(tracks, tuple):
            return tuple(self.observation_names.index(entry) for entry in tracks)
        return self._anchor(tracks, self.task.command.names)

    @property
    def rest_action(self) -> tuple[float, ...] | None:
        """What to send while too little is known to plan, length A; None where the file does not say."""
        rest = [limits.rest for limits in self.action.limits.values()]
        return None if None in rest else tuple(value for value in rest if value is not None)

    @property
    def can_be_identified(self) -> bool:
        """Whether it is an arm of servos whose simulation is described by ranges."""
        simulation = self.simulation
        return simulation is not None and simulation.actuators == "servos" and bool(simulation.randomisation)

    @property
    def direct_index(self) -> tuple[int, ...] | None:
        """For each action the command entry that can be sent as it is; None where there is none."""
        action, command = self.action_anchor, self.command_anchor
        if -1 in action or not set(action) <= set(command):
            return None
        return tuple(command.index(anchor) for anchor in action)

    def _anchor(self, channel: str | None, names: tuple[str, ...]) -> tuple[int, ...]:
        if channel is None:
            return (-1,) * len(names)
        return tuple(self.observation_names.index(f"{channel}/{name}") for name in names)

    def at_once(self) -> RobotSpecification:
        """The same robot, whose actions leave in the tick in which they are planned, as a policy's may."""
        return self.model_copy(update={"dead_time_ticks": 0})

    @property
    def schema_hash(self) -> str:
        """Names what a model of this robot takes in and gives out: a model fits only its own schema.

        Topics, limits, budget and noise may change without a new model; names, order, units, rate
        and lengths may not.
        """
        schema = {
            "rate_hz": self.rate_hz,
            "history_ticks": self.history_ticks,
            "horizon_ticks": self.horizon_ticks,
            "observation": [
                list(each) for each in zip(self.observation_names, self.observation_units, strict=True)
            ],
            "action": [[name, self.action.unit] for name in self.action.entries],
            "action_anchor": self.action_anchor,
            "command": [
                list(each) for each in zip(self.task.command.names, self.task.command.name_units, strict=True)
            ],
            "command_anchor": self.command_anchor,
        }
        if self.clock_period_s is not None:
            schema["clock_period_s"] = self.clock_period_s
        return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:16]
