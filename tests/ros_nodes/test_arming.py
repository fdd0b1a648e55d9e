"""What keeps `adapt up` from arming."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

from adapt.errors import UserError
from adapt.robot.load import find_configuration
from ros_nodes.node_table import Options
from ros_nodes.up import Stack

pytestmark = pytest.mark.ros
QUIET = frozenset({"learner", "recorder", "reference"})


def altered(checkpoint: Path, folder: Path) -> Path:
    """A copy of a checkpoint, one bit of whose weights is another."""
    weights = bytearray(checkpoint.read_bytes())
    weights[-1] ^= 1
    path = folder / "altered.safetensors"
    path.write_bytes(weights)
    path.with_suffix(".json").write_bytes(checkpoint.with_suffix(".json").read_bytes())
    return path


@pytest.mark.parametrize("limit", ["position: [-1.92, 1.92], ", "velocity: 4.0, "])
def test_without_a_limit_nothing_starts(limit: str, domain: int, tmp_path: Path) -> None:
    text = find_configuration("robots", "so101").read_text()
    assert limit in text
    (tmp_path / "arm.yaml").write_text(text.replace(limit, "", 1))
    run = subprocess.run(
        [sys.executable, "-m", "adapt.cli", "up", "--robot", tmp_path / "arm.yaml", "--store", tmp_path],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 2
    assert f"shoulder_pan.{limit.split(':')[0]}' is missing" in run.stderr
    assert not (tmp_path / "logs").exists()


def test_an_altered_model_starts_no_planner(domain: int, checkpoint: Path, tmp_path: Path) -> None:
    options = Options("so101", tmp_path, checkpoint=altered(checkpoint, tmp_path), sim=True, without=QUIET)
    with pytest.raises(UserError, match="the weights are not those of the card"), Stack(options) as stack:
        stack.start()


def test_a_model_that_the_safety_node_cannot_verify_is_not_armed(
    domain: int, checkpoint: Path, tmp_path: Path
) -> None:
    other = {"safety": {"checkpoint": str(altered(checkpoint, tmp_path))}}
    options = Options("so101", tmp_path, checkpoint=checkpoint, sim=True, without=QUIET, overrides=other)
    with Stack(options) as stack:
        stack.start()
        with pytest.raises(UserError, match=r"/safety/arm: arm is refused: .* was not verified: .* holds"):
            stack.arm(timeout_s=5.0)
