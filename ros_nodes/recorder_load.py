"""A recorder under load: a process of its own that hears thousands of messages a second over DDS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import Trigger

from adapt.bags.incident import list_incidents
from adapt.bags.reader import Bag
from adapt.bags.topic import QualityOfService
from adapt.errors import UserError
from adapt.robot.interface import Action
from adapt.robot.load import load_robot
from adapt.stream.decode import read_field
from adapt.stream.encode import write_field
from ros_nodes.base import message_class, temporary_node
from ros_nodes.raw_topics import qos_profile

BURST_S = 0.002
"""Messages leave in bursts, as those of many sensors that share a bus do."""
SENT = 5000
"""So many are kept to be sent again: where the machine does other work, bursts are long and get lost."""
READY_S = 30.0
DRAIN_S = 1.0
ASKED_AFTER = 0.8
"""Part of the time after which an incident is asked for: of all that came, while recording goes on."""
AFTER_S = 0.5


@dataclass(frozen=True)
class Burden:
    """What a recorder made of a load.

    Attributes:
        sent: messages.
        recorded: of them, in the continuous recording.
        incident: of them, in the incident that was written meanwhile.
        incident_due: how many there are from its first to its last one: fewer are a gap.
        dropped: from the ring, for want of memory.
        cpu_fraction: of one core, while messages were sent.
    """

    sent: int
    recorded: int
    incident: int
    incident_due: int
    dropped: int
    cpu_fraction: float

    def as_dict(self) -> dict[str, Any]:
        """As numbers by name."""
        return asdict(self)


def burden(robot: str, rate_hz: float, seconds: float) -> Burden:
    """Send numbered messages on the robot's action topic and count what the recorder keeps.

    Raises:
        UserError: the recorder does not start or does not end.
    """
    specification = load_robot(robot)
    action = specification.action
    kind = message_class(action.topic, action.type)
    with TemporaryDirectory() as folder:
        store = Path(folder)
        process = _start(robot, store, ASKED_AFTER * seconds)
        try:
            with temporary_node("load") as (node, executor):
                publisher = node.create_publisher(
                    kind, action.topic, qos_profile(QualityOfService(depth=SENT))
                )
                client = node.create_client(Trigger, "/recorder/trigger")
                _until(executor, process, lambda: bool(publisher.get_subscription_count()))
                _until(executor, process, client.service_is_ready)
                _drain(executor)
                cpu_before, before = _cpu_s(process.pid), time.monotonic()
                sent, asked = 0, False
                while (gone := time.monotonic() - before) < seconds:
                    while sent < min(gone, seconds) * rate_hz:
                        message = kind()
                        write_field(
                            message, action, np.full(specification.action_size, float(sent)), action.entries
                        )
                        publisher.publish(message)
                        sent += 1
                    if not asked and gone > ASKED_AFTER * seconds:
                        client.call_async(Trigger.Request())
                        asked = True
                    executor.spin_once(timeout_sec=0)
                    time.sleep(BURST_S)
                cpu_fraction = (_cpu_s(process.pid) - cpu_before) / (time.monotonic() - before)
                _drain(executor)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(READY_S)
        (recording,) = (store / "recordings").iterdir()
        recorded = _numbers(recording, action)
        incidents = list_incidents(store)
        kept = _numbers(incidents[0].bag, action) if incidents else set()
        dropped = sum(incidents[0].card.dropped.values()) if incidents else 0
    due = max(kept) - min(kept) + 1 if kept else round(AFTER_S * rate_hz)
    return Burden(sent, len(recorded), len(kept), due, dropped, cpu_fraction)


def _start(robot: str, store: Path, before_s: float) -> subprocess.Popen[bytes]:
    longest_s = before_s + 2 * AFTER_S
    parameters = {
        "robot": robot,
        "store": store,
        "continuous": "true",
        "before_s": before_s,
        "after_s": AFTER_S,
        "longest_s": longest_s,
        "ring_s": longest_s,
    }
    given = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
    return subprocess.Popen([sys.executable, "-m", "ros_nodes.recorder_node", "--ros-args", *given])


def _until(executor: SingleThreadedExecutor, process: Any, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_S
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            raise UserError("node 'recorder' did not start: see what it said above")
        executor.spin_once(timeout_sec=0.05)


def _drain(executor: SingleThreadedExecutor) -> None:
    """Let what is on its way arrive; discovery, too, goes on for a moment."""
    deadline = time.monotonic() + DRAIN_S
    while time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.05)


def _numbers(bag: Path, action: Action) -> set[int]:
    with Bag(bag) as opened:
        messages = opened.messages([action.topic])
        return {int(read_field(message, action, action.entries)[0]) for *_, message in messages}


def _cpu_s(pid: int) -> float:
    """Processor time that a process has used, user and system, s (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
