"""Which version drives the next tick, with its weights at hand: the beat waits for no disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from adapt.errors import UserError
from adapt.model.checkpoint import load_checkpoint
from adapt.model.world_model import WorldModel
from adapt.registry.registry import Registry
from adapt.robot.specification import RobotSpecification

TURN_TOPIC = "/adapt/turn"
"""std_msgs/String, learner to planner: {"version": a candidate or empty, "until_ns": when its turn ends}."""


class Swap(NamedTuple):
    """A change of the version that drives.

    Attributes:
        model: holds the weights to take over.
        version: which drives from now on.
        base: which drives when no candidate has its turn.
    """

    model: WorldModel
    version: str
    base: str


class _Wanted(NamedTuple):
    base: str
    turn: str
    until_ns: int
    models: dict[str, WorldModel]


class DrivingVersion:
    """A version that is kept to by hand goes before a candidate's turn, and that before what is admitted.

    Callbacks tell what is wanted; the control thread asks `due` between two ticks. A turn ends by itself
    when its time is over, so that a learner that was killed leaves the robot to the incumbent.
    """

    def __init__(
        self, specification: RobotSpecification, checkpoint: Path, store: str, clock: Callable[[], int]
    ):
        """Begin with the pretrained version, `checkpoint`; the others are read from `store` (empty for none).

        Raises:
            UserError: the checkpoint is missing, damaged, or of another robot.
        """
        self._specification = specification
        self._checkpoint = checkpoint
        self._store = store
        self._clock = clock
        model, card = load_checkpoint(checkpoint, specification)
        self._pretrained = card.version
        self._kept = self._admitted = ""
        self._wanted = _Wanted(self._pretrained, "", 0, {self._pretrained: model})

    def keep_to(self, version: str) -> None:
        """Let this version drive and no other; empty to follow what is admitted, and its trials.

        Raises:
            UserError: it cannot be read; nothing changes.
        """
        self._want(version or self._admitted or self._pretrained)
        self._kept = version

    def admit(self, version: str) -> None:
        """Let this version drive, unless another is kept to; see `keep_to`.

        Raises:
            UserError: it cannot be read; the one before goes on.
        """
        if not self._kept:
            self._want(version or self._pretrained)
        self._admitted = version

    def take_turn(self, version: str, until_ns: int) -> None:
        """Let a candidate drive until then; empty ends its turn.

        Raises:
            UserError: it cannot be read; no turn begins.
        """
        turn = "" if self._kept else version
        models = self._wanted.models
        if turn and turn not in models:
            models = {**models, turn: self._read(turn)}
        self._wanted = self._wanted._replace(turn=turn, until_ns=until_ns, models=models)

    def due(self, now_ns: int, version: str, base: str) -> Swap | None:
        """What has to be changed for the next tick; None where `version` may go on for `base`."""
        wanted = self._wanted
        on_trial = wanted.turn and now_ns < wanted.until_ns
        drives = wanted.turn if on_trial else wanted.base
        if (drives, wanted.base) == (version, base):
            return None
        return Swap(wanted.models[drives], drives, wanted.base)

    def _want(self, base: str) -> None:
        known = self._wanted.models
        models = {base: known[base] if base in known else self._read(base)}
        # The candidate that is admitted at the end of its trial has no turn any more.
        self._wanted = _Wanted(base, "", 0, models)

    def _read(self, version: str) -> WorldModel:
        if version == self._pretrained:
            return load_checkpoint(self._checkpoint, self._specification)[0]
        if not self._store:
            raise UserError(f"version {version}: no 'store' was given to look in")
        registry = Registry(Path(self._store), self._specification, self._clock)
        try:
            return registry.load(version)[0]
        finally:
            registry.close()
