"""A bag of a simple arm, and a checkpoint that learns in seconds, for the commands to work on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from adapt.bags.topic import standard_types
from adapt.bags.writer import BagWriter
from adapt.model.checkpoint import save_checkpoint
from adapt.model.settings import ModelSettings
from adapt.model.world_model import WorldModel
from adapt.robot.load import load_robot

ROBOT = load_robot("so101")
START_NS = 1_700_000_000_000_000_000
JOINT_STATE = "sensor_msgs/msg/JointState"
SMALL = ModelSettings(latent=16, encoder_hidden=16, layers=1, heads=2, feed_forward=16, linear_rank=16)


def write_bag(folder: Path, seconds: float = 60.0) -> Path:
    """Servos at 50 Hz that go a fifth of the way to their target with each message."""
    types = standard_types().types
    position, target = np.zeros(6), np.zeros(6)
    with BagWriter(folder) as writer:
        for topic in ("/joint_states", "/joint_commands"):
            writer.add_topic(topic, JOINT_STATE)
        for number in range(round(seconds * 50)):
            stamp_ns = START_NS + number * 20_000_000
            target = 0.4 * np.sin(np.arange(1, 7) * 0.01 * number)
            for topic, values in (("/joint_states", position), ("/joint_commands", target)):
                stamp = types["builtin_interfaces/msg/Time"](
                    sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000
                )
                message = types[JOINT_STATE](
                    header=types["std_msgs/msg/Header"](stamp=stamp, frame_id=""),
                    name=list(ROBOT.action.entries),
                    position=values.copy(),
                    velocity=np.empty(0),
                    effort=np.empty(0),
                )
                writer.write_message(topic, stamp_ns, message)
            position = position + 0.2 * (target - position)
    return folder


def write_checkpoint(path: Path) -> Path:
    torch.manual_seed(0)
    save_checkpoint(path, WorldModel(ROBOT, SMALL), ROBOT)
    return path
