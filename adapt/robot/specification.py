"""What a robot is: one YAML file becomes a validated, frozen specification.

Dimensions used throughout the project:
    O: observation values of a tick (all channels, joined in the order of the file)
    A: action values
    C: command values (the task's reference)
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from adapt.settings import Settings

Unit = Literal["rad", "rad/s", "m", "m/s", "m/s^2", "N", "N m", "A", "V", "1"]
Positive = Annotated[float, Field(gt=0)]
Interval = tuple[float, float]


class MessageField(Settings):
    """Where in a ROS 2 message some numbers are."""

    topic: str = Field(pattern=r"^/[A-Za-z0-9_/]+$")
    type: str = Field(pattern=r"^[a-z0-9_]+/msg/[A-Za-z0-9]+$")
    field: str
    """Path of attributes inside the message, such as `position` or `pose.position`."""
    names: tuple[str, ...] = ()
    """Which entries, in this order: joint names where the message carries names (JointState,
    JointTrajectory), attributes (x, y, z) where the field is a message, labels where it is an array."""
    indices: tuple[int, ...] | None = None
    """Which entries of a plain array; without it the array has as many entries as there are names."""
    unit: Unit

    @field_validator("names")
    @classmethod
    def _names_are_unique(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError("the same name stands twice")
        return names

    @model_validator(mode="after")
    def _one_index_per_name(self) -> MessageField:
        if self.indices is not None and len(self.indices) != len(self.names):
            raise ValueError(f"{len(self.names)} names but {len(self.indices)} indices")
        return self


class Channel(MessageField):
    """One kind of measurement."""

    names: tuple[str, ...] = Field(min_length=1)
    noise: float = Field(ge=0)
    """Standard deviation of the sensor noise, in `unit`."""
    resolution: float = Field(default=0.0, ge=0)
    """Size of the sensor's steps, in `unit`; 0 for none that matter."""
    max_age_s: Positive
    """A tick whose newest measurement is older than this is not valid."""


class JointLimits(Settings):
    """What may be commanded. There is no default: a limit that is missing is an error."""

    position: Interval
    velocity: Positive
    acceleration: Positive

    @field_validator("position")
    @classmethod
    def _low_below_high(cls, position: Interval) -> Interval:
        if not position[0] < position[1]:
            raise ValueError(f"the lower limit {position[0]} is not below the upper limit {position[1]}")
        return position


class Action(MessageField):
    """What the robot is told, once a tick. The entries are named by the keys of `limits`."""

    targets: str | None = None
    """The channel of which the action is a set-point, name by name; none for torques and the like."""
    limits: dict[str, JointLimits] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_limits(self) -> Action:
        if self.names:
            raise ValueError("give the action's names as the keys of 'limits', not as 'names'")
        return self

    @property
    def entries(self) -> tuple[str, ...]:
        """Names of the A action values, in order."""
        return tuple(self.limits)


class Command(MessageField):
    """The task's reference: a path given ahead (JointTrajectory) or the latest set-point."""

    names: tuple[str, ...] = Field(min_length=1)
    tracks: str | None = None
    """The channel that should follow the command, name by name."""


class Task(Settings):
    """What the robot should do."""

    command: Command
    tracking_scale: Positive
    """An error of this size, in the command's unit, is one unit of cost."""
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


class Simulation(Settings):
    """How this robot is simulated."""

    model: str
    """MJCF file, relative to the robot file or to the models that come with the project."""
    physics_step_s: Positive = 0.0025
    randomisation: dict[str, Interval] = {}
    """Ranges from which a simulated robot is drawn, by parameter."""
    scenario: str | None = None
    """The stand-in's default scenario, a name in configs/scenarios/<robot>/."""


class RobotSpecification(Settings):
    """One robot: what it measures, what it may be told, how fast, for what, at what price."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    description: str = ""
    rate_hz: Positive
    """Ticks a second: the rate of planning and of actions."""
    sampling_delay_s: float = Field(default=0.0, ge=0)
    """A tick at time t holds what was measured at t - sampling_delay_s, interpolated between the
    messages on both sides. At least the slowest sensor's period plus its transport."""
    history_ticks: int = Field(gt=0)
    horizon_ticks: int = Field(gt=0)
    channels: dict[str, Channel] = Field(min_length=1)
    action: Action
    task: Task
    budget: Budget
    fallback: Fallback
    simulation: Simulation | None = None

    @model_validator(mode="after")
    def _links_lead_to_channels(self) -> RobotSpecification:
        links = {
            "action.targets": (self.action.targets, self.action.entries, self.action.unit),
            "task.command.tracks": (
                self.task.command.tracks,
                self.task.command.names,
                self.task.command.unit,
            ),
        }
        for key, (channel_name, names, unit) in links.items():
            if channel_name is None:
                continue
            channel = self.channels.get(channel_name)
            if channel is None:
                known = ", ".join(self.channels)
                raise ValueError(f"{key} names the channel '{channel_name}'; there are: {known}")
            missing = [name for name in names if name not in channel.names]
            if missing:
                raise ValueError(f"{key}: channel '{channel_name}' has no '{missing[0]}'")
            if unit != channel.unit:
                raise ValueError(
                    f"{key}: the unit is {unit} but channel '{channel_name}' is in {channel.unit}"
                )
        return self

    @property
    def period_s(self) -> float:
        """Time between two ticks, in s."""
        return 1.0 / self.rate_hz

    @property
    def observation_names(self) -> tuple[str, ...]:
        """Names of the O observation values, as channel/name, in order."""
        return tuple(f"{key}/{name}" for key, channel in self.channels.items() for name in channel.names)

    @property
    def observation_size(self) -> int:
        """O."""
        return len(self.observation_names)

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
        return self._anchor(self.task.command.tracks, self.task.command.names)

    def _anchor(self, channel: str | None, names: tuple[str, ...]) -> tuple[int, ...]:
        if channel is None:
            return (-1,) * len(names)
        return tuple(self.observation_names.index(f"{channel}/{name}") for name in names)

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
                [f"{key}/{name}", channel.unit]
                for key, channel in self.channels.items()
                for name in channel.names
            ],
            "action": [[name, self.action.unit] for name in self.action.entries],
            "action_anchor": self.action_anchor,
            "command": [[name, self.task.command.unit] for name in self.task.command.names],
            "command_anchor": self.command_anchor,
        }
        return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:16]
