"""One training under way: from the incumbent's weights and all that may be learned to a candidate's."""

from __future__ import annotations

import copy
from typing import Any

import torch

from adapt.learning.segment import Segment
from adapt.learning.update import DynamicsUpdate, UpdateSettings
from adapt.model.windows import Windows
from adapt.model.world_model import WorldModel


class Round:
    """Trains a copy of the incumbent, a few steps at a time.

    Attributes:
        segments: that it learns from.
        taken: steps so far.
        last_loss: None before the first step that changed anything.
    """

    def __init__(
        self,
        settings: UpdateSettings,
        incumbent: WorldModel,
        segments: list[Segment],
        windows: Windows,
        rehearsal: Windows | None,
        seed: int,
    ):
        self.segments = segments
        self.last_loss: float | None = None
        self._settings = settings
        self._windows = windows
        self._seed = seed
        generator = torch.Generator().manual_seed(seed)
        self._update = DynamicsUpdate(settings, copy.deepcopy(incumbent), rehearsal, generator)

    @property
    def taken(self) -> int:
        """Steps so far."""
        return self._update.taken

    def step(self, steps: int) -> WorldModel | None:
        """Take so many steps at most; gives the candidate once there is no more to do."""
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
            "steps_skipped": self._update.skipped,
        }
