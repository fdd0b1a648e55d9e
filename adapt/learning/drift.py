"""Has the robot changed since the incumbent was let in, and does an older version know it better?

Both are asked of every new segment that is not sealed. None of them has trained a version that is asked, none
is spent for it, and each use is written into the ledger.

Of the version that drove before, one asks in the first place whether it was right to let it go: an e-process
from the admission on, as in the gate, rolls the admission back; all admissions together share the probability
of a rollback that is not deserved. The other questions have no beginning: conditions change when they like.
They are e-detectors (Shin, Ramdas and Rinaldo, arXiv 2203.03532): bets against "nothing has changed", begun
anew with every segment and added up. However often one looks, while nothing has changed such a sum reaches N
no sooner than after N segments on average.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from pydantic import Field

from adapt.errors import UserError
from adapt.learning.buffer import SegmentBuffer
from adapt.learning.event import Event
from adapt.learning.gate import BETS, SMALLEST_ERROR, BettingTest, advantage, mixture, share_of
from adapt.learning.ledger import Ledger
from adapt.learning.plausibility import GROUP, Plausibility
from adapt.learning.records import Watch
from adapt.learning.segment import Segment
from adapt.learning.splits import Split
from adapt.learning.update import forecast_error
from adapt.model.windows import Windows
from adapt.model.world_model import WorldModel
from adapt.registry.registry import Registry
from adapt.registry.standing import driven
from adapt.settings import Settings
from adapt.stream.tick import FloatArray

logger = logging.getLogger(__name__)

OLDER_VERSIONS = 3
"""So many of the versions that drove before are asked whether they know the robot better."""
BACKLOG = 100
"""After a restart only so many of the newest segments are looked at again."""


class DriftSettings(Settings):
    """When a robot counts as changed."""

    usual_segments: int = Field(default=8, gt=1)
    """Segments after each admission that tell what errors are usual."""
    margin: float = Field(default=1.3, gt=1)
    """Errors up to this times the usual one are no change."""
    saturation: float = Field(default=0.5, gt=0)
    """The logarithm of an error beyond that counts in proportion to this, and no further."""
    still: float = Field(default=0.1, ge=0)
    """Segments in which the robot moves less than this over the horizon (RMS, in units of its ordinary
    change) tell nothing."""
    segments_between_alarms: float = Field(default=200.0, gt=1)
    """While nothing changes so many segments pass, on average, before a change is told: a false alarm costs
    one early training."""
    segments_between_returns: float = Field(default=2000.0, gt=1)
    """While no older version is better so many pass before one comes back."""
    false_rollbacks: float = Field(default=0.05, gt=0, lt=1)
    """Probability of ever rolling back to a version that forecasts no better, over all admissions."""


class Detector:
    """Sums up, over all segments at which a change may have come, the wealth of bets on a positive mean."""

    def __init__(self) -> None:
        self._log_wealth = np.full(BETS.shape, -np.inf)

    def observe(self, value: float) -> float:
        """Take one more number within [-1, 1]; gives the sum."""
        self._log_wealth = np.logaddexp(self._log_wealth, 0.0) + np.log1p(BETS * value)
        return mixture(self._log_wealth)


@dataclass(slots=True)
class Reign:
    """What was seen since a version was let in, or came back."""

    version: str
    model: WorldModel
    since_ns: int
    older: dict[str, WorldModel]
    """That drove before, the last one first."""
    detectors: dict[str, Detector]
    rollback_threshold: float
    regretted: BettingTest = field(default_factory=BettingTest)
    squares: FloatArray = field(default_factory=lambda: np.zeros(2))
    segments: int = 0
    worse: Detector = field(default_factory=Detector)
    usual: list[float] = field(default_factory=list)


class DriftWatch:
    """Looks at new segments on behalf of the version that drives, whichever that is.

    What the ledger holds of that counts: a restart changes nothing.

    Attributes:
        changed: the ledger's entry at which the robot was last found changed; 0 for never.
    """

    def __init__(
        self,
        settings: DriftSettings,
        saturation: float,
        registry: Registry,
        buffer: SegmentBuffer,
        ledger: Ledger,
        plausibility: Plausibility,
    ):
        """`saturation` is the gate's: a ratio of errors of exp(this) is a whole win."""
        self._settings = settings
        self._saturation = saturation
        self._registry = registry
        self._buffer = buffer
        self._ledger = ledger
        self._plausibility = plausibility
        self._reign: Reign | None = None
        self._seen = -1
        self.changed = 0

    def look(self) -> list[Event]:
        """Look at the segments that came since the last call; an older version may be admitted again.

        Raises:
            UserError: the version that drives was damaged.
            sqlite3.Error: something could not be written down; it is tried again with the next segment.
        """
        current = self._registry.current()
        if current is None:
            return []
        if self._reign is None or self._reign.version != current:
            self._reign = self._begun(current)
            for known in self._known(self._reign):
                self._seen = max(self._seen, known.segment)
                event = self._consider(self._reign, known)
                if event is not None and event.kind != "robot_changed":
                    return [event]  # a kill came between what was seen and what follows from it
        for segment in self._new(self._reign):
            watch = self._watched(self._reign, segment)
            self._seen = segment.number
            if watch is not None and (event := self._consider(self._reign, watch)):
                return [event]
        return []

    def _begun(self, version: str) -> Reign:
        decisions = [each for each in self._registry.decisions() if each.kind != "rejected"]
        since_ns = next(each.stamp_ns for each in reversed(decisions) if each.version == version)
        model = self._registry.load(version)[0]
        older: dict[str, WorldModel] = {}
        for each in dict.fromkeys(reversed(driven(decisions))):
            if each == version or len(older) == OLDER_VERSIONS:
                continue
            try:
                known = self._registry.load(each)[0]
            except UserError as error:
                logger.warning("there is no way back to a version that drove before: %s", error)
                continue
            if not known.has_policy_of(model):
                # It may foretell well, and fall all the same: only a person returns to another policy.
                break
            older[each] = known
        detectors = {each: Detector() for each in older}
        part = share_of(max(1, len(decisions) - 1))
        threshold = 1.0 / (self._settings.false_rollbacks * part)
        return Reign(version, model, since_ns, older, detectors, threshold)

    def _known(self, reign: Reign) -> list[Watch]:
        """What the ledger holds of a reign that goes on after a restart."""
        segments = {each.number: each for each in self._ledger.records.segments}
        return [
            watch
            for watch in self._ledger.records.watches
            if watch.version == reign.version and segments[watch.segment].first_stamp_ns > reign.since_ns
        ]

    def _new(self, reign: Reign) -> list[Segment]:
        """Segments not looked at yet that began after the version was let in, and are not sealed."""
        return [
            segment
            for segment in self._ledger.records.segments[-BACKLOG:]
            if segment.number > self._seen
            and segment.split is not Split.AUDIT
            and segment.first_stamp_ns > reign.since_ns
        ]

    def _watched(self, reign: Reign, segment: Segment) -> Watch | None:
        """The forecasts of all that are asked; None where the segment tells nothing."""
        windows = self._buffer.windows([segment])
        motion = motion_of(reign.model, windows)
        if motion < self._settings.still or self._plausibility.reason_against(self._newest(segment)):
            return None  # at rest, or of a broken sensor, neither question can be asked
        error = forecast_error(reign.model, windows)
        older = {version: forecast_error(model, windows) for version, model in reign.older.items()}
        return self._ledger.record_watch(reign.version, segment, error, motion, older)

    def _consider(self, reign: Reign, watch: Watch) -> Event | None:
        """Bet on one comparison, and do what follows from it."""
        asked = {version: watch.older[version] for version in reign.older if version in watch.older}
        found = self._better_of_the_older(reign, asked, watch.error)
        before = next(iter(reign.older), None)
        if before in asked and self._is_regretted(reign, asked[before], watch.error):
            return self._roll_back(reign, watch.segment)
        if found is not None:
            version, evidence = found
            reason = f"forecasts the newest segments better than {reign.version}, which came after it"
            evidence = {"segment": watch.segment, "incumbent": reign.version, **evidence}
            self._registry.admit(version, evidence, reason)
            return Event("brought_back", {"version": version, "reason": reason, **evidence}, "warning")
        if self._is_worse(reign, watch.error / watch.motion):
            self.changed = watch.entry
            detail = {"version": reign.version, "segment": watch.segment, "error": watch.error}
            return Event("robot_changed", detail, "warning")
        return None

    def _is_regretted(self, reign: Reign, error_before: float, error: float) -> bool:
        """Whether the version before forecasts better, of all that came since it was replaced."""
        reign.regretted.observe(advantage(error_before, error, self._saturation))
        reign.squares += np.square([error_before, error])
        reign.segments += 1
        better = bool(reign.squares[0] < reign.squares[1])
        return better and reign.regretted.e_value >= reign.rollback_threshold

    def _roll_back(self, reign: Reign, segment: int) -> Event:
        reason = "has forecast worse than the version before it ever since it was let in"
        errors = np.sqrt(reign.squares / reign.segments).tolist()
        evidence = {
            "segment": segment,
            "segments": reign.segments,
            "e_better": reign.regretted.e_value,
            "threshold": reign.rollback_threshold,
            "error": errors[0],
            "incumbent_error": errors[1],
        }
        version = self._registry.rollback(reason, evidence)
        detail = {"version": version, "from": reign.version, "reason": reason, **evidence}
        return Event("rolled_back", detail, "warning")

    def _newest(self, last: Segment) -> list[Segment]:
        """The segments up to `last` that are looked at together for a broken sensor."""
        segments = self._ledger.records.segments
        known = [each for each in segments if each.split is not Split.AUDIT and each.number <= last.number]
        return known[-GROUP:]

    def _better_of_the_older(
        self, reign: Reign, older: dict[str, float], error: float
    ) -> tuple[str, dict[str, Any]] | None:
        """The older version that is shown to know the robot better now, with the evidence."""
        threshold = self._settings.segments_between_returns * len(reign.older)
        best: tuple[str, dict[str, Any]] | None = None
        for version, older_error in older.items():
            e_value = reign.detectors[version].observe(advantage(older_error, error, self._saturation))
            if e_value >= threshold and (best is None or e_value > best[1]["e_better"]):
                evidence = {"e_better": e_value, "threshold": threshold}
                best = version, {**evidence, "error": older_error, "incumbent_error": error}
        return best

    def _is_worse(self, reign: Reign, relative_error: float) -> bool:
        """Whether errors, relative to how far the robot moved, have become larger than usual."""
        settings = self._settings
        error = math.log(max(relative_error, SMALLEST_ERROR))
        if len(reign.usual) < settings.usual_segments:
            reign.usual.append(error)
            return False
        beyond = error - float(np.mean(reign.usual)) - math.log(settings.margin)
        e_value = reign.worse.observe(max(-1.0, min(1.0, beyond / settings.saturation)))
        if e_value < settings.segments_between_alarms:
            return False
        reign.worse = Detector()
        return True


@torch.no_grad()
def motion_of(model: WorldModel, windows: Windows) -> float:
    """How far the robot moves from now over the horizon: RMS, in units of its ordinary change."""
    now = windows.observation[:, model.history]
    change = model.scaling.change(windows.observation[:, model.history + 1 :], now)
    return float(change.square().mean().sqrt())
