"""The stack with real processes over DDS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

from listener import Listener
from rich.console import Console
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import JointState

from adapt.bags.writer import BagWriter
from adapt.errors import UserError
from adapt.robot.load import load_robot
from ros_nodes import up as module
from ros_nodes.node_table import Options
from ros_nodes.processes import NodeProcess
from ros_nodes.up import Stack, up

pytestmark = pytest.mark.ros


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def make_options(store: Path, checkpoint: Path, **changes: Any) -> Options:
    weights = {"checkpoint": str(checkpoint)}
    return Options(
        **{
            "robot": "so101",
            "store": store,
            "sim": True,
            "overrides": {"planner": weights, "learner": weights},
            **changes,
        }
    )


def test_starts_all_tells_a_death_and_ends_with_the_robot_first(
    domain: int, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[list[str]] = []
    end = module.end

    def watched(processes: Any, timeout_s: float) -> list[str]:
        asked = list(processes)
        ended.append([process.name for process in asked if process.exit_code is None])
        return end(asked, timeout_s)

    monkeypatch.setattr(module, "end", watched)
    # In simulated time, which must not stop before all who live in it have ended.
    options = make_options(tmp_path, checkpoint, simulated_time=True, no_restart=frozenset({"planner"}))
    with Stack(options) as stack:
        stack.start()
        stack.arm()
        assert list(stack.processes) == ["stand_in", "safety", "planner", "learner", "recorder", "reference"]
        assert not stack.tend()
        with (
            pytest.raises(UserError, match=rf"ROS domain {domain} is in use: .*ROS_DOMAIN_ID"),
            Stack(make_options(tmp_path / "other", checkpoint)) as second,
        ):
            second.start()
        assert all(process.exit_code is None for process in stack.processes.values())

        planner = stack.processes["planner"]
        os.kill(planner.pid, signal.SIGKILL)
        assert planner.wait(10)
        (death,) = stack.tend()
        assert str(death).startswith("node 'planner' was ended by SIGKILL") and death.log.is_file()
        assert str(death).endswith("the robot was stopped, until /safety/reset")
        assert not stack.tend() and [each.node for each in stack.deaths()] == ["planner"]
        # The robot is held by those who stay.
        with Listener(domain) as listener:
            states = listener.hear(JointState, "/joint_states")
            listener.until(lambda: len(states) > 5)
        assert stack.processes["safety"].exit_code is None
        processes = stack.processes
    assert ended[-3:] == [["safety"], ["learner", "recorder", "reference"], ["stand_in"]]
    codes = {name: process.exit_code for name, process in processes.items()}
    assert codes == {"stand_in": 0, "safety": 0, "planner": -9, "learner": 0, "recorder": 0, "reference": 0}
    assert not stack.killed


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (
            {"chekpoint": "x"},
            "'planner' ended with exit code 2: parameter 'chekpoint' of node 'planner': unknown",
        ),
        ({"checkpoint": "/not/there"}, "'planner': configure failed: .*/not/there"),
    ],
)
def test_a_node_that_does_not_start_is_named_with_its_reason(
    domain: int, tmp_path: Path, parameters: dict[str, str], reason: str
) -> None:
    options = Options(
        robot="so101",
        store=tmp_path,
        sim=True,
        without=frozenset({"learner", "recorder"}),
        overrides={"planner": parameters},
    )
    with pytest.raises(UserError, match=reason) as caught, Stack(options) as stack:
        stack.start()
    assert "\n" not in str(caught.value)
    assert not any(alive(process.pid) for process in stack.processes.values())


RUN = """
import sys
from pathlib import Path
from ros_nodes.node_table import Options
from ros_nodes.up import up
sys.exit(up(Options(robot="so101", store=Path(sys.argv[1]), sim=True, without=frozenset({"learner"}),
                    overrides={"planner": {"checkpoint": sys.argv[2]}})))
"""


@pytest.mark.parametrize("when", ["while it starts", "while it runs"])
def test_ctrl_c_at_any_moment_ends_all(when: str, domain: int, checkpoint: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path), str(checkpoint)], stdout=subprocess.PIPE, text=True
    )
    log = tmp_path / "logs" / "safety.log"
    awaited = "" if when == "while it starts" else "armed"
    deadline = time.monotonic() + 90
    while not log.is_file() or awaited not in log.read_text():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    started = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True
    ).stdout.split()
    assert len(started) >= 2
    process.send_signal(signal.SIGINT)
    # A second one, by an impatient person, changes nothing.
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert not any(alive(int(pid)) for pid in started)
    if awaited:
        assert "armed -> stopped: shutdown" in log.read_text()


def test_a_bag_is_played_to_its_end(domain: int, checkpoint: Path, tmp_path: Path) -> None:
    types = get_typestore(Stores.ROS2_JAZZY).types
    robot = load_robot("so101")
    with BagWriter(tmp_path / "bag") as writer:
        for topic in ("/joint_states", "/joint_commands"):
            writer.add_topic(topic, "sensor_msgs/msg/JointState")
        for number in range(150):
            stamp_ns = 10**18 + number * 20_000_000
            seconds, nanoseconds = divmod(stamp_ns, 10**9)
            stamp = types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
            header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="")
            message = types["sensor_msgs/msg/JointState"](
                header, list(robot.action.entries), np.full(6, 0.1), np.empty(0), np.empty(0)
            )
            for topic in ("/joint_states", "/joint_commands"):
                writer.write_message(topic, stamp_ns, message)
    shown = StringIO()
    options = make_options(tmp_path / "store", checkpoint, sim=False, bag=tmp_path / "bag")
    assert up(options, console=Console(file=shown, width=120)) == 0, shown.getvalue()
    assert "player" in shown.getvalue() and "safety" not in shown.getvalue()
    parameters = (tmp_path / "store" / "logs" / "planner.yaml").read_text()
    assert "controller: none" in parameters


def test_a_process_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stubborn = tmp_path / "stubborn_node.py"
    stubborn.write_text(
        "import pathlib, signal, time\n"
        "signal.signal(signal.SIGINT, lambda *_: print('not yet'))\n"
        f"pathlib.Path({str(tmp_path / 'ready')!r}).touch()\n"
        "while True: time.sleep(0.05)\n"
    )

    class Entry:
        name = "stubborn"
        module = "stubborn_node"

    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    process = NodeProcess(Entry(), {}, tmp_path)  # type: ignore[arg-type]
    while not (tmp_path / "ready").exists():
        assert process.exit_code is None
        time.sleep(0.02)
    assert module.end([process], 0.5) == ["stubborn"]
    assert process.exit_code == -signal.SIGKILL and process.last_words() == "not yet"
