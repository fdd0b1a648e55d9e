"""One training under way: from the incumbent's weights and all that may be learned to a candidate's."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch

from adapt.errors import UserError
from adapt.learning.segment import Segment
from adapt.learning.update import DynamicsUpdate, UpdateSettings
from adapt.model.windows import Windows
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray

if TYPE_CHECKING:
    from adapt.sim.identified import IdentifiedSimulators


class Round:
    """Finds simulators like the robot where it has such, and trains a copy of the incumbent; a bit at a time.

    Attributes:
        segments: that it learns from.
        last_loss: None before the first step that changed anything.
    """

    def __init__(
        self,
        specification: RobotSpecification,
        settings: UpdateSettings,
        incumbent: WorldModel,
        segments: list[Segment],
        windows: Windows,
        rehearsal: Windows | None,
        seed: int,
        start: FloatArray | None = None,
    ):
        """Begin.

        Args:
            specification: the robot.
            settings: of the training.
            incumbent: what it begins with.
            segments: that it learns from.
            windows: those of the segments.
            rehearsal: from the simulation of the pretraining, None for none.
            seed: of everything random.
            start: what the round before has `identified`, if there was one.

        Raises:
            UserError: the settings want simulators like the robot, and it is none that can be identified.
        """
        self.segments = segments
        self.last_loss: float | None = None
        self._settings = settings
        self._windows = windows
        self._incumbent = incumbent
        self._rehearsal = rehearsal
        self._seed = seed
        identified = settings.simulated_share > 0
        if identified and not specification.can_be_identified:
            raise UserError(
                f"robot '{specification.name}': key 'update.simulated_share' must be 0: only arms of servos"
                " with ranges in 'simulation.randomisation' can be identified"
            )
        self._simulators: IdentifiedSimulators | None = None
        if identified:
            # Only now: MuJoCo and SciPy take a second or two, in which a node cannot be told to end.
            from adapt.sim.identified import IdentifiedSimulators

            self._simulators = IdentifiedSimulators(specification, windows, seed, start)
        self._update = None if identified else self._begin(None)

    def _begin(self, simulated: Windows | None) -> DynamicsUpdate:
        generator = torch.Generator().manual_seed(self._seed)
        model = copy.deepcopy(self._incumbent)
        return DynamicsUpdate(self._settings, model, self._rehearsal, generator, simulated)

    @property
    def identifying(self) -> bool:
        """Whether simulators like the robot are still looked for: steps take seconds, not milliseconds."""
        return self._update is None

    @property
    def identified(self) -> FloatArray | None:
        """What another round can begin with; None where nothing is identified."""
        return None if self._simulators is None else self._simulators.shares

    @property
    def taken(self) -> int:
        """Steps of training so far."""
        return 0 if self._update is None else self._update.taken

    def step(self, steps: int) -> WorldModel | None:
        """Take so many steps at most, or one of the search for simulators; gives the candidate at the end."""
        if self._update is None:
            assert self._simulators is not None  # or the update would have begun at once
            if (simulated := self._simulators.advance()) is not None:
                self._update = self._begin(simulated)
            return None
        for _ in range(steps):
            if self._update.done:
                return self._update.finish()
            loss = self._update.step(self._windows)
            self.last_loss = self.last_loss if loss is None else loss
        return None

    def lineage(self) -> dict[str, Any]:
        """How the candidate was made, as JSON for its card."""
        return {
            "segments": [segment.number for segment in self.segments],
            "windows": len(self._windows),
            "settings": self._settings.model_dump(),
            "seed": self._seed,
            "last_loss": self.last_loss,
            "steps_skipped": 0 if self._update is None else self._update.skipped,
            "identified": None if self._simulators is None else self._simulators.as_dict(),
        }


def learned(
    specification: RobotSpecification,
    settings: UpdateSettings,
    model: WorldModel,
    windows: Windows,
    rehearsal: Windows | None,
    seed: int,
    start: FloatArray | None = None,
) -> WorldModel:
    """A whole round at once, on real windows; arguments as for `Round`."""
    current = Round(specification, settings, model, [], windows, rehearsal, seed, start)
    while (found := current.step(settings.steps)) is None:
        pass
    return found
