"""Simulators like the robot: chosen by a few real windows, they make others in abundance."""

from __future__ import annotations

from typing import Any

import numpy as np

from adapt.model.windows import Windows
from adapt.robot.specification import RobotSpecification
from adapt.sim.arm_identification import ArmIdentification, ArmPosterior
from adapt.stream.tick import FloatArray

ARMS, AT_ONCE = 64, 32
EPISODE_S = 20.0
"""Of each arm: together twenty minutes, in a few seconds."""


class IdentifiedSimulators:
    """From real windows to simulated ones, a bounded piece of work at a time.

    The same windows and seed give the same simulated windows.
    """

    def __init__(
        self,
        specification: RobotSpecification,
        windows: Windows,
        seed: int,
        start: FloatArray | None = None,
    ) -> None:
        """`specification` is one that `can_be_identified`; `windows` are real, at least one; `start` are the
        `shares` that were found before, which saves most of the work.

        Raises:
            UserError: see `ArmIdentification`.
        """
        self._identification = ArmIdentification(specification, windows, start)
        self._generator = np.random.default_rng(seed)
        self._posterior: ArmPosterior | None = None
        self._simulated: list[Windows] = []

    def advance(self) -> Windows | None:
        """Identify for one more round, or simulate some more arms; gives all windows at the end."""
        if self._posterior is None:
            if self._identification.advance():
                self._posterior = self._identification.posterior()
            return None
        self._simulated.append(self._posterior.windows(AT_ONCE, EPISODE_S, self._generator))
        return Windows.join(self._simulated) if len(self._simulated) * AT_ONCE >= ARMS else None

    @property
    def shares(self) -> FloatArray:
        """What was found by now; see `ArmPosterior`."""
        return self._identification.shares

    def as_dict(self) -> dict[str, Any] | None:
        """What was identified, for JSON; None before."""
        return None if self._posterior is None else self._posterior.as_dict()


def simulated_windows(specification: RobotSpecification, windows: Windows, seed: int) -> Windows:
    """All at once: windows of simulators like the robot of the real `windows`; see `IdentifiedSimulators`."""
    simulators = IdentifiedSimulators(specification, windows, seed)
    while (found := simulators.advance()) is None:
        pass
    return found
