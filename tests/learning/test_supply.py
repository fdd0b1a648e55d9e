from types import SimpleNamespace

import pytest
from small_arm import START_NS, servo_motion, ticks_of, two_joint_arm

from adapt.learning.ledger import Ledger
from adapt.learning.settings import LearnerSettings
from adapt.learning.splits import Split
from adapt.learning.supply import Supply

ARM = two_joint_arm(total_ticks=1_000_000)
SETTINGS = LearnerSettings(fresh_adapt_s=20.0, changed_adapt_s=5.0)


class Deployment:
    """A ledger that fills, of a robot that is always plausible and never found changed by its errors."""

    def __init__(self, folder):
        self.ledger = Ledger(folder / "ledger.sqlite", ARM, lambda: 0)
        plausibility = SimpleNamespace(usable=lambda segments: segments)
        self.supply = Supply(SETTINGS, ARM.rate_hz, self.ledger, plausibility, SimpleNamespace(changed=0))
        self.length = self.ledger.records.plan.segment_ticks
        positions, targets = servo_motion(400 * self.length, 0, 80.0, 12.0, 0.05)
        self.ticks = iter(ticks_of(positions, targets, 0, START_NS))

    def move(self, seconds):
        """Store so much in the adapt split, and whatever the plan gives the others meanwhile."""
        stored = 0
        while stored < seconds * ARM.rate_hz:
            self.ledger.assign_next_segment()
            self.ledger.store([next(self.ticks) for _ in range(self.length)])
            next(self.ticks), next(self.ticks)
            last = self.ledger.records.segments[-1]
            stored += last.ticks if last.split is Split.ADAPT else 0

    def train(self, name):
        """Train on the supply; gives the segments."""
        segments = self.supply.segments()
        self.ledger.record_training(name, "pretrained", segments)
        return segments


@pytest.fixture
def deployment(tmp_path):
    made = Deployment(tmp_path)
    made.move(40.0)
    return made


def test_more_of_the_same_is_worth_a_training_once_it_is_as_much_again(deployment):
    assert deployment.supply.enough()
    first = deployment.train("a")
    deployment.move(30.0)
    assert not deployment.supply.enough()
    deployment.move(12.0)
    assert deployment.supply.enough()
    assert set(first) < set(deployment.supply.segments())


def test_after_a_change_little_is_enough_and_what_came_before_stays_away(deployment):
    deployment.train("a")
    deployment.move(10.0)
    deployment.supply.turned = changed = deployment.ledger.records.segments[-1].stored
    assert not deployment.supply.enough(), "of what the robot is now there is nothing yet"
    deployment.move(10.0)
    assert deployment.supply.enough()
    second = deployment.train("b")
    assert all(each.stored > changed for each in second)
    deployment.move(10.0)
    assert not deployment.supply.enough()
    deployment.move(12.0)
    assert deployment.supply.enough()
    assert all(each.stored > changed for each in deployment.supply.segments())


def test_a_candidate_that_wins_too_slowly_gives_way_to_one_that_would_know_far_more(deployment):
    deployment.train("a")
    training = deployment.ledger.records.trainings[-1]
    judging = SimpleNamespace(training=training, winning=True, trial=None)
    deployment.move(60.0)
    assert not deployment.supply.outgrown(judging)
    deployment.move(80.0)
    assert deployment.supply.outgrown(judging)
    assert not deployment.supply.outgrown(SimpleNamespace(training=training, winning=True, trial="begun"))
