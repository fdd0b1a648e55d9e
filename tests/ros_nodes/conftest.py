"""A model to start nodes with."""

from __future__ import annotations

from pathlib import Path

import pytest


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
