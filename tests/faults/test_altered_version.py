"""A version whose file was altered on the disk, told to nodes that are driving."""

from __future__ import annotations

import pytest
from std_msgs.msg import String

from adapt.model.checkpoint import load_checkpoint
from adapt.registry.registry import Registry
from adapt.robot.load import load_robot
from ros_nodes.base import LATCHED, temporary_node
from ros_nodes.fault_stage import Stage

pytestmark = pytest.mark.ros


def test_an_altered_version_never_drives_and_the_one_before_goes_on(stage: Stage) -> None:
    options, robot = stage.stack.options, load_robot("so101")
    stage.until(lambda: "version" in stage.stack.diagnostics.get("planner", {}), "the planner's diagnostics")
    before = stage.stack.diagnostics["planner"]["version"]
    model, _ = load_checkpoint(options.checkpoint, robot)
    for weight in model.dynamics_parameters().values():
        weight.data *= 1.01
    registry = Registry(options.store, robot, lambda: 0)
    # Without a parent it is no offer, which the learner might read before it is altered.
    version = registry.add(model, None, {"segments": []}).version
    path = registry.path(version)
    registry.close()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)

    log = stage.process("planner").log
    told = len(log.read_bytes())
    with temporary_node("liar") as (node, _):
        publisher = node.create_publisher(String, "/adapt/admitted_version", LATCHED)
        publisher.publish(String(data=version))
        stage.until(lambda: version.encode() in log.read_bytes()[told:], "the planner's refusal")
    stage.until_running()
    stage.wait(1.5)
    assert stage.stack.diagnostics["planner"]["version"] == before != version
    assert not stage.witness.limits.broken
