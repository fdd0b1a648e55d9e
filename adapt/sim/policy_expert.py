"""An expert policy that was trained elsewhere, with privileged knowledge of the simulated robots."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import nn

from adapt.errors import UserError
from adapt.robot.simulation import ExpertInput, PolicyExpert
from adapt.robot.specification import RobotSpecification
from adapt.sim.fleet import Fleet
from adapt.sim.simulated_robot import SimulatedRobot
from adapt.stream.tick import FloatArray


def load_perceptron(path: Path) -> nn.Sequential:
    """A multilayer perceptron with ELU between its linear layers.

    The .npz file has arrays *.<number>.weight (outputs, inputs) and *.<number>.bias, as PyTorch names them.

    Raises:
        UserError: the file is missing, or holds no such perceptron.
    """
    try:
        with np.load(path) as content:
            names = sorted(
                (name for name in content.files if name.endswith(".weight")),
                key=lambda name: int(name.split(".")[-2]),
            )
            arrays = [(content[name], content[name.removesuffix("weight") + "bias"]) for name in names]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (ValueError, KeyError, OSError, IndexError, BadZipFile) as error:
        raise UserError(f"{path}: not the weights of an expert policy: {error}") from error
    layers: list[nn.Module] = []
    size = None
    for weight, bias in arrays:
        fits = weight.ndim == 2 and bias.shape == weight.shape[:1] and size in (None, weight.shape[-1])
        if not fits or not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise UserError(f"{path}: not the weights of an expert policy: wrong shapes, or not finite")
        size = len(bias)
        linear = nn.Linear(*weight.shape[::-1])
        linear.weight.data, linear.bias.data = torch.from_numpy(weight), torch.from_numpy(bias)
        layers += [linear, nn.ELU()]
    if not layers:
        raise UserError(f"{path}: not the weights of an expert policy: there is no *.weight in it")
    return nn.Sequential(*layers[:-1]).requires_grad_(False)


class Policy:
    """Actions of an expert policy for the robots of a fleet."""

    def __init__(self, spec: RobotSpecification, settings: PolicyExpert, perceptron: nn.Sequential) -> None:
        """Prepare for one kind of robot.

        Raises:
            UserError: the action has no rest, or the policy does not give as many actions as there are.
        """
        if spec.rest_action is None:
            raise UserError(f"robot {spec.name}: action.limits: 'rest' is missing: an expert policy needs it")
        outputs = perceptron[-1].out_features
        if outputs != spec.action_size:
            raise UserError(
                f"robot {spec.name}: the expert policy gives {outputs} values for {spec.action_size} actions"
            )
        self._spec = spec
        self._settings = settings
        self._perceptron = perceptron
        self._rest = np.array(spec.rest_action)

    def reset(self) -> None:
        """Nothing is remembered."""

    def act(
        self, fleet: Fleet, observation: FloatArray, commands: FloatArray, sent: FloatArray
    ) -> FloatArray:
        """See `Expert.act`.

        Raises:
            UserError: the robot file names inputs that are not there, or not as many as the policy takes.
        """
        before = (sent - self._rest) / self._settings.action_scale
        values = np.concatenate(
            [self._input(each, fleet, observation, commands[:, 0], before) for each in self._settings.inputs],
            axis=1,
        )
        inputs = self._perceptron[0].in_features
        if values.shape[1] != inputs:
            raise UserError(
                f"robot {self._spec.name}: simulation.expert.inputs: {values.shape[1]} values, but the policy"
                f" takes {inputs}"
            )
        output = self._perceptron(torch.from_numpy(values).float()).double().numpy()
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
