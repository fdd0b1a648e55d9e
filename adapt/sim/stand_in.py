"""The stand-in: a simulated robot with hidden effects, behind the interface of the hardware."""

from __future__ import annotations

from typing import Any, Protocol

from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification
from adapt.sim.arm_stand_in import ArmStandIn
from adapt.sim.mechanics import simulation_of
from adapt.sim.model_stand_in import ModelStandIn
from adapt.sim.robot_scenario import load_robot_scenario
from adapt.sim.scenario import load_scenario
from adapt.stream.tick import FloatArray


class StandIn(Protocol):
    """One robot in its own simulated time. The same calls and seed give the same robot."""

    @property
    def now_ns(self) -> int:
        """How far the robot has been simulated, ns."""
        ...

    @property
    def base_position(self) -> FloatArray:
        """Where the root body truly is, shape (3,), m."""
        ...

    @property
    def base_rotation(self) -> FloatArray:
        """How the root body truly stands, shape (3, 3): its axes as columns."""
        ...

    @property
    def fallen(self) -> bool:
        """Whether it has fallen since the start, or since it was put back."""
        ...

    def command(self, stamp_ns: int, values: FloatArray) -> None:
        """Tell the robot an action (A,) at `stamp_ns`; it is in force until the next one.

        Raises:
            ValueError: a value is not finite, or there are not A of them.
        """
        ...

    def advance(self, to_ns: int) -> None:
        """Simulate whole physics steps up to `to_ns`; a time that has passed changes nothing."""
        ...

    def measure(self) -> dict[str, tuple[int, FloatArray]]:
        """Stamp in ns and values by channel, as measured now; without the channels whose message is lost."""
        ...

    def put_back(self) -> None:
        """Put the robot back to where it started, as somebody does who picks it up; its time goes on, and
        commands that were on their way are lost. It is let go at once, and does what it did before the first
        command until the next.
        """
        ...

    def set(self, field: str, value: Any) -> None:
        """Change one number of the scenario from now on.

        Raises:
            UserError: there is no such field, or the value is out of its range.
        """
        ...


def make_stand_in(
    spec: RobotSpecification,
    scenario: str | None,
    seed: int,
    start_ns: int = 0,
    pose: FloatArray | None = None,
    settled: bool = False,
) -> StandIn:
    """The stand-in for any robot.

    Args:
        spec: the robot.
        scenario: its hidden effects, by name or path; None for the robot file's default.
        seed: of noise, delays and losses.
        start_ns: its clock at the start.
        pose: where the joints of a servo arm start, shape (A,), rad; other robots start where their
            robot file says.
        settled: begin when all events of the scenario are over.

    Raises:
        UserError: there is no such scenario, or the robot cannot be simulated.
    """
    simulation = simulation_of(spec)
    scenario = scenario or simulation.scenario
    if not scenario:
        raise UserError(
            f"robot {spec.name}: name a scenario, or give key 'simulation.scenario' in the robot file"
        )
    if simulation.actuators == "servos":
        arm = load_scenario(spec, scenario)
        return ArmStandIn(spec, arm.settled() if settled else arm, seed, start_ns, pose)
    robot = load_robot_scenario(spec, scenario)
    return ModelStandIn(spec, robot.settled() if settled else robot, seed, start_ns)
