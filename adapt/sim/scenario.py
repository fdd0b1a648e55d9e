"""What hidden hardware does that the training simulator does not know: numbers in a scenario file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field, model_validator

from adapt.errors import UserError
from adapt.robot.interface import Positive
from adapt.robot.load import find_configuration
from adapt.robot.specification import RobotSpecification
from adapt.settings import Settings, load_settings

if TYPE_CHECKING:
    from typing_extensions import Self

NotNegative = Annotated[float, Field(ge=0)]
FileType = TypeVar("FileType", bound="ScenarioFile")
Probability = Annotated[float, Field(ge=0, le=1)]
PerJoint = float | tuple[float, ...]
"""One number for all joints, or one for each in the order of the robot's action."""
PositivePerJoint = Positive | tuple[Positive, ...]
NotNegativePerJoint = NotNegative | tuple[NotNegative, ...]


class Event(Settings):
    """From `time_s` on after the start, the fields in `set` have new values."""

    time_s: NotNegative
    set: dict[str, Any] = Field(min_length=1)


class ScenarioFile(Settings):
    """What the scenarios of all kinds of robots have in common."""

    base: str | None = None
    """Another scenario of this robot; this file then says only what differs from it."""
    description: str = ""

    lost_measurements: Probability = 0.0
    """Of each topic's messages."""
    lost_commands: Probability = 0.0

    events: tuple[Event, ...] = ()
    """Later changes."""

    def changed(self, values: dict[str, Any]) -> Self:
        """A copy with new values, validated; the events stay.

        Raises:
            ValueError: a field is unknown or a value is out of its range.
        """
        content = {**self.model_dump(exclude={"events"}), **values}
        # Events were validated with the scenario; validating them again here would not end.
        return type(self).model_validate(content).model_copy(update={"events": self.events})

    def settled(self) -> Self:
        """As it is once the last event is over."""
        scenario = self
        for event in sorted(self.events, key=lambda event: event.time_s):
            scenario = scenario.changed(event.set)
        return scenario.model_copy(update={"events": ()})

    def may_change(self, name: str) -> bool:
        """Whether there is a field of this name that has a meaning while the robot runs."""
        return name in type(self).model_fields and name not in ("base", "description", "events")


def read_scenario(robot: RobotSpecification, name: str, kind: type[FileType]) -> tuple[Path, dict[str, Any]]:
    """Where a scenario is, given its path or its name under configs/scenarios/<robot>/, and what it says.

    What it does not say itself is its base's.

    Raises:
        UserError: there is no such file, a key in it is unknown or wrong, or its base has a base itself.
    """
    path = find_configuration(f"scenarios/{robot.name}", name)
    scenario = load_settings(path, kind)
    said = {key: getattr(scenario, key) for key in scenario.model_fields_set}
    if scenario.base is None:
        return path, said
    base_path = find_configuration(f"scenarios/{robot.name}", scenario.base)
    base = load_settings(base_path, kind)
    if base.base is not None:
        raise UserError(f"{path}: key 'base': {base_path} has a base itself: name '{base.base}' instead")
    return path, {**{key: getattr(base, key) for key in base.model_fields_set}, **said}


class Scenario(ScenarioFile):
    """One hidden robot. The defaults are an ideal one: a known servo and no unmodelled effect.

    A servo moves its set-point s towards what it was told, with limited acceleration and speed; its
    motor gives the torque
    clip(stiffness * (e + lead_s * de/dt), +-torque_limit), e = s - measured angle,
    against damping * speed, the friction
    coulomb + (static - coulomb) * exp(-(speed / stribeck_velocity)^2) + load_friction * |motor torque|
    (Armstrong-Helouvry et al., 1994; the load term after Duclusaud et al., "Extended friction models for
    the physics simulation of servo actuators", 2024), and the arm.
    """

    stiffness: PositivePerJoint = 10.0
    """N m/rad."""
    lead_s: NotNegativePerJoint = 0.0
    """Derivative gain over proportional gain, s."""
    torque_limit: PositivePerJoint = 3.0
    """Stall torque at full voltage, N m."""
    profile_acceleration: PositivePerJoint = 1000.0
    """rad/s^2."""
    profile_velocity: PositivePerJoint = 10.0
    """rad/s."""
    damping: NotNegativePerJoint = 0.6
    """Back-EMF and grease, N m s/rad."""
    armature: PositivePerJoint = 0.025
    """Rotor inertia at the joint, kg m^2."""

    coulomb_friction: NotNegativePerJoint = 0.05
    """N m."""
    static_friction: NotNegativePerJoint = 0.05
    """Break-away torque, N m; not below the Coulomb friction."""
    stribeck_velocity: PositivePerJoint = 0.1
    """rad/s."""
    load_friction: NotNegativePerJoint = 0.0
    """Friction per motor torque."""
    backlash: NotNegativePerJoint = 0.0
    """Play between the link and the encoder, rad."""
    dead_zone: NotNegativePerJoint = 0.0
    """Width of the errors that the servo ignores, rad."""

    calibration: PerJoint = 0.0
    """Angle of the mechanics when the encoder reads zero, rad."""
    mass_scale: PositivePerJoint = 1.0
    """Factor on mass and inertia of the link behind each joint."""
    payload_mass: NotNegative = 0.0
    """kg."""
    payload_place: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """From the grasp point, in the gripper's frame, m."""

    servo_delay_s: NotNegative = 0.01
    servo_jitter_s: NotNegative = 0.0
    """Mean of an exponential time added to the delay of each command; the order is kept."""
    supply_sag: NotNegative = 0.0
    """Share of the voltage lost per N m of torque, summed over the motors."""

    encoder_step: NotNegative = 0.00153
    """rad."""
    sensor_noise: NotNegative = 0.0
    """Standard deviation, rad."""
    velocity_step: NotNegative = 0.0767
    """Resolution of the speed that servos report, rad/s (50 encoder steps a second)."""

    @model_validator(mode="after")
    def _events_set_known_fields(self) -> Scenario:
        for event in self.events:
            for name in event.set:
                if not self.may_change(name):
                    raise ValueError(f"events at {event.time_s:g} s set an unknown field '{name}'")
            self.changed(event.set)
        return self

    def check_joints(self, count: int) -> None:
        """Refuse lists that have not one number for each of `count` joints.

        Raises:
            ValueError: naming the field.
        """
        for name in PER_JOINT:
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != count:
                raise ValueError(f"key '{name}': {len(value)} numbers for {count} joints")


PER_JOINT = (
    "stiffness",
    "lead_s",
    "torque_limit",
    "profile_acceleration",
    "profile_velocity",
    "damping",
    "armature",
    "coulomb_friction",
    "static_friction",
    "stribeck_velocity",
    "load_friction",
    "backlash",
    "dead_zone",
    "calibration",
    "mass_scale",
)
"""The fields of a scenario that hold one number for each joint, or one for all."""


def load_scenario(robot: RobotSpecification, name: str) -> Scenario:
    """Read a scenario, given its path or its name under configs/scenarios/<robot>/.

    Raises:
        UserError: there is no such file, a key in it is unknown or wrong, a list has not one number for
            each joint, or its base has a base itself. The message names the file and the key.
    """
    path, said = read_scenario(robot, name, Scenario)
    scenario = Scenario().model_copy(update=said)
    try:
        scenario.check_joints(robot.action_size)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    return scenario
