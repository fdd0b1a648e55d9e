"""The whole demonstration, shortened to what one can wait for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

from adapt.errors import UserError
from adapt.evaluation.demo_report import LABELS
from ros_nodes.demo import demonstrate
from ros_nodes.exercises import ExerciseSettings

SHORT = ExerciseSettings(
    episodes=5,
    episode_s=1.5,
    return_s=1.0,
    settle_s=0.2,
    adapt_s=3.0,
    fault_after_s=8.0,
    after_fault_s=4.0,
    incident_s=20.0,
)


@pytest.mark.ros
@pytest.mark.slow
def test_a_short_demonstration_reports_what_it_did_not_show(tmp_path: Path, domain: int) -> None:
    code = demonstrate("so101", tmp_path / "demo", "hard_used", SHORT)
    data = json.loads((tmp_path / "demo" / "report.json").read_text())
    assert code == 1 and any("the gate let no version in" in each for each in data["problems"])
    errors = data["tracking_rmse_rad"]
    assert set(errors) == set(LABELS) and all(error["n"] == 5 for error in errors.values())
    assert errors["pretrained"]["mean"] < errors["direct"]["mean"]
    assert data["control"]["ticks"] > 1000 and data["budget"]["adapt"]["used"] > 0
    if data["incident"] is not None:
        assert data["replay"]["same_ticks"] and Path(data["incident"]["path"]).is_dir()
    assert "<svg" in (tmp_path / "demo" / "report.html").read_text()
    with pytest.raises(UserError, match="holds versions of an earlier run"):
        demonstrate("so101", tmp_path / "demo", "hard_used", SHORT)
