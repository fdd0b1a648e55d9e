"""Where a robot's numbers are in ROS 2 messages: channels, action, command."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from adapt.robot.couplings import Coupling, roomiest_point
from adapt.settings import Settings

Unit = Literal["rad", "rad/s", "m", "m/s", "m/s^2", "N", "N m", "A", "V", "1"]
Positive = Annotated[float, Field(gt=0)]
Interval = tuple[float, float]


class MessageField(Settings):
    """Where in a ROS 2 message some numbers are."""

    topic: str = Field(pattern=r"^/[A-Za-z0-9_/]+$")
    type: str = Field(pattern=r"^[a-z0-9_]+/msg/[A-Za-z0-9]+$")
    field: str
    """Path of attributes inside the message, such as `position` or `pose.position`; a dot for the message
    itself, the names then being paths, such as `position.x`."""
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


class HeightMap(Settings):
    """A grid of heights around the base, turned with its yaw: row by row, x running fastest.

    A value is base height - ground height - `offset`, clipped to +-`clip`, in m.
    """

    x: Interval
    """First and last column, m, forward of the base."""
    columns: int = Field(gt=1)
    y: Interval
    """First and last row, m, to the left of the base."""
    rows: int = Field(gt=1)
    offset: float = 0.0
    clip: Positive


class Channel(MessageField):
    """One kind of measurement."""

    names: tuple[str, ...] = ()
    """As in every message field; a height map's are made from its rows and columns."""
    height_map: HeightMap | None = None
    transform: Literal["none", "projected_gravity"] = "none"
    """`projected_gravity` makes the unit vector of gravity in the body frame, named x, y and z, of a
    message field that holds the body's orientation as a quaternion."""
    noise: float = Field(ge=0)
    """Standard deviation of the sensor noise, in `unit`."""
    resolution: float = Field(default=0.0, ge=0)
    """Size of the sensor's steps, in `unit`; 0 for none that matter."""
    max_age_s: Positive
    """A tick whose newest measurement is older than this is not valid."""
    plausible_rate: Positive | None = None
    """What changes faster than this, in `unit` per s, is a fault of the sensor. Without it: three times the
    limits of velocity for the channel that the action targets, and anything for the others."""
    frozen_after_s: Positive | None = 0.5
    """What stays the same to the last bit for longer than this after commands moved is frozen; null for what
    may well do so, such as the state of a switch."""

    @model_validator(mode="before")
    @classmethod
    def _name_the_height_map(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("height_map"), dict) and "names" not in values:
            size = values["height_map"].get("rows"), values["height_map"].get("columns")
            if all(isinstance(each, int) for each in size):
                names = [f"{row}_{column}" for row in range(size[0]) for column in range(size[1])]
                return {**values, "names": names}
        return values

    @model_validator(mode="after")
    def _entries_fit_the_kind(self) -> Channel:
        if not self.names:
            raise ValueError("key 'names' is missing: say which entries the channel has")
        if self.height_map is not None and len(self.names) != self.height_map.rows * self.height_map.columns:
            raise ValueError(f"{len(self.names)} names for the cells of a height map")
        if self.transform == "projected_gravity" and self.names != ("x", "y", "z"):
            raise ValueError("a channel with transform 'projected_gravity' has the names x, y, z")
        return self


class Effort(Settings):
    """What a servo may be made to exert, where it answers to its set-point like a spring."""

    stiffness: Positive
    """Torque (N m), force or current (A) for one unit of the action between set-point and measurement."""
    limit: Positive
    """The most of it, in the same unit."""

    @property
    def stretch(self) -> float:
        """How far the set-point may lie from the measurement, in the action's unit."""
        return self.limit / self.stiffness


class JointLimits(Settings):
    """What may be commanded. There is no default: a limit that is missing is an error."""

    position: Interval
    velocity: Positive
    acceleration: Positive
    jerk: Positive | None = None
    """The least of all entries costs all of them a delay; see `adapt.safety.smoothing`."""
    effort: Effort | None = None
    """Where it is known; see `adapt.safety.box`."""
    rest: float | None = None
    """What to send while too little is known to plan; without it the command itself, where it can be sent."""

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
    couplings: dict[str, Coupling] = {}
    """Limits on several entries at once, by name."""

    @model_validator(mode="after")
    def _names_are_limits(self) -> Action:
        if self.names:
            raise ValueError("give the action's names as the keys of 'limits', not as 'names'")
        if self.targets is None and any(each.effort is not None for each in self.limits.values()):
            raise ValueError("'effort' needs the channel that is measured: name it as 'targets'")
        return self

    @model_validator(mode="after")
    def _couplings_leave_room(self) -> Action:
        for name, coupling in self.couplings.items():
            for entry in coupling.weights:
                if entry not in self.limits:
                    raise ValueError(f"coupling '{name}': the action has no entry '{entry}'")
        if self.couplings and roomiest_point(self.couplings, self.limits)[1] <= 0.0:
            raise ValueError("no action satisfies all couplings and limits of position at once")
        return self

    @property
    def entries(self) -> tuple[str, ...]:
        """Names of the A action values, in order."""
        return tuple(self.limits)


class Command(MessageField):
    """The task's reference: a path given ahead (JointTrajectory) or the latest set-point."""

    names: tuple[str, ...] = Field(min_length=1)
    units: tuple[Unit, ...] | None = None
    """One for each name, where they differ from `unit`."""
    tracks: str | tuple[str, ...] | None = None
    """The channel that should follow the command, name by name; or the observation entries
    (channel/name) that should, one for each name."""

    @model_validator(mode="after")
    def _one_each(self) -> Command:
        for key, values in (("units", self.units), ("tracks", self.tracks)):
            if isinstance(values, tuple) and len(values) != len(self.names):
                raise ValueError(f"{len(values)} entries of '{key}' for {len(self.names)} names")
        return self

    @property
    def name_units(self) -> tuple[Unit, ...]:
        """The unit of each name."""
        return self.units or (self.unit,) * len(self.names)
