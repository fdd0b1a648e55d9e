from types import SimpleNamespace

import pytest
from small_arm import START_NS, servo_motion, ticks_of, two_joint_arm

from adapt.learning.ledger import Ledger
from adapt.learning.settings import LearnerSettings
from adapt.learning.splits import Split
from adapt.learning.supply import Supply

ARM = two_joint_arm(total_ticks=1_000_000)
SETTINGS = LearnerSettings(fresh_adapt_s=40.0, changed_adapt_s=5.0)


class Deployment:
    """A ledger that fills, of a robot that is always plausible and never found changed by its errors."""

    def __init__(self, folder):
        self.ledger = Ledger(folder / "ledger.sqlite", ARM, lambda: 0)
        plausibility = SimpleNamespace(usable=lambda segments: segments)
        self.supply = Supply(SETTINGS, ARM.rate_hz, self.ledger, plausibility, SimpleNamespace(changed=0))
        self.length = self.ledger.records.plan.segment_ticks
        positions, targets = servo_motion(200 * self.length, 0, 80.0, 12.0, 0.05)
        self.ticks = iter(ticks_of(positions, targets, 0, START_NS))

    def move(self, seconds, split):
        """Store so much in one split, and whatever the plan gives the others meanwhile."""
        wanted, stored = seconds * ARM.rate_hz, 0
        while stored < wanted:
            self.ledger.assign_next_segment()
            self.ledger.store([next(self.ticks) for _ in range(self.length)])
            next(self.ticks), next(self.ticks)
            last = self.ledger.records.segments[-1]
            stored += last.ticks if last.split is split else 0

    def judge(self, name, wins):
        """Train a candidate on the supply, and judge it on some segments."""
        segments = self.supply.segments()
        self.ledger.record_training(name, "pretrained", segments)
        for segment in self.ledger.segments(Split.GATE)[:4]:
            errors = (1.0, 2.0) if wins else (2.0, 1.0)
            self.ledger.record_judgement(name, "pretrained", segment, *errors)
        return [each.number for each in segments]


@pytest.fixture
def deployment(tmp_path):
    made = Deployment(tmp_path)
    made.move(40.0, Split.ADAPT)
    made.move(10.0, Split.GATE)
    return made


def test_after_a_candidate_that_lost_little_and_only_what_is_new_is_learned_from(deployment):
    first = deployment.judge("a", wins=False)
    assert not deployment.supply.enough()
    deployment.move(6.0, Split.ADAPT)
    assert deployment.supply.enough()
    assert min(each.number for each in deployment.supply.segments()) > max(first)


def test_what_came_before_the_change_stays_away_once_a_successor_has_won(deployment):
    first = deployment.judge("a", wins=False)
    deployment.move(6.0, Split.ADAPT)
    deployment.judge("b", wins=True)
    deployment.move(6.0, Split.ADAPT)
    assert not deployment.supply.enough()
    deployment.move(40.0, Split.ADAPT)
    assert deployment.supply.enough()
    assert min(each.number for each in deployment.supply.segments()) > max(first)


def test_a_successor_that_loses_too_shows_that_it_was_no_change_but_too_little(deployment):
    first = deployment.judge("a", wins=False)
    deployment.move(6.0, Split.ADAPT)
    second = deployment.judge("b", wins=False)
    assert not set(first) & set(second)
    assert {*first, *second} <= {each.number for each in deployment.supply.segments()}


def test_a_candidate_that_wins_changes_nothing(deployment):
    first = deployment.judge("a", wins=True)
    deployment.move(6.0, Split.ADAPT)
    assert not deployment.supply.enough()
    assert set(first) <= {each.number for each in deployment.supply.segments()}
