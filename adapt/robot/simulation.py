"""How a robot is simulated: the `simulation` section of a robot file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from adapt.robot.interface import Interval, Positive
from adapt.settings import Settings


class Start(Settings):
    """Where simulated robots begin: at rest but for the spread."""

    keyframe: str | None = None
    """Of the MJCF model; without it the model's zero."""
    position_spread: float = Field(default=0.0, ge=0)
    """Joint positions differ by up to so much, in rad or m."""
    velocity_spread: float = Field(default=0.0, ge=0)
    """Joint velocities differ by up to so much, in rad/s or m/s."""
    held_s: float = Field(default=0.0, ge=0)
    """A robot with a free base is held there, with its joints free, until the first action and for so long
    after it, as by a stand: until there is a history to act on."""


class Commands(Settings):
    """Which commands simulated robots are given, where the command is a set-point rather than a path."""

    ranges: dict[str, Interval] = {}
    """By command entry; the others are zero."""
    hold_s: tuple[Positive, Positive] = (2.0, 5.0)
    """Time until the next one is drawn."""
    zero_share: float = Field(default=0.1, ge=0, le=1)
    """Share of the commands that are zero."""


class Fall(Settings):
    """When a simulated robot has failed."""

    tilt_degrees: float | None = Field(default=None, gt=0, le=180)
    """The root body leans more than this."""
    bodies: tuple[str, ...] = ()
    """Bodies that must not touch the terrain."""


class ExpertInput(Settings):
    """Some inputs of an expert policy, in order. Just one of the keys says where they come from."""

    channel: str | None = None
    """A channel of the robot file, without noise."""
    command: Literal[True] | None = None
    previous_action: Literal[True] | None = None
    """The policy's own output of the tick before."""
    clock: Literal[True] | None = None
    clearance: tuple[str, ...] | None = None
    """Heights of these geoms' centres above the terrain, m."""
    condition: str | None = None
    """A parameter of the simulated robot, such as `friction`."""
    constant: float | None = None
    repeat: int = Field(default=1, gt=0)
    """So many copies, one after the other."""
    relative_to_rest: bool = False
    """For a channel: minus the action's rest, name by name."""
    offset: float = 0.0
    """Subtracted."""
    clip: Positive | None = None

    @model_validator(mode="after")
    def _one_source(self) -> ExpertInput:
        sources = ("channel", "command", "previous_action", "clock", "clearance", "condition", "constant")
        named = [key for key in sources if getattr(self, key) is not None]
        if len(named) != 1:
            raise ValueError(f"one of {', '.join(sources)} must be given, not {len(named)}")
        return self


class PolicyExpert(Settings):
    """An expert that was trained elsewhere: a multilayer perceptron (ELU), read from an .npz file."""

    kind: Literal["policy"]
    inputs: tuple[ExpertInput, ...] = Field(min_length=1)
    action_scale: Positive = 1.0
    """The action is rest + action_scale * output."""


class PlannerExpert(Settings):
    """An expert that plans by MPPI on the true simulator, with the exact reward of the task."""

    kind: Literal["planner"]
    samples: int = Field(default=32, gt=1)
    horizon_ticks: int = Field(default=20, gt=0)
    iterations: int = Field(default=1, gt=0)
    noise: Positive = 0.3
    """Standard deviation of the samples, as a share of the action's range."""
    knots: int = Field(default=5, gt=1)
    """Samples are linear between so many values along the horizon."""
    temperature: Positive = 0.1
    """Of the weights, relative to the spread of the samples' rewards."""


Expert = Annotated[PolicyExpert | PlannerExpert, Field(discriminator="kind")]


class Excitation(Settings):
    """Simulated robots that signals move (sines, chirps, steps, noise), whatever an expert would do: as
    real ones are moved when somebody wants to know them."""

    share: float = Field(gt=0, le=1)
    """Of the robots."""
    amplitude: tuple[Positive, Positive]
    """Ends between which it is drawn, log-uniform, for each entry of the action, in its unit, about rest."""


class Simulation(Settings):
    """How this robot is simulated."""

    model: str
    """MJCF file, relative to the robot file or to the models that come with the project. In it,
    ${package} stands for the folder of an installed Python package."""
    actuators: Literal["servos", "model"] = "servos"
    """`servos`: bus servos as in adapt/sim/arms.py, one per joint. `model`: those of the MJCF model,
    named like the entries of the action; everything below is for these."""
    physics_step_s: Positive = 0.0025
    parameters: dict[str, float] = {}
    """Values that differ from the MJCF model's, by parameter (see adapt/sim/conditions.py)."""
    randomisation: dict[str, Interval] = {}
    """Ranges from which a simulated robot is drawn, by parameter."""
    nominal_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the robots that are not randomised."""
    self_collision: bool = True
    start: Start = Start()
    commands: Commands = Commands()
    fall: Fall = Fall()
    disturbance: Positive = 0.1
    """Of training data: the expert's actions are disturbed by noise of up to this standard deviation, and
    by twice as much in bursts, in the action's unit."""
    excitation: Excitation | None = None
    """Of training data, too."""
    expert: Expert | None = None
    scenario: str | None = None
    """The stand-in's default scenario, a name in configs/scenarios/<robot>/."""

    @field_validator("randomisation")
    @classmethod
    def _low_not_above_high(cls, ranges: dict[str, Interval]) -> dict[str, Interval]:
        for name, (low, high) in ranges.items():
            if low > high:
                raise ValueError(f"{name}: the lower end {low} is above the upper end {high}")
        return ranges
