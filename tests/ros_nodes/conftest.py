"""ROS on this machine only, and a domain of its own for every test that starts nodes."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

# Before rclpy is imported anywhere. Shared memory would stay behind after a node is killed.
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
os.environ["FASTDDS_BUILTIN_TRANSPORTS"] = "UDPv4"


@pytest.fixture
def domain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """A ROS domain from 1 to 100, also in the environment; odd and even ones for two workers."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    number = 1 + (2 * zlib.crc32(request.node.nodeid.encode()) + worker) % 100
    monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
    return number


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the SO-101 that has learned nothing: the stack is tested here, not the driving."""
    import torch

    from adapt.model.checkpoint import save_checkpoint
    from adapt.model.settings import ModelSettings
    from adapt.model.world_model import WorldModel
    from adapt.robot.load import load_robot

    torch.manual_seed(0)
    robot = load_robot("so101")
    path = tmp_path_factory.mktemp("checkpoint") / "untrained.safetensors"
    save_checkpoint(path, WorldModel(robot, ModelSettings()), robot)
    return path
