"""A learner with its store, on a clock that follows the ticks."""

from multiprocessing.connection import Connection
from pathlib import Path

import torch
from small_arm import (
    PERIOD_NS,
    START_NS,
    servo_motion,
    simulated_windows,
    ticks_of,
    tiny_model,
    two_joint_arm,
)

from adapt.learning.event import Event
from adapt.learning.gate import GateSettings
from adapt.learning.learner import Learner
from adapt.learning.ledger import Ledger
from adapt.learning.settings import LearnerSettings
from adapt.learning.update import UpdateSettings
from adapt.registry.registry import Registry

ARM = two_joint_arm()
LONG_LIVED = two_joint_arm(total_ticks=1_000_000)
QUICK = LearnerSettings(
    fresh_adapt_s=4.0, update=UpdateSettings(steps=6, batch=8), gate=GateSettings(most_segments=3)
)


class Deployment:
    """One life of a learner; another on the same folder goes on from there."""

    def __init__(
        self,
        folder: Path,
        model,
        settings=None,
        robot=ARM,
        seed: int = 0,
        rehearsal=None,
        drives=False,
        examine=None,
    ):
        self.now_ns = START_NS
        self.events: list[Event] = []
        self.registry = Registry(folder / "registry", robot, self.clock)
        self.ledger = Ledger(folder / "ledger.sqlite", robot, self.clock, seed)
        rehearsal = simulated_windows(4) if rehearsal is None else rehearsal
        update = UpdateSettings(steps=120, learning_rate=5e-4, blend=1.0)
        settings = settings or LearnerSettings(fresh_adapt_s=20.0, update=update)
        self.learner = Learner(
            robot, settings, self.registry, self.ledger, model, rehearsal, seed, self.clock, drives, examine
        )

    def clock(self) -> int:
        return self.now_ns

    def live(self, ticks) -> list[Event]:
        """Feed ticks, each at its time, and let the learner finish its work after each."""
        events: list[Event] = []
        for tick in ticks:
            self.now_ns = tick.stamp_ns + PERIOD_NS
            self.learner.feed(tick)
            events += self.learner.work()
            while not self.learner.idle:
                events += self.learner.work()
        self.events += events
        return events

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]


def real_ticks(seconds: float, skip_s: float = 0.0, sag: float = 0.05):
    """Ticks of an arm that is softer than the simulated ones, and sags."""
    first = round(skip_s * 25)
    positions, targets = servo_motion(first + round(seconds * 25), 1, 80.0, 12.0, sag)
    return ticks_of(positions[first:], targets[first:], first, START_NS + first * PERIOD_NS)


def learn_until_killed(folder: Path, told: Connection, life: int) -> None:
    """Learn with all intervals short, from a motion of this life, and send the kind of every event."""
    torch.set_num_threads(1)
    model = tiny_model(LONG_LIVED)
    deployment = Deployment(folder, model, QUICK, LONG_LIVED, rehearsal=simulated_windows(1))
    segments = deployment.ledger.records.segments
    first = segments[-1].last_index + 1 if segments else 0
    positions, targets = servo_motion(80 * 25, life, 80.0, 12.0, 0.05)
    for tick in ticks_of(positions, targets, first, START_NS + first * PERIOD_NS):
        for event in deployment.live([tick]):
            told.send(event.kind)
