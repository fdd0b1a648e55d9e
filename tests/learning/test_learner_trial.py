"""The learner where the robot follows whose turn it is, where it does not, and where it cannot."""

from dataclasses import replace

import pytest
from deployment import Deployment, real_ticks

from adapt.learning.gate import GateSettings, TrialSettings
from adapt.learning.settings import LearnerSettings
from adapt.learning.update import UpdateSettings
from adapt.learning.verification import verify_ledger

TRIAL = TrialSettings(episode_s=2.0, settle_s=0.2, margin=0.9, saturation=0.5)


def deployment(folder, pretrained, closed_loop: bool = True, drives: bool = True) -> Deployment:
    update = UpdateSettings(steps=120, learning_rate=5e-4, blend=1.0)
    gate = GateSettings(error_rate=0.3, closed_loop=closed_loop, trial=TRIAL)
    settings = LearnerSettings(fresh_adapt_s=20.0, update=update, gate=gate)
    made = Deployment(folder, pretrained, settings, drives=drives)
    made.learner.hear("safety_state", {"state": "running"})
    return made


def step(made: Deployment, ticks) -> None:
    """Whose turn it is drives; it makes no difference to this arm."""
    made.live([replace(next(ticks), version=made.learner.turn or made.learner.incumbent)])


def drive(made: Deployment, ticks, until: str) -> None:
    while until not in made.kinds():
        step(made, ticks)


def test_a_candidate_is_admitted_after_its_trial_and_a_kill_in_the_middle_changes_nothing(
    tmp_path, pretrained
):
    ticks = real_ticks(500.0)
    first = deployment(tmp_path, pretrained)
    drive(first, ticks, "trial_pair")
    candidate = first.learner.status()["candidate"]
    while first.learner.turn != candidate:
        step(first, ticks)
    judged, turns = len(first.ledger.records.judgements), len(first.ledger.records.turns)

    again = deployment(tmp_path, pretrained)
    assert again.learner.status()["gate"]["closed_loop"]["pairs"] >= 1
    drive(again, ticks, "admitted")
    assert again.learner.incumbent == candidate and again.learner.turn == ""
    decision = again.registry.decisions(candidate)[-1]
    assert "forecasts real motion better and drives" in decision.reason
    assert decision.evidence["closed_loop"]["e_not_worse"] >= decision.evidence["threshold"]
    # Forecasts had been decided on, and whole pairs counted.
    assert len(again.ledger.records.judgements) == judged
    assert len(again.ledger.records.turns) > turns
    assert verify_ledger(tmp_path / "ledger.sqlite") == []


def test_while_the_robot_is_stopped_no_samples_are_spent(tmp_path, pretrained):
    made, ticks = deployment(tmp_path, pretrained), real_ticks(60.0)
    made.live([next(ticks) for _ in range(10 * 25)])
    made.learner.hear("safety_state", {"state": "stopped"})
    before = len(made.ledger.records.segments)
    made.live([next(ticks) for _ in range(20 * 25)])
    assert len(made.ledger.records.segments) == before
    assert made.learner.status()["refused"]["stopped"] == 20 * 25
    made.learner.hear("safety_state", {"state": "running"})
    made.live(ticks)
    assert len(made.ledger.records.segments) > before
    assert verify_ledger(tmp_path / "ledger.sqlite") == []


@pytest.mark.parametrize(
    ("closed_loop", "drives", "said"),
    [(True, False, "not possible offline"), (False, True, "switched off")],
)
def test_without_turns_the_decision_says_why(tmp_path, pretrained, closed_loop, drives, said):
    made = deployment(tmp_path, pretrained, closed_loop, drives)
    drive(made, real_ticks(300.0), "admitted")
    assert made.registry.decisions()[-1].evidence["closed_loop"] == said
    assert made.ledger.records.turns == []


def test_a_candidate_that_nobody_lets_drive_makes_room_for_one_that_knows_twice_as_much(tmp_path, pretrained):
    made = deployment(tmp_path, pretrained)
    ticks = real_ticks(600.0)
    while "rejected" not in made.kinds():
        made.live([replace(next(ticks), version="kept by hand")])
    assert "trial_begun" in made.kinds()
    rejected = next(event for event in made.events if event.kind == "rejected")
    assert "successor" in rejected.detail["reason"]
    assert rejected.detail["closed_loop"]["pairs"] == 0
