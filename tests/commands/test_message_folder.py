"""Bags of a type that only a folder of .msg files tells."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from small_robot import START_NS

from adapt.bags.topic import describe_topic
from adapt.bags.writer import BagWriter
from adapt.robot.load import find_configuration

TYPE, DEFINITION = "arm_msgs/msg/Joints", "string[] name\nfloat64[] position\n"


@pytest.fixture(scope="module")
def own_arm(tmp_path_factory) -> tuple[Path, Path, Path]:
    """Robot file, a bag that does not define its type, and the folder that does."""
    folder = tmp_path_factory.mktemp("own_arm")
    content = yaml.safe_load(find_configuration("robots", "so101").read_text())
    content["channels"]["joint_position"]["type"] = content["action"]["type"] = TYPE
    content.pop("simulation")
    robot = folder / "own_arm.yaml"
    robot.write_text(yaml.safe_dump(content, sort_keys=False))
    (folder / "arm_msgs" / "msg").mkdir(parents=True)
    (folder / "arm_msgs" / "msg" / "Joints.msg").write_text(DEFINITION)
    types = get_typestore(Stores.ROS2_JAZZY)
    types.register(get_types_from_msg(DEFINITION, TYPE))
    names = content["channels"]["joint_position"]["names"]
    with BagWriter(folder / "bag", types) as writer:
        for topic in ("/joint_states", "/joint_commands"):
            description = describe_topic(topic, TYPE, types=types)
            writer.add_described_topic(replace(description, definition="", encoding=""))
        for number in range(500):
            position = np.full(6, 0.3 * math.sin(0.02 * number))
            for topic in ("/joint_states", "/joint_commands"):
                message = types.types[TYPE](name=names, position=position)
                writer.write_message(topic, START_NS + number * 20_000_000, message)
    return robot, folder / "bag", folder


def test_doctor_names_the_type_and_reads_it_from_the_folder(adapt, own_arm):
    robot, bag, folder = own_arm
    arguments = ("doctor", "--robot", robot, "--bag", bag)
    problems = adapt.json(*arguments, code=1)["problems"]
    assert any(TYPE in problem and "--msg-dir" in problem for problem in problems)
    assert adapt.json(*arguments, "--msg-dir", folder)["problems"] == []


def test_a_replay_reads_it_from_the_folder(adapt, own_arm, checkpoint, tmp_path):
    robot, bag, folder = own_arm
    arguments = ("replay", bag, "--robot", robot, "--scratch", "--learn-minutes", 0.08, "--out", tmp_path)
    refused = adapt(*arguments)
    assert refused[0] == 2 and TYPE in refused[2] and "--msg-dir" in refused[2]
    assert adapt.json(*arguments, "--msg-dir", folder)["windows"] > 50
