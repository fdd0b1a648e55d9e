"""`adapt doctor --live` in a process of its own, before a robot that publishes here."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

rclpy = pytest.importorskip("rclpy")

from sensor_msgs.msg import JointState  # noqa: E402

from adapt.robot.load import load_robot  # noqa: E402
from ros_nodes.base import SENSOR, to_stamp  # noqa: E402

pytestmark = pytest.mark.ros
JOINTS = load_robot("so101").action.entries


def test_live_topics_are_listened_to_and_judged(domain):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node("arm", context=context)
    publisher = node.create_publisher(JointState, "/joint_states", SENSOR)
    command = [sys.executable, "-m", "adapt.cli", "doctor", "--robot", "so101"]
    doctor = subprocess.Popen(
        [*command, "--live", "--seconds", "4", "--json"], stdout=subprocess.PIPE, text=True
    )
    try:
        while doctor.poll() is None:
            message = JointState(name=list(JOINTS), position=[0.1] * 6)
            message.header.stamp = to_stamp(node.get_clock().now().nanoseconds)
            publisher.publish(message)
            time.sleep(0.02)
        out, _ = doctor.communicate()
    finally:
        doctor.kill()
        node.destroy_node()
        rclpy.shutdown(context=context)
    found = json.loads(out.splitlines()[-1])
    assert doctor.returncode == 1
    by_name = {field["name"]: field for field in found["fields"]}
    assert by_name["channels.joint_position"]["messages"] > 10
    assert by_name["channels.joint_position"]["non_finite"] == 0
    assert [problem for problem in found["problems"] if "joint_position" in problem] == []
    assert any("/joint_commands is not in the live topics" in problem for problem in found["problems"])
