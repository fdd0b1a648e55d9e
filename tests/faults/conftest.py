"""One stack of real processes for many faults: a stand-in that is driven along random paths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

import torch
from ros_domains import domain_of_its_own

from adapt.model.checkpoint import save_checkpoint
from adapt.model.settings import ModelSettings
from adapt.model.world_model import WorldModel
from adapt.robot.load import load_robot
from ros_nodes.fault_stage import Stage
from ros_nodes.node_table import Options
from ros_nodes.own_network import own_network


@pytest.fixture(scope="session")
def domain() -> Iterator[int]:
    with domain_of_its_own(__name__) as number:
        yield number


@pytest.fixture(scope="session")
def options(tmp_path_factory: pytest.TempPathFactory) -> Options:
    """A small model that has learned nothing: the path is sent straight to the servos."""
    store: Path = tmp_path_factory.mktemp("faults")
    torch.manual_seed(0)
    tiny = ModelSettings(latent=16, encoder_hidden=8, layers=1, heads=2, feed_forward=16, linear_rank=16)
    robot = load_robot("so101")
    save_checkpoint(store / "tiny.safetensors", WorldModel(robot, tiny), robot)
    planner = {"controller": "direct"}
    weights = store / "tiny.safetensors"
    return Options("so101", store, checkpoint=weights, sim=True, overrides={"planner": planner})


@pytest.fixture(scope="session")
def stage(domain: int, options: Options) -> Iterator[Stage]:
    with own_network(), Stage(options) as made:
        yield made
