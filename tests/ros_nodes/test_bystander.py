"""A robot that is put back after each attempt, over DDS and in its own time."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

import torch

from adapt.model.checkpoint import load_card, save_checkpoint
from adapt.model.settings import ModelSettings
from adapt.model.world_model import WorldModel
from adapt.robot.load import load_robot
from ros_nodes.bystander import drive_again_and_again
from ros_nodes.node_table import Options

pytestmark = pytest.mark.ros
FILE = Path(__file__).parents[1] / "sim" / "cart_pole.yaml"


def test_attempts_follow_each_other_until_what_is_waited_for_or_until_time_is_up(
    domain: int, tmp_path: Path
) -> None:
    robot, weights = load_robot(str(FILE)), tmp_path / "untrained.safetensors"
    torch.manual_seed(0)
    save_checkpoint(weights, WorldModel(robot, ModelSettings()), robot)
    (tmp_path / "still.yaml").write_text("description: nothing hidden\n")
    options = Options(
        str(FILE),
        tmp_path / "store",
        weights,
        sim=True,
        command="0.25",
        scenario=str(tmp_path / "still.yaml"),
        simulated_time=True,
        without=frozenset({"learner"}),
        overrides={"planner": {"controller": "policy"}},
    )
    shares: list[float] = []
    found = drive_again_and_again(options, 0.5, 1.2, progress=lambda share, note: shares.append(share))
    assert not found.ended and len(found.attempts) == len(shares) >= 2
    assert sum(each.seconds for each in found.attempts) >= 1.2 - 1e-6
    assert {each.version for each in found.attempts} == {load_card(weights).version}
    assert not any(each.fell for each in found.attempts)
    # From the same place each time: nobody gets far in half a second.
    assert all(abs(each.progress_m) < 1.0 for each in found.attempts)

    found = drive_again_and_again(options, 60.0, 60.0, lambda seen: bool(seen.events("version_drives")))
    assert found.ended and len(found.attempts) <= 1
