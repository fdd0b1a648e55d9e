"""What a hidden robot does that its robot file does not say: numbers in a scenario file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError, model_validator

from adapt.errors import UserError
from adapt.robot.interface import Positive
from adapt.robot.specification import RobotSpecification
from adapt.sim.conditions import Conditions, NotNegative
from adapt.sim.mechanics import simulation_of
from adapt.sim.scenario import ScenarioFile, read_scenario

if TYPE_CHECKING:
    from typing_extensions import Self


class RobotScenario(Conditions, ScenarioFile):
    """One hidden robot of any kind: its body and surroundings, its sensors, its messages."""

    motor_strengths: dict[str, Positive] = {}
    """Factors on the torque limits of single motors, by action entry; on top of `motor_strength`."""
    breakaway: NotNegative = 0.0
    """What joint friction rises by in a joint at rest, as a share: stiction."""
    stribeck_velocity: Positive = 0.1
    """At which speed of a joint, rad/s or m/s, all but a third of that rise is gone."""
    contact_time_s: Positive | None = None
    """Time constant of the robot's contacts; a longer one is softer. MuJoCo's is 0.02 s."""
    latency_jitter_s: NotNegative = 0.0
    """Mean of an exponential time added to the latency of each action; the order is kept."""
    sensor_noise: NotNegative = 1.0
    """Factor on the noise of the robot file's channels."""
    sensor_bias: dict[str, float] = {}
    """Added to what is measured, by channel or by observation entry (channel/name), in its unit."""
    start_spread: bool = Field(default=True)
    """Whether the start differs by the robot file's spread."""

    @model_validator(mode="after")
    def _events_set_known_fields(self) -> RobotScenario:
        for event in self.events:
            self.changed(event.set)
        return self

    def changed(self, values: dict[str, Any]) -> Self:
        """A copy with new values, validated; the events stay.

        Raises:
            ValueError: a field is unknown, cannot be changed, or a value is out of its range.
        """
        for name in values:
            if not self.may_change(name):
                raise ValueError(f"there is no field '{name}' that can be changed")
        return super().changed(values)


def load_robot_scenario(spec: RobotSpecification, name: str) -> RobotScenario:
    """Read a scenario, given its path or its name under configs/scenarios/<robot>/.

    What neither it nor its base says is as the robot file's `simulation.parameters` have it.

    Raises:
        UserError: there is no such file, a key in it is unknown or wrong, it names an entry that is not
            there, or its base has a base itself.
    """
    path, said = read_scenario(spec, name, RobotScenario)
    for key in said.get("motor_strengths", {}):
        if key not in spec.action.entries:
            raise UserError(f"{path}: key 'motor_strengths': there is no action entry '{key}'")
    for key in said.get("sensor_bias", {}):
        if key not in spec.channels and key not in spec.observation_names:
            raise UserError(f"{path}: key 'sensor_bias': there is no channel or observation entry '{key}'")
    usual = {key: value for key, value in simulation_of(spec).parameters.items() if key not in said}
    paths = {key: value for key, value in usual.items() if "/" in key}
    plain = {key: value for key, value in usual.items() if "/" not in key}
    try:
        return RobotScenario.model_validate({**plain, **said, "model": {**paths, **said.get("model", {})}})
    except ValidationError as error:
        raise UserError(f"{path}: {' '.join(str(error.errors()[0]['msg']).split())}") from error
