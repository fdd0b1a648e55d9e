"""A node that is started while the network is away."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from geometry_msgs.msg import TwistStamped
from listener import Listener

from ros_nodes.network import network_is_up
from ros_nodes.own_network import interrupted_network, own_network

pytestmark = pytest.mark.ros
COMMAND = [sys.executable, "-m", "ros_nodes.reference_node", "--ros-args"]
PARAMETERS = ["-p", "robot:=go2", "-p", "command:=0.5 0 0"]


def test_a_node_waits_for_the_network_and_then_is_heard(domain: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with own_network() as is_own:
        if not is_own:
            pytest.skip("only root may cut a network")
        assert network_is_up()
        with log.open("w") as file, Listener(domain) as listener:
            heard = listener.hear(TwistStamped, "/cmd_vel")
            with interrupted_network():
                assert not network_is_up()
                process = subprocess.Popen([*COMMAND, *PARAMETERS], stdout=file, stderr=file)
                listener.until(lambda: "waiting" in log.read_text())
            try:
                listener.until(lambda: heard)
            finally:
                process.send_signal(signal.SIGINT)
                assert process.wait(30) == 0
    assert log.read_text().count("waiting") == 1


def test_who_waits_can_be_ended(domain: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with own_network() as is_own:
        if not is_own:
            pytest.skip("only root may cut a network")
        with log.open("w") as file, interrupted_network():
            process = subprocess.Popen([*COMMAND, *PARAMETERS], stdout=file, stderr=file)
            try:
                deadline = time.monotonic() + 60
                while "waiting" not in log.read_text():
                    assert process.poll() is None and time.monotonic() < deadline
            finally:
                process.send_signal(signal.SIGINT)
                assert process.wait(30) == 0
