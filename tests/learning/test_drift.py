import numpy as np
import pytest
from deployment import ARM, Deployment, real_ticks
from small_arm import PERIOD_NS, START_NS, servo_motion, ticks_of, tiny_model

from adapt.learning.drift import Detector, DriftSettings
from adapt.learning.gate import BettingTest, share_of
from adapt.learning.settings import LearnerSettings
from adapt.learning.update import forecast_error
from adapt.learning.verification import verify_ledger
from adapt.model.checkpoint import content_hash
from adapt.model.windows import cut_windows


def segments_until(values, threshold: float) -> int:
    detector = Detector()
    for number, value in enumerate(values, start=1):
        if detector.observe(value) >= threshold:
            return number
    return len(values)


@pytest.mark.parametrize("deviation", [0.1, 0.5, 1.0])
def test_without_a_change_alarms_are_as_rare_as_promised(deviation):
    generator = np.random.default_rng(0)
    runs = [segments_until(np.clip(generator.normal(0, deviation, 2000), -1, 1), 100.0) for _ in range(60)]
    assert np.mean(runs) >= 100.0


def test_a_change_is_told_soon_however_long_all_was_well_before():
    generator = np.random.default_rng(1)
    for before in (0, 100, 2000):
        values = np.concatenate([generator.normal(-0.5, 0.3, before), np.ones(40)])
        assert before < segments_until(np.clip(values, -1, 1), 1000.0) <= before + 20


class ChangingArm:
    """Whatever it does, its clock and tick numbers go on."""

    def __init__(self):
        self.first = 0

    def motion(self, seconds: float, stiffness: float, damping: float, sag: float):
        positions, targets = servo_motion(round(seconds * 25), self.first, stiffness, damping, sag)
        first, self.first = self.first, self.first + len(positions)
        return ticks_of(positions, targets, first, START_NS + first * PERIOD_NS)


def error_on(model, stiffness: float, damping: float, sag: float) -> float:
    positions, targets = servo_motion(400, 77, stiffness, damping, sag)
    return forecast_error(model, cut_windows(positions, targets, targets, 6, 6))


def test_a_change_is_learned_at_once_and_the_old_version_comes_back_with_the_old_conditions(
    tmp_path, pretrained
):
    soft, stiff = (80.0, 12.0, 0.05), (250.0, 24.0, -0.15)
    arm, deployment = ChangingArm(), Deployment(tmp_path, pretrained)
    deployment.live(arm.motion(120, *soft))
    knows_soft = deployment.learner.incumbent
    assert "admitted" in deployment.kinds() and "robot_changed" not in deployment.kinds()

    events = [event.kind for event in deployment.live(arm.motion(150, *stiff))]
    assert "robot_changed" in events or "brought_back" in events
    knows_stiff = deployment.learner.incumbent
    assert knows_stiff != knows_soft
    models = {name: deployment.registry.load(name)[0] for name in (knows_soft, knows_stiff)}
    assert error_on(models[knows_stiff], *stiff) < error_on(models[knows_soft], *stiff)

    events = [event for event in deployment.live(arm.motion(80, *soft)) if event.kind == "brought_back"]
    decision = deployment.registry.decisions(events[0].detail["version"])[-1]
    assert decision.kind == "admitted" and decision.evidence["e_better"] >= decision.evidence["threshold"]
    back = deployment.registry.load(events[0].detail["version"])[0]
    assert error_on(back, *soft) < error_on(models[knows_stiff], *soft)
    assert verify_ledger(tmp_path / "ledger.sqlite") == []


def with_a_bad_admission(folder, pretrained, another_policy: bool = False) -> Deployment:
    """The gate was wrong, or somebody by hand: a version drives that knows less than the one before."""
    deployment = Deployment(folder, pretrained, LearnerSettings(fresh_adapt_s=1e6))
    if len(deployment.registry.versions()) == 1:
        model = tiny_model(ARM, seed=5)
        if not another_policy:
            model.policy.load_state_dict(pretrained.policy.state_dict())
        worse = deployment.registry.add(model, deployment.learner.incumbent, {}).version
        deployment.now_ns += 1
        deployment.registry.admit(worse, {}, "by hand")
    return deployment


def test_an_admission_that_was_a_mistake_is_rolled_back_and_a_restart_changes_nothing(tmp_path, pretrained):
    first = content_hash(pretrained.state_dict())
    ticks = list(real_ticks(60.0, skip_s=0.2))
    whole = with_a_bad_admission(tmp_path / "whole", pretrained)
    (event,) = [event for event in whole.live(ticks) if event.kind == "rolled_back"]
    assert whole.registry.current() == whole.learner.incumbent == first
    decision = whole.registry.decisions()[-1]
    assert decision.kind == "rolled_back" and decision.evidence["from"] == event.detail["from"] != first
    assert decision.evidence["e_better"] >= decision.evidence["threshold"] > 32.0
    watches = whole.ledger.records.watches
    assert len(watches) > decision.evidence["segments"] and set(watches[0].older) == {first}
    assert verify_ledger(tmp_path / "whole" / "ledger.sqlite") == []

    parted = tmp_path / "parted"
    border_ns = whole.ledger.records.segments[3].last_stamp_ns
    before = with_a_bad_admission(parted, pretrained)
    before.live([tick for tick in ticks if tick.stamp_ns <= border_ns])
    assert before.ledger.records.watches and before.registry.current() != first
    after = with_a_bad_admission(parted, pretrained)
    after.live([tick for tick in ticks if tick.stamp_ns > border_ns])
    assert after.ledger.records.watches == watches
    assert after.registry.decisions()[-1].evidence == decision.evidence


def test_forecasts_alone_do_not_bring_back_another_policy(tmp_path, pretrained):
    deployment = with_a_bad_admission(tmp_path, pretrained, another_policy=True)
    kinds = [event.kind for event in deployment.live(real_ticks(60.0, skip_s=0.2))]
    assert not {"rolled_back", "brought_back"} & set(kinds)
    assert deployment.ledger.records.watches[-1].older == {}


def test_a_kill_between_what_was_seen_and_the_rollback_is_made_good(tmp_path, pretrained, monkeypatch):
    killed = with_a_bad_admission(tmp_path, pretrained)

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("adapt.registry.registry.Registry.rollback", kill)
        killed.live(real_ticks(60.0, skip_s=0.2))
    again = with_a_bad_admission(tmp_path, pretrained)
    assert "rolled_back" in [event.kind for event in again.learner.work()]
    assert again.registry.current() == content_hash(pretrained.state_dict())


def test_versions_that_forecast_alike_are_rolled_back_no_more_often_than_is_promised():
    generator = np.random.default_rng(2)
    runs, rolled_back = 200, 0
    for _ in range(runs):
        for admission in range(1, 4):
            test = BettingTest()
            for value in np.clip(generator.normal(0, 0.5, 200), -1, 1):
                test.observe(value)
                if test.e_value >= 1.0 / (DriftSettings().false_rollbacks * share_of(admission)):
                    rolled_back += 1
                    break
    assert rolled_back <= 0.05 * runs
