from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from servo_arm import ROBOT, random_windows, small_model

from adapt.evaluation.adaptation_online import Deployment, Online, learn_online, measure_online, train_oracle
from adapt.learning.event import Event
from adapt.learning.gate import GateSettings
from adapt.learning.recipes import REAL_DATA_ALONE
from adapt.learning.settings import LearnerSettings
from adapt.learning.update import UpdateSettings
from adapt.model.checkpoint import load_checkpoint, save_checkpoint
from adapt.planning.settings import PlannerSettings
from adapt.stream.tick import Tick

QUICK = LearnerSettings(
    fresh_adapt_s=4.0,
    steps_at_once=20,
    update=UpdateSettings(steps=40, learning_rate=5e-3, **REAL_DATA_ALONE),
    gate=GateSettings(error_rate=0.9),
)


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    checkpoint = tmp_path / "small.safetensors"
    save_checkpoint(checkpoint, small_model(), ROBOT)
    few = PlannerSettings(samples=4)
    return Deployment(ROBOT, "real_arm", checkpoint, random_windows(64), 0.5, 0, QUICK, few)


def test_what_is_admitted_drives_from_then_on(deployment: Deployment, tmp_path: Path) -> None:
    told: list[tuple[int, Event]] = []

    def listen(tick: Tick, events: list[Event]) -> None:
        told.extend((tick.index, event) for event in events)

    path, status = learn_online(deployment, tmp_path / "store", listen)
    admitted = [event.detail["version"] for _, event in told if event.kind == "admitted"]
    assert admitted and status["incumbent"] == admitted[-1] == path.parent.name
    assert sum(each["used"] for each in status["budget"].values()) <= 0.5 * 60 * ROBOT.rate_hz


def test_the_oracle_is_trained_on_the_robot_as_it_becomes(deployment: Deployment) -> None:
    quick = UpdateSettings(steps=3, **REAL_DATA_ALONE)
    before = load_checkpoint(deployment.checkpoint, ROBOT)[0].state_dict()
    after = train_oracle(deployment, 1.0, quick).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(name.startswith("dynamics.") for name in changed)


def test_all_drive_the_same_paths(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "adapt.evaluation.adaptation_online.ORACLE", UpdateSettings(steps=2, **REAL_DATA_ALONE)
    )
    short = replace(deployment, minutes=0.05)
    online = measure_online(short, tmp_path / "store", 1.0, 2, 1.0, 1)
    assert set(online.tracking) == {"direct", "pretrained", "adapted", "oracle"}
    assert all(len(values) == 2 for values in online.tracking.values())
    assert set(online.as_dict()) == {"tracking_rmse_rad", "gap_closed", "ticks", "candidates", "version"}


def test_the_gap_is_that_between_the_pretrained_model_and_the_oracle() -> None:
    pretrained = np.array([0.02, 0.03, 0.025])
    tracking = {
        "pretrained": pretrained.tolist(),
        "adapted": (pretrained - 0.006).tolist(),
        "oracle": (pretrained - 0.008).tolist(),
    }
    closed = Online(tracking, {}).gap_closed
    assert closed.mean == pytest.approx(0.75) and closed.low == pytest.approx(0.75)
