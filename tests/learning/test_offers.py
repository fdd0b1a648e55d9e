"""Versions from elsewhere, such as re-distilled ones, before the same gate."""

from __future__ import annotations

from pathlib import Path

import pytest
from deployment import ARM, Deployment, real_ticks
from small_arm import tiny_model

from adapt.learning.offers import OFFER
from adapt.learning.settings import LearnerSettings
from adapt.learning.splits import Split
from adapt.learning.verification import verify_ledger
from adapt.model.checkpoint import content_hash, save_checkpoint
from adapt.model.world_model import WorldModel

NEVER = LearnerSettings(fresh_adapt_s=1e6)
"""Trains nothing by itself."""


@pytest.fixture(scope="module")
def better(tmp_path_factory: pytest.TempPathFactory, pretrained: WorldModel) -> WorldModel:
    """What a learner elsewhere has made of the pretrained model."""
    elsewhere = Deployment(tmp_path_factory.mktemp("elsewhere"), pretrained)
    elsewhere.live(real_ticks(120.0))
    version = elsewhere.registry.current()
    assert version is not None and version != content_hash(pretrained.state_dict())
    return elsewhere.registry.load(version)[0]


def offer(deployment: Deployment, model: WorldModel, folder: Path, parent: str | None = None) -> str:
    path = folder / "offered.safetensors"
    save_checkpoint(path, model, ARM, parent or deployment.learner.incumbent, {"posterior": "abc"})
    return deployment.registry.adopt(path).version


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-8] + b"\0\1\2\3\4\5\6\7")


def test_what_forecasts_better_is_admitted_on_what_came_after_it(tmp_path, pretrained, better):
    deployment = Deployment(tmp_path, pretrained, NEVER)
    deployment.live(real_ticks(60.0))
    before = len(deployment.ledger.records.segments)
    version = offer(deployment, better, tmp_path)
    events = deployment.live(real_ticks(120.0, skip_s=60.0))
    kinds = [event.kind for event in events]
    assert kinds.index("candidate_offered") < kinds.index("admitted")
    assert deployment.learner.incumbent == deployment.registry.current() == version
    (training,) = deployment.ledger.records.trainings
    known = [each for each in deployment.ledger.records.segments[:before] if each.split is Split.ADAPT]
    assert training.segments == tuple(each.number for each in known)
    assert {each.version for each in deployment.ledger.records.judgements} == {version}
    assert verify_ledger(tmp_path / "ledger.sqlite") == []


def test_what_forecasts_worse_is_rejected_and_not_taken_again(tmp_path, pretrained):
    deployment = Deployment(tmp_path, pretrained, NEVER)
    version = offer(deployment, tiny_model(ARM, seed=5), tmp_path)
    deployment.live(real_ticks(150.0))
    assert [each.kind for each in deployment.registry.decisions(version)] == ["rejected"]
    assert deployment.kinds().count("candidate_offered") == 1
    assert deployment.learner.incumbent == content_hash(pretrained.state_dict())


def test_what_was_made_from_another_version_waits(tmp_path, pretrained):
    deployment = Deployment(tmp_path, pretrained, NEVER)
    offer(deployment, tiny_model(ARM, seed=5), tmp_path, parent="0123456789abcdef")
    deployment.live(real_ticks(20.0))
    assert "candidate_offered" not in deployment.kinds() and deployment.learner.idle


def test_what_the_learner_makes_itself_gives_way_to_it(tmp_path, pretrained, better):
    deployment = Deployment(tmp_path, pretrained)
    seconds = 0.0
    while deployment.learner.status()["candidate"] is None:
        deployment.live(real_ticks(seconds + 1.0, skip_s=seconds))
        seconds += 1.0
    own = deployment.learner.status()["candidate"]
    version = offer(deployment, better, tmp_path)
    deployment.live(real_ticks(seconds + 1.0, skip_s=seconds))
    assert deployment.learner.status()["candidate"] == version
    (decision,) = deployment.registry.decisions(own)
    assert decision.kind == "rejected" and decision.reason == f"version {version} was offered"
    assert verify_ledger(tmp_path / "ledger.sqlite") == []


def test_an_offer_waits_for_the_one_before_it(tmp_path, pretrained, better):
    deployment = Deployment(tmp_path, pretrained, NEVER)
    first = offer(deployment, better, tmp_path)
    deployment.registry.depend(OFFER, first, first, {"why": "it sags"})
    deployment.live(real_ticks(4.0))
    second = offer(deployment, tiny_model(ARM, seed=5), tmp_path)
    deployment.live(real_ticks(8.0, skip_s=4.0))
    assert deployment.learner.status()["candidate"] == first
    assert deployment.registry.decisions(second) == []


def test_a_damaged_one_is_told_and_left(tmp_path, pretrained):
    deployment = Deployment(tmp_path, pretrained, NEVER)
    version = offer(deployment, tiny_model(ARM, seed=5), tmp_path)
    damage(deployment.registry.path(version))
    deployment.live(real_ticks(10.0))
    assert deployment.kinds().count("offer_refused") == 1 and deployment.learner.idle
    assert not deployment.ledger.records.trainings


def test_one_that_acts_at_once_is_told_and_left_where_there_is_a_dead_time(tmp_path, pretrained):
    deployment = Deployment(tmp_path, pretrained, NEVER)
    path = tmp_path / "offered.safetensors"
    save_checkpoint(path, tiny_model(ARM, seed=5), ARM.at_once(), deployment.learner.incumbent)
    deployment.registry.adopt(path)
    events = deployment.live(real_ticks(10.0))
    (refused,) = [event for event in events if event.kind == "offer_refused"]
    assert "acts in the tick in which it plans" in refused.detail["reason"] and deployment.learner.idle


def test_after_a_restart_the_judging_goes_on(tmp_path, pretrained, better):
    first = Deployment(tmp_path, pretrained, NEVER)
    version = offer(first, better, tmp_path)
    first.live(real_ticks(10.0))
    assert first.learner.status()["candidate"] == version
    second = Deployment(tmp_path, pretrained, NEVER)
    assert second.learner.status()["candidate"] == version
    second.live(real_ticks(120.0, skip_s=10.0))
    assert second.learner.incumbent == version and "candidate_offered" not in second.kinds()


def test_after_a_restart_a_damaged_one_is_told_and_left(tmp_path, pretrained, better):
    first = Deployment(tmp_path, pretrained, NEVER)
    version = offer(first, better, tmp_path)
    first.live(real_ticks(10.0))
    damage(first.registry.path(version))
    second = Deployment(tmp_path, pretrained, NEVER)
    second.live(real_ticks(20.0, skip_s=10.0))
    assert second.kinds().count("offer_refused") == 1 and second.learner.idle
    assert second.learner.incumbent == content_hash(pretrained.state_dict())
