"""The learner node as a real process over DDS."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy")

from listener import Listener
from rcl_interfaces.msg import SetParametersResult
from std_msgs.msg import (
    Float64MultiArray,
    MultiArrayDimension,
    MultiArrayLayout,
    String,
)
from std_srvs.srv import Trigger

from adapt.learning.verification import verify_ledger
from adapt.model.checkpoint import save_checkpoint
from adapt.model.settings import ModelSettings
from adapt.model.world_model import WorldModel
from adapt.robot.load import load_robot
from adapt.stream.tick import Tick
from adapt.stream.tick_message import TICK_TOPIC, tick_data, tick_layout
from ros_nodes.base import LATCHED, RELIABLE
from ros_nodes.requests import REQUEST, request_of

pytestmark = pytest.mark.ros
ROOT = Path(__file__).resolve().parents[2]
ROBOT = load_robot("so101")
PERIOD_NS = round(ROBOT.period_s * 1e9)
TINY = ModelSettings(latent=16, encoder_hidden=8, layers=1, heads=2, feed_forward=16, linear_rank=16)
QUICK = {
    "fresh_adapt_s": 4.0,
    "update": {"steps": 30, "batch": 16, "learning_rate": 0.01, "pull": 0.0},
    "gate": {"saturation": 0.01},
}


class Learning:
    """A learner process, and an arm that sends it ticks of an hour ago, as fast as it likes."""

    def __init__(
        self, folder: Path, listener: Listener, prepare: Callable[[], None] | None = None, **more: str
    ):
        self.folder = folder
        self.listener = listener
        self.events = listener.events
        self.kinds = listener.kinds
        self.versions: list[str] = []
        self.status: dict = {}
        self._sent = 0
        self._first_ns = time.time_ns() - 3_600_000_000_000
        node = listener.node
        self._publisher = node.create_publisher(Float64MultiArray, TICK_TOPIC, RELIABLE)
        node.create_subscription(
            String, "/adapt/admitted_version", lambda m: self.versions.append(m.data), LATCHED
        )
        node.create_subscription(
            String, "/adapt/learner_status", lambda m: self.status.update(json.loads(m.data)), RELIABLE
        )
        parameters = {
            "robot": "so101",
            "store": str(folder / "store"),
            "niceness": "0",
            "closed_loop": "false",
            **more,
        }
        given = [part for key, value in parameters.items() if value for part in ("-p", f"{key}:={value}")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ros_nodes.learner_node", "--ros-args", *given],
            cwd=ROOT,
            env=dict(os.environ),
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=prepare,
        )

    def send_until(self, condition: Callable[[], object], timeout_s: float = 120.0) -> None:
        """Send ticks of a slow servo until something is true."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"timed out: {self.status} {self.events[-3:]}"
            assert self.process.poll() is None
            self._send()
            self.listener._executor.spin_once(timeout_sec=0.002)

    def _send(self) -> None:
        phase = 0.15 * self._sent + np.arange(6)
        measured, told = 0.3 * np.sin(phase), 0.35 * np.sin(phase + 0.4)
        tick = Tick(
            index=self._sent,
            stamp_ns=self._first_ns + self._sent * PERIOD_NS,
            observation=measured,
            valid=np.ones(6, dtype=bool),
            command=told,
            proposed=told,
            applied=told,
            version="",
            schema_hash=ROBOT.schema_hash,
        )
        dimensions = [MultiArrayDimension(label=label, size=size) for label, size in tick_layout(tick)]
        self._publisher.publish(
            Float64MultiArray(layout=MultiArrayLayout(dim=dimensions), data=tick_data(tick))
        )
        self._sent += 1

    def call(self, service: str) -> Trigger.Response:
        client = self.listener.node.create_client(Trigger, service)
        assert client.wait_for_service(timeout_sec=20.0)
        answer = client.call_async(Trigger.Request())
        self.listener.until(answer.done)
        return answer.result()

    def roll_back(self, reason: str) -> SetParametersResult:
        client = self.listener.node.create_client(REQUEST, "/learner/rollback")
        assert client.wait_for_service(timeout_sec=20.0)
        answer = client.call_async(request_of("anna@desk", reason))
        self.listener.until(answer.done)
        return answer.result().result

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)


@pytest.fixture
def learning(tmp_path: Path, domain: int) -> Iterator[Callable[..., Learning]]:
    import torch

    torch.manual_seed(0)
    save_checkpoint(tmp_path / "tiny.safetensors", WorldModel(ROBOT, TINY), ROBOT)
    (tmp_path / "quick.yaml").write_text(yaml.safe_dump(QUICK))
    files = {"checkpoint": str(tmp_path / "tiny.safetensors"), "settings": str(tmp_path / "quick.yaml")}
    started: list[Learning] = []

    def start(**more) -> Learning:
        started.append(Learning(tmp_path, listener, **{**files, **more}))
        return started[-1]

    with Listener(domain) as listener:
        yield start
        for each in started:
            each.process.kill()
            each.process.communicate()


def test_it_learns_from_live_ticks_admits_rolls_back_rests_and_ends_in_order(learning, tmp_path):
    learner = learning()
    learner.listener.until(lambda: learner.versions)
    first = learner.versions[0]
    assert not learner.roll_back("it wobbles").successful
    learner.send_until(lambda: len(learner.versions) > 1)
    learner.send_until(lambda: "admitted" in learner.kinds())
    admitted = next(event for event in learner.events if event["kind"] == "admitted")
    assert admitted["detail"]["version"] == learner.versions[1] != first
    assert admitted["detail"]["candidate_error"] < admitted["detail"]["incumbent_error"]
    assert {"segment_stored", "candidate_made", "gate_decision"} <= set(learner.kinds())

    assert learner.call("/learner/pause").success
    learner.send_until(lambda: learner.status["paused"] == "operator")
    spent = learner.status["budget"]
    assert "no reason" in learner.roll_back("").reason
    answer = learner.roll_back("it wobbles")
    assert answer.successful
    learner.listener.until(lambda: learner.versions[-1] == answer.reason)
    rested = learner._sent
    learner.send_until(lambda: learner._sent > rested + 200)
    learner.status.clear()
    learner.listener.until(lambda: learner.status)
    assert learner.status["budget"] == spent
    assert learner.call("/learner/resume").success
    learner.send_until(lambda: learner.status["budget"] != spent)
    assert learner.interrupt() == 0
    assert verify_ledger(tmp_path / "store" / "ledger.sqlite") == []

    again = learning()
    again.listener.until(lambda: again.versions)
    assert again.versions[0] == answer.reason
    assert again.interrupt() == 0


def test_a_full_disk_pauses_the_learning_and_an_event_says_so(learning, tmp_path):
    limit = 400_000
    learner = learning(prepare=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit)))
    learner.listener.until(lambda: learner.versions)
    learner.send_until(lambda: "learning_paused" in learner.kinds())
    paused = next(event for event in learner.events if event["kind"] == "learning_paused")
    assert paused["severity"] == "error" and "disk" in paused["detail"]["reason"]
    learner.status.clear()
    learner.listener.until(lambda: learner.status)
    assert learner.status["paused"] == paused["detail"]["reason"]
    learner.interrupt()
    assert verify_ledger(tmp_path / "store" / "ledger.sqlite") == []


@pytest.mark.slow
def test_where_updates_do_not_suffice_it_begins_the_way_back_by_itself_and_judges_what_comes(
    learning, tmp_path
):
    sufficiency = {"recovers_within_s": 30.0, "error": 1e-6}
    # Without a candidate of its own: a version that drives by then would have to be recovered instead.
    demanding = {"sufficiency": sufficiency, "fresh_adapt_s": 1000.0}
    (tmp_path / "demanding.yaml").write_text(yaml.safe_dump(demanding))
    driving = {"robots": 2, "examined": 2, "robots_at_once": 2, "episode_s": 4.0, "examined_s": 4.0}
    short = {"rounds": 1, "steps": 10, "batch": 8, "dynamics_batch": 8, "driving": driving}
    (tmp_path / "short.yaml").write_text(yaml.safe_dump(short))
    chosen = {"recovery.begins": "true", "recovery.settings": str(tmp_path / "short.yaml")}
    learner = learning(settings=str(tmp_path / "demanding.yaml"), **chosen)
    states = learner.listener.node.create_publisher(String, "/adapt/safety_state", LATCHED)
    states.publish(String(data="running"))
    learner.send_until(lambda: "recovery_began" in learner.kinds())
    ended = {"recovery_offered", "recovery_failed"}
    learner.listener.until(lambda: ended & set(learner.kinds()), 240.0)
    log = tmp_path / "store" / "recover" / "recover.log"
    assert "recovery_offered" in learner.kinds(), log.read_text()
    began = next(event for event in learner.events if event["kind"] == "recovery_began")
    assert began["detail"]["why"].startswith("updates do not suffice: over ")
    learner.listener.until(lambda: "candidate_offered" in learner.kinds())
    assert learner.interrupt() == 0


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"store": ""}, "parameter 'store' of node 'learner' is missing"),
        ({"store": "/proc/nowhere"}, "parameter 'store' of node 'learner': /proc/nowhere"),
        ({"settings": "nowhere.yaml"}, "nowhere.yaml: no such file"),
    ],
)
def test_wrong_parameters_stop_it_at_once_with_one_line(learning, wrong, expected):
    learner = learning(**wrong)
    assert learner.process.wait(timeout=60) == 2
    lines = [line for line in learner.process.stderr.read().splitlines() if "ERROR" in line]
    assert len(lines) == 1 and expected in lines[0]
