"""An expert policy that was trained elsewhere, with privileged knowledge of the simulated robots."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from adapt.errors import UserError
from adapt.robot.simulation import ExpertInput, PolicyExpert
from adapt.robot.specification import RobotSpecification
from adapt.sim.fleet import Fleet
from adapt.sim.simulated_robot import SimulatedRobot
from adapt.stream.tick import FloatArray

Layers = list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]


class Perceptron:
    """A multilayer perceptron with ELU between its linear layers, in numpy."""

    def __init__(self, layers: Layers) -> None:
        self._layers = layers

    @property
    def inputs(self) -> int:
        """How many values it takes."""
        return int(self._layers[0][0].shape[1])

    @property
    def outputs(self) -> int:
        """How many values it gives."""
        return int(self._layers[-1][0].shape[0])

    def __call__(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Outputs (E, outputs) for inputs (E, inputs)."""
        for weight, bias in self._layers[:-1]:
            values = values @ weight.T + bias
            values = np.where(values > 0, values, np.expm1(np.minimum(values, 0)))
        weight, bias = self._layers[-1]
        return np.asarray(values @ weight.T + bias)

    @staticmethod
    def load(path: Path) -> Perceptron:
        """Read arrays named *.<number>.weight (outputs, inputs) and *.<number>.bias from an .npz file.

        Raises:
            UserError: the file is missing or holds no perceptron.
        """
        try:
            with np.load(path) as content:
                names = sorted(
                    (name for name in content.files if name.endswith(".weight")),
                    key=lambda name: int(name.split(".")[-2]),
                )
                layers: Layers = [
                    (content[name], content[name.removesuffix("weight") + "bias"]) for name in names
                ]
        except FileNotFoundError:
            raise UserError(f"{path}: no such file") from None
        except (ValueError, KeyError, OSError, IndexError, BadZipFile) as error:
            raise UserError(f"{path}: not the weights of an expert policy: {error}") from error
        if not layers or not all(np.isfinite(each).all() for layer in layers for each in layer):
            raise UserError(f"{path}: not the weights of an expert policy: none, or not finite")
        return Perceptron(layers)


class Policy:
    """Actions of an expert policy for the robots of a fleet."""

    def __init__(self, spec: RobotSpecification, settings: PolicyExpert, perceptron: Perceptron) -> None:
        """Prepare for one kind of robot.

        Raises:
            UserError: the action has no rest, or the policy does not give as many actions as there are.
        """
        if spec.rest_action is None:
            raise UserError(f"robot {spec.name}: action.limits: 'rest' is missing: an expert policy needs it")
        if perceptron.outputs != spec.action_size:
            raise UserError(
                f"robot {spec.name}: the expert policy gives {perceptron.outputs} values for"
                f" {spec.action_size} actions"
            )
        self._spec = spec
        self._settings = settings
        self._perceptron = perceptron
        self._rest = np.array(spec.rest_action)

    def reset(self) -> None:
        """Nothing is remembered."""

    def act(self, fleet: Fleet, commands: FloatArray, sent: FloatArray) -> FloatArray:
        """See `Expert.act`.

        Raises:
            UserError: the robot file names inputs that are not there, or not as many as the policy takes.
        """
        before = (sent - self._rest) / self._settings.action_scale
        observation = fleet.observe()
        values = np.concatenate(
            [self._input(each, fleet, observation, commands[:, 0], before) for each in self._settings.inputs],
            axis=1,
        )
        if values.shape[1] != self._perceptron.inputs:
            raise UserError(
                f"robot {self._spec.name}: simulation.expert.inputs: {values.shape[1]} values, but the policy"
                f" takes {self._perceptron.inputs}"
            )
        output = self._perceptron(values.astype(np.float32)).astype(np.float64)
        return np.asarray(self._rest + self._settings.action_scale * output)

    def _input(
        self,
        source: ExpertInput,
        fleet: Fleet,
        observation: FloatArray,
        command: FloatArray,
        before: FloatArray,
    ) -> FloatArray:
        if source.channel is not None:
            values = observation[:, self._channel(source.channel)]
            if source.relative_to_rest:
                values = values - self._rest
        elif source.command is not None:
            values = command
        elif source.previous_action is not None:
            values = before
        elif source.clock is not None:
            values = observation[:, -2:]
        elif source.clearance is not None:
            values = fleet.clearance(source.clearance)
        elif source.condition is not None:
            values = np.array([[self._condition(robot, source.condition)] for robot in fleet.robots])
        else:
            values = np.full((len(fleet), 1), source.constant)
        values = np.tile(values - source.offset, (1, source.repeat))
        return values if source.clip is None else np.clip(values, -source.clip, source.clip)

    def _channel(self, name: str) -> slice:
        if name not in self._spec.channels:
            raise UserError(
                f"robot {self._spec.name}: simulation.expert.inputs: there is no channel '{name}'"
            )
        return self._spec.channel_slice(name)

    def _condition(self, robot: SimulatedRobot, name: str) -> float:
        value = getattr(robot.conditions, name, None)
        if not isinstance(value, (int, float)):
            raise UserError(
                f"robot {self._spec.name}: simulation.expert.inputs: condition '{name}' has no value: give"
                " it one in simulation.parameters"
            )
        return float(value)
