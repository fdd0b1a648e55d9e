from typing import Any

import pytest
from deployment import Deployment, real_ticks
from small_arm import PERIOD_NS, START_NS, servo_motion, ticks_of

from adapt.learning.gate import GateSettings
from adapt.learning.judging import forgets_too_much
from adapt.learning.settings import LearnerSettings
from adapt.learning.update import UpdateSettings


def evidence(**changes: float) -> dict[str, Any]:
    fair = {
        "candidate_error": 0.1,
        "incumbent_error": 0.4,
        "rehearsal_error": 0.2,
        "incumbent_rehearsal_error": 0.05,
        "rehearsal_error_always_allowed": 0.07,
    }
    return {**fair, **changes}


@pytest.mark.parametrize(
    ("changes", "too_much"),
    [
        ({}, False),
        ({"rehearsal_error": 0.36}, True),
        ({"candidate_error": 0.38}, True),
        ({"candidate_error": 0.38, "rehearsal_error": 0.069}, False),
        ({"candidate_error": 0.5, "rehearsal_error": 0.071}, True),
    ],
)
def test_what_is_lost_in_simulation_is_weighed_against_what_is_gained(changes, too_much):
    assert forgets_too_much(evidence(**changes)) is too_much


def test_without_a_rehearsal_set_nothing_is_bounded():
    assert not forgets_too_much({"candidate_error": 0.1, "incumbent_error": 0.4})


def test_a_candidate_that_wins_and_then_loses_tells_when_the_robot_changed(tmp_path, pretrained):
    update = UpdateSettings(steps=120, learning_rate=5e-4)
    # Not even many wins let it in: the change is to come before.
    settings = LearnerSettings(fresh_adapt_s=20.0, update=update, gate=GateSettings(error_rate=1e-9))
    deployment = Deployment(tmp_path, pretrained, settings)
    before = list(real_ticks(110.0))
    while "candidate_made" not in deployment.kinds():
        deployment.live([before.pop(0)])
    made_at = len(deployment.ledger.records.segments)
    deployment.live(before[: 15 * 25])
    assert deployment.learner._judging.turned is None
    change = deployment.ledger.records.segments[-1]
    first = change.last_index + 10
    positions, targets = servo_motion(120 * 25, 2, stiffness=300.0, damping=20.0)
    after = iter(ticks_of(positions, targets, first, START_NS + first * PERIOD_NS))
    while "robot_changed" not in deployment.kinds():
        deployment.live([next(after)])
    event = next(each for each in deployment.events if each.kind == "robot_changed")
    segments = deployment.ledger.records.segments
    assert segments[made_at].stored <= event.detail["entry"] <= change.stored
    version = event.detail["version"]
    assert "robot has changed" in deployment.registry.decisions(version)[-1].reason
    assert {each.version for each in deployment.ledger.records.hindsights} == {version}
    again = Deployment(tmp_path, pretrained, settings)
    assert again.learner._supply.turned == event.detail["entry"]
    deployment.live(after)
    successor = [each for each in deployment.events if each.kind == "candidate_made"][1]
    stored = {each.number: each.stored for each in deployment.ledger.records.segments}
    assert all(stored[number] > event.detail["entry"] for number in successor.detail["segments"])
