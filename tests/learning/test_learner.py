import errno
import json
import sqlite3
from dataclasses import replace

import pytest
from deployment import ARM, QUICK, Deployment, real_ticks
from small_arm import servo_motion, tiny_model, two_joint_arm

from adapt.errors import UserError
from adapt.learning.judging import Forgetting
from adapt.learning.update import forecast_error
from adapt.learning.verification import verify_ledger
from adapt.model.checkpoint import content_hash
from adapt.model.windows import cut_windows
from adapt.registry.registry import Registry


def test_a_better_version_is_admitted_within_two_minutes(tmp_path, pretrained):
    deployment = Deployment(tmp_path, pretrained)
    events = deployment.live(real_ticks(120.0))
    kinds = [event.kind for event in events]
    assert kinds.index("candidate_made") < kinds.index("admitted")
    assert "data_refused" not in kinds
    assert json.loads(json.dumps(deployment.learner.status()))["candidates"] >= 1
    version = deployment.registry.current()
    assert version == deployment.learner.incumbent != content_hash(pretrained.state_dict())
    assert deployment.registry.lineage(version)[-1].version == content_hash(pretrained.state_dict())
    positions, targets = servo_motion(400, 7, 80.0, 12.0, 0.05)
    unseen = cut_windows(positions, targets, targets, 6, 6)
    model = deployment.registry.load(version)[0]
    assert forecast_error(model, unseen) < 0.8 * forecast_error(pretrained, unseen)
    assert verify_ledger(tmp_path / "ledger.sqlite") == []


def test_the_same_ticks_give_the_same_versions_even_over_a_restart(tmp_path):
    model = tiny_model(ARM)
    whole = Deployment(tmp_path / "whole", model, QUICK)
    whole.live(real_ticks(60.0))
    parted = tmp_path / "parted"
    first = Deployment(parted, model, QUICK)
    ticks = list(real_ticks(60.0))
    at_a_border = next(
        number
        for number, tick in enumerate(ticks)
        if tick.stamp_ns == whole.ledger.records.segments[12].last_stamp_ns
    )
    first.live(ticks[: at_a_border + 1])
    second = Deployment(parted, model, QUICK)
    second.live(ticks[at_a_border + 1 :])
    assert second.registry.versions() == whole.registry.versions()
    assert len(whole.registry.versions()) >= 3
    assert second.registry.current() == whole.registry.current()
    assert second.ledger.records.judgements == whole.ledger.records.judgements


def test_the_end_of_the_budget_is_told_once_for_each_split(tmp_path):
    robot = two_joint_arm(total_ticks=1000)
    deployment = Deployment(tmp_path, tiny_model(robot), QUICK, robot)
    events = deployment.live(real_ticks(70.0))
    spent = [event.detail["split"] for event in events if event.kind == "budget_spent"]
    assert sorted(spent) == ["adapt", "audit", "gate"]
    assert deployment.learner.status()["budget"]["adapt"] == {"used": 700, "remaining": 0}
    assert deployment.learner.buffer.refused["budget spent"] > 100
    assert deployment.learner.status()["candidate"] is None
    assert verify_ledger(tmp_path / "ledger.sqlite") == []


def test_a_rollback_by_hand_is_taken_over_and_ends_the_judging(tmp_path, pretrained):
    deployment = Deployment(tmp_path, pretrained)
    ticks = iter(real_ticks(200.0))
    while "admitted" not in deployment.kinds() or deployment.learner.status()["candidate"] is None:
        deployment.live([next(ticks)])
    candidate = deployment.learner.status()["candidate"]
    person = Registry(tmp_path / "registry", ARM, deployment.clock)
    first = person.rollback("it wobbles")
    kinds = [event.kind for event in deployment.learner.work()]
    assert kinds == ["incumbent_changed", "rejected"]
    assert deployment.learner.incumbent == first
    assert person.decisions(candidate)[-1].reason == "the incumbent was changed"


def test_a_better_candidate_that_has_forgotten_the_simulation_is_rejected(tmp_path, pretrained, monkeypatch):
    errors = {
        "rehearsal_error": 9.0,
        "incumbent_rehearsal_error": 0.1,
        "rehearsal_error_always_allowed": 0.2,
    }
    monkeypatch.setattr(Forgetting, "compare", lambda *_: errors)
    deployment = Deployment(tmp_path, pretrained)
    rejected = [event.detail for event in deployment.live(real_ticks(120.0)) if event.kind == "rejected"]
    assert rejected[0]["reason"] == "forgets more of the simulation than it gains"
    assert rejected[0]["e_better"] >= rejected[0]["threshold"]
    assert "admitted" not in deployment.kinds()


def test_ticks_that_cannot_be_learned_from_never_reach_the_ledger(tmp_path):
    deployment = Deployment(tmp_path, tiny_model(ARM), QUICK)
    deployment.live(replace(tick, valid=tick.valid & False) for tick in real_ticks(10.0))
    assert deployment.learner.status()["refused"] == {"incomplete": 250}
    assert deployment.ledger.records.segments == []


def test_another_pretrained_model_is_refused_over_an_old_store(tmp_path):
    Deployment(tmp_path, tiny_model(ARM, seed=0))
    with pytest.raises(UserError, match="began with version"):
        Deployment(tmp_path, tiny_model(ARM, seed=1))


def test_after_a_full_disk_the_learner_goes_on(tmp_path):
    deployment = Deployment(tmp_path, tiny_model(ARM), QUICK)
    ticks = list(real_ticks(60.0))
    deployment.live(ticks[:300])
    connection = deployment.ledger._journal._connection
    full = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {full}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        deployment.live(ticks[300:])
    at = next(n for n, tick in enumerate(ticks) if tick.stamp_ns > deployment.now_ns)
    connection.execute("PRAGMA max_page_count = 1000000")
    segments = len(deployment.ledger.records.segments)
    deployment.live(ticks[at:])
    assert len(deployment.ledger.records.segments) > segments
    assert verify_ledger(tmp_path / "ledger.sqlite") == []


def test_a_disk_that_is_full_when_a_candidate_is_kept_costs_that_candidate_only(tmp_path, monkeypatch):
    deployment = Deployment(tmp_path, tiny_model(ARM), QUICK)
    ticks = list(real_ticks(60.0))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk, pytest.raises(OSError, match="No space"):
        disk.setattr("adapt.registry.registry.save_checkpoint", full)
        deployment.live(ticks)
    assert len(deployment.registry.versions()) == 1
    at = next(number for number, tick in enumerate(ticks) if tick.stamp_ns >= deployment.now_ns)
    deployment.live(ticks[at:])
    assert "candidate_made" in deployment.kinds() and len(deployment.registry.versions()) > 1
    assert verify_ledger(tmp_path / "ledger.sqlite") == []
