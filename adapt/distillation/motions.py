"""What a real arm was told in its logs, and what simulated arms do when they are told the same.

Arms in the ways of the pretraining teach what an arm of their kind does; under the commands of the logs they
teach what it does in its own work. On a real SO-101 the second makes the difference: see
docs/redistillation.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from adapt.errors import UserError
from adapt.files import replacing
from adapt.model.content import hash_of
from adapt.model.windows import Windows
from adapt.robot.specification import RobotSpecification
from adapt.sim.arms import Arms
from adapt.sim.simulator import COMMANDS_PER_TICK, Simulator
from adapt.stream.tick import FloatArray

MOST = 600
"""Motions that are kept, evenly spread over the logs."""
EXAMINED_EVERY = 5
"""Of the motions, so many are for examinations alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Motions:
    """B of them, each as long as a window.

    Attributes:
        start: shape (B, A), the angles measured at the beginning, rad.
        action: shape (B, H + T, A), what was told from then on, rad.
    """

    start: FloatArray
    action: FloatArray

    def __len__(self) -> int:
        return len(self.start)

    @property
    def name(self) -> str:
        """A hash of them."""
        return hash_of({"start": self.start, "action": self.action})

    def for_learning(self) -> Motions:
        """Those that no examination uses."""
        return self._select(np.arange(len(self)) % EXAMINED_EVERY != 0)

    def for_examination(self) -> Motions:
        """Those from which nothing is learned."""
        return self._select(np.arange(len(self)) % EXAMINED_EVERY == 0)

    def _select(self, which: FloatArray) -> Motions:
        return Motions(self.start[which], self.action[which])

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        with replacing(path) as temporary:
            temporary.write_bytes(save({"start": self.start, "action": self.action}))


def load_motions(path: Path, name: str) -> Motions:
    """Read what `Motions.save` wrote.

    Args:
        path: of the file.
        name: the hash that it should have.

    Raises:
        UserError: it is missing, damaged or another.
    """
    try:
        found = Motions(**load(path.read_bytes()))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file: it belongs beside its posterior") from None
    except (SafetensorError, TypeError, OSError) as error:
        raise UserError(f"{path}: not a file of motions: {error}: identify the robot again") from error
    if found.name != name:
        raise UserError(f"{path}: these are not the motions of its posterior: identify the robot again")
    return found


def motions_of(spec: RobotSpecification, windows: Windows) -> Motions:
    """The motions of real windows."""
    some = windows.select(slice(None, None, -(-len(windows) // MOST)))
    angles = spec.channel_slice(spec.action.targets or "")
    return Motions(some.observation[:, 0, angles].double().numpy(), some.action.double().numpy())


def repeat_motions(
    spec: RobotSpecification, arms: Arms, motions: Motions, runs: int, generator: np.random.Generator
) -> Windows:
    """What arms measure that begin at rest where a motion began, and are told what it was.

    Args:
        spec: the robot.
        arms: E of them.
        motions: at least one, of which each arm gets some at random.
        runs: how many.
        generator: of that, and of the sensors.

    Returns:
        E * runs windows, without commands.
    """
    chosen = generator.integers(len(motions), size=len(arms) * runs)
    simulator = Simulator(spec, arms, torch.get_num_threads(), runs)
    action = motions.action[chosen]
    motion = simulator.run(motions.start[chosen], np.repeat(action, COMMANDS_PER_TICK, axis=1))
    ticks = np.arange(action.shape[1] + 1) * spec.period_s - spec.sampling_delay_s
    observation = simulator.measure(motion, np.maximum(ticks, 0.0), generator)
    seen, done = (torch.from_numpy(each).float() for each in (observation, action))
    return Windows(seen, done, seen[:, :, :0])
