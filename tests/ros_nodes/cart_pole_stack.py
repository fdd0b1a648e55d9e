"""The stack of a small robot that moves a cart, with an untrained model and nothing hidden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from adapt.model.checkpoint import save_checkpoint
from adapt.model.settings import ModelSettings
from adapt.model.world_model import WorldModel
from adapt.robot.load import load_robot
from ros_nodes.node_table import Options

FILE = Path(__file__).parents[1] / "sim" / "cart_pole.yaml"


def cart_pole(folder: Path, planner: dict[str, Any], **changes: Any) -> Options:
    """What to start; all files are written to `folder`, and there is no learner."""
    robot, weights = load_robot(str(FILE)), folder / "untrained.safetensors"
    torch.manual_seed(0)
    save_checkpoint(weights, WorldModel(robot, ModelSettings()), robot)
    (folder / "still.yaml").write_text("description: nothing hidden\n")
    return Options(
        str(FILE),
        folder / "store",
        weights,
        sim=True,
        command="0.25",
        scenario=str(folder / "still.yaml"),
        without=frozenset({"learner"}),
        overrides={"planner": planner},
        **changes,
    )
