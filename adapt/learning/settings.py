"""How the learner spends its samples."""

from __future__ import annotations

from pydantic import Field

from adapt.learning.drift import DriftSettings
from adapt.learning.gate import GateSettings
from adapt.learning.plausibility import PlausibilitySettings
from adapt.learning.sufficiency import SufficiencySettings
from adapt.learning.update import UpdateSettings
from adapt.settings import Settings


class LearnerSettings(Settings):
    """The learner's settings; the budget itself is in the robot file."""

    fresh_adapt_s: float = Field(default=30.0, gt=0)
    """For the first candidate so much of the adapt split is enough; another needs twice what the last had."""
    changed_adapt_s: float = Field(default=10.0, gt=0)
    """After the robot was found changed so much is enough."""
    steps_at_once: int = Field(default=5, gt=0)
    """Training steps in one call of `work`: keeps it short."""
    future_tolerance_s: float = Field(default=0.1, ge=0)
    """A tick stamped further ahead of the clock is refused."""
    update: UpdateSettings | None = None
    """How a candidate is trained; None for the default recipe of the robot."""
    gate: GateSettings = GateSettings()
    plausibility: PlausibilitySettings = PlausibilitySettings()
    drift: DriftSettings = DriftSettings()
    sufficiency: SufficiencySettings = SufficiencySettings()
