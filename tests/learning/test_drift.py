import numpy as np
import pytest
from deployment import Deployment
from small_arm import PERIOD_NS, START_NS, servo_motion, ticks_of

from adapt.learning.drift import Detector
from adapt.learning.update import forecast_error
from adapt.learning.verification import verify_ledger
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
