"""The learner: live ticks become admitted versions, in a process of its own that yields to the planner."""

from __future__ import annotations

import json
import os
import queue
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import Trigger

from adapt.errors import UserError
from adapt.evaluation.incident_gate import incident_examiner
from adapt.learning.event import Event
from adapt.learning.learner import Learner
from adapt.learning.ledger import Ledger
from adapt.learning.rehearsal import beside, load_windows
from adapt.learning.settings import LearnerSettings
from adapt.learning.sufficiency import UPDATES_DO_NOT_SUFFICE
from adapt.model.checkpoint import load_checkpoint, shipped_checkpoint
from adapt.registry.registry import Registry
from adapt.settings import load_settings
from adapt.stream.tick import Tick
from adapt.stream.tick_message import TICK_TOPIC, decode_tick
from ros_nodes.base import (
    LATCHED,
    RELIABLE,
    DiagnosticsPublisher,
    EventPublisher,
    Severity,
    declare_parameters,
    robot_of,
    run,
)
from ros_nodes.driving_version import TURN_TOPIC
from ros_nodes.recovery import Recovery, RecoverySettings
from ros_nodes.requests import serve

DEFAULTS = {
    "robot": "",
    "store": "",
    "checkpoint": "",
    "rehearsal": "",
    "settings": "",
    "seed": 0,
    "threads": 1,
    "niceness": 10,
    "share": 0.6,
    "closed_loop": True,
    "recovery.begins": False,
    "recovery.expert": "",
    "recovery.settings": "",
}
WAITING_TICKS = 1000
"""So many ticks may wait while the learner trains; more are lost, and counted."""
STATUS_PERIOD_S = 1.0
TURN_S = 3.0
"""A turn is told for this long, and told again after a third of it."""
Heard = tuple[str, dict[str, Any]]
"""The kind of an event of another node, and its detail."""
AUTOGROUP = Path("/proc/self/autogroup")

Serve = Callable[[Trigger.Request, Trigger.Response], Trigger.Response]


class LearnerNode(Node):
    """Callbacks only queue ticks and events; one thread feeds them to the learner and lets it work.

    A candidate that forecasts better takes turns at driving, which the planner is told on TURN_TOPIC; without
    `closed_loop`, as where a bag is played, whatever the settings say, it does not.

    Services: /learner/pause (std_srvs/Trigger) takes no ticks and does no work until /learner/resume;
    /learner/rollback (see `ros_nodes.requests`) returns to the version before, at once, also while paused.
    A disk that is full or fails pauses the learner too; the robot goes on.

    Where updates do not suffice it says so, and with `recovery.begins` it begins `adapt recover` by itself,
    with its own low priority; what comes of that is offered to its gate. Until then it takes ticks, and makes
    and judges nothing itself.
    """

    def __init__(self) -> None:
        super().__init__("learner")
        given = declare_parameters(self, DEFAULTS)
        specification = robot_of(given)
        if not given["store"]:
            raise UserError(
                "parameter 'store' of node 'learner' is missing: give a folder for what is learned"
            )
        if not 0.0 < given["share"] <= 1.0:
            raise UserError(f"parameter 'share' of node 'learner': {given['share']} is not within (0, 1]")
        self._share = given["share"]
        torch.set_num_threads(given["threads"])
        checkpoint = Path(given["checkpoint"]) if given["checkpoint"] else shipped_checkpoint(specification)
        rehearsal = Path(given["rehearsal"] or beside(checkpoint))
        self._events = EventPublisher(self)
        if not given["rehearsal"] and not rehearsal.is_file():
            self.get_logger().warning(
                f"{rehearsal}: no such file; forgetting of the simulation is not bounded"
            )
        store = Path(given["store"])
        try:
            self._registry = Registry(store, specification, self._now)
            if self._registry.current() is None:
                # As a file, so that its card keeps what pretraining wrote.
                self._registry.adopt(checkpoint)
            self._ledger = Ledger(store / "ledger.sqlite", specification, self._now, given["seed"])
            self._learner = Learner(
                specification,
                _settings(given),
                self._registry,
                self._ledger,
                load_checkpoint(checkpoint, specification)[0],
                load_windows(rehearsal, specification) if rehearsal.is_file() or given["rehearsal"] else None,
                given["seed"],
                self._now,
                live=True,
                examine=incident_examiner(store, specification),
            )
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"parameter 'store' of node 'learner': {store}: {error}") from error
        self._robot = specification.name
        self._ticks: queue.Queue[Tick | Heard] = queue.Queue(WAITING_TICKS)
        self._lost = 0
        self._paused = ""
        asked = {name: given[f"recovery.{name}"] for name in ("begins", "expert", "settings")}
        self._recovery = (
            Recovery(given["robot"], store, RecoverySettings(**asked)) if asked["begins"] else None
        )
        self._leave = threading.Event()
        self._status_due = time.monotonic()
        self._announced = ""
        self._announcing = threading.Lock()
        self._turn, self._turn_due_ns = "", 0

        self._versions = self.create_publisher(String, "/adapt/admitted_version", LATCHED)
        self._turns = self.create_publisher(String, TURN_TOPIC, RELIABLE)
        self._statuses = self.create_publisher(String, "/adapt/learner_status", RELIABLE)
        self._diagnostics = DiagnosticsPublisher(self, self._robot)
        self._announce()
        self.create_subscription(Float64MultiArray, TICK_TOPIC, self._on_tick, RELIABLE)
        self.create_subscription(String, "/adapt/safety_state", self._on_safety_state, LATCHED)
        self.create_subscription(String, "/adapt/event", self._on_event, RELIABLE)
        self.create_service(Trigger, "/learner/pause", self._serve(lambda: self._pause("operator")))
        self.create_service(Trigger, "/learner/resume", self._serve(self._resume))
        serve(self, "/learner/rollback", "rollback", specification.access, self._events, self._roll_back)
        self.create_timer(STATUS_PERIOD_S, self._check_thread)
        # Not before: on a busy machine it would be a minute until anybody could pause it.
        self._yield_to_others(given["niceness"])
        self._thread = threading.Thread(target=self._learn, name="learning", daemon=True)
        self._thread.start()

    def _yield_to_others(self, niceness: int) -> None:
        """Lower this process's priority, and that of its session where Linux schedules by session."""
        os.nice(niceness)
        if AUTOGROUP.exists():
            try:
                AUTOGROUP.write_text(str(niceness))
            except OSError as error:
                # Containers often mount /proc read-only; the process's own niceness holds all the same.
                self.get_logger().warning(f"{AUTOGROUP}: {error.strerror}; the session keeps its priority")

    def stop(self) -> None:
        """End the learning thread after the step under way, and close the files."""
        self._leave.set()
        self._thread.join()
        if self._recovery is not None:
            self._recovery.end()
        self._ledger.close()
        self._registry.close()

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _on_tick(self, message: Float64MultiArray) -> None:
        try:
            self._queue(decode_tick(message))
        except UserError as error:
            self.get_logger().error(str(error), throttle_duration_sec=5.0)

    def _on_safety_state(self, message: String) -> None:
        self._queue(("safety_state", {"state": message.data}))

    def _on_event(self, message: String) -> None:
        event = json.loads(message.data)
        if event["node"] != self.get_name():
            self._queue((event["kind"], event["detail"]))

    def _queue(self, item: Tick | Heard) -> None:
        try:
            self._ticks.put_nowait(item)
        except queue.Full:
            self._lost += 1

    def _learn(self) -> None:
        while not self._leave.is_set():
            try:
                self._take_ticks()
                if not (self._paused or self._recovering):
                    began = time.monotonic()
                    for event in self._learner.work():
                        self._tell(event)
                    if not self._learner.idle:
                        # A bounded share of the machine: rest in proportion to the work.
                        self._leave.wait((time.monotonic() - began) * (1.0 - self._share) / self._share)
                self._announce()
                self._tell_turn()
                if self._recovery is not None and (ended := self._recovery.ended()) is not None:
                    self._tell(ended)
            except (OSError, sqlite3.Error, UserError) as error:
                self._pause(str(error), "error")
            if time.monotonic() >= self._status_due:
                self._status_due = time.monotonic() + STATUS_PERIOD_S
                self._tell_status()

    @property
    def _recovering(self) -> bool:
        """Then nothing is made or judged here: what is taught starts from the version that drives now."""
        return self._recovery is not None and self._recovery.under_way

    def _tell(self, event: Event) -> None:
        self._events.publish(event.kind, event.severity, event.detail)
        if event.kind == UPDATES_DO_NOT_SUFFICE and self._recovery is not None:
            found = event.detail
            why = f"updates do not suffice: over {found['ticks']} ticks the error is {found['error']:.2f}"
            self._tell(self._recovery.begin(f"{why} under version {found['version']}"))

    def _take_ticks(self) -> None:
        """Feed what has come, and wait for a tick where there is nothing else to do."""
        wait = bool(self._paused) or self._recovering or self._learner.idle
        try:
            item = self._ticks.get(timeout=0.1) if wait else self._ticks.get_nowait()
            while True:
                if isinstance(item, tuple):
                    self._learner.hear(*item)
                elif not self._paused:
                    self._learner.feed(item)
                item = self._ticks.get_nowait()
        except queue.Empty:
            return

    def _announce(self) -> None:
        """Tell which version is admitted, if another is than was told last."""
        with self._announcing:
            current = self._registry.current() or ""
            if current != self._announced:
                self._announced = current
                self._versions.publish(String(data=current))

    def _tell_turn(self) -> None:
        """Tell whose turn it is when that changes, and again before its time is over."""
        waits = bool(self._paused) or self._recovering
        turn, now_ns = "" if waits else self._learner.turn, self._now()
        if turn != self._turn or (turn and now_ns >= self._turn_due_ns):
            self._turn, self._turn_due_ns = turn, now_ns + round(TURN_S / 3 * 1e9)
            until_ns = now_ns + round(TURN_S * 1e9)
            self._turns.publish(String(data=json.dumps({"version": turn, "until_ns": until_ns})))

    def _serve(self, action: Callable[[], str]) -> Serve:
        def serve(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            try:
                response.message = action()
                response.success = True
            except (OSError, sqlite3.Error, UserError) as error:
                response.success, response.message = False, str(error)
            return response

        return serve

    def _pause(self, reason: str, severity: Severity = "info") -> str:
        if not self._paused:
            self._events.publish("learning_paused", severity, {"reason": reason})
        self._paused = reason
        return f"paused: {reason}"

    def _resume(self) -> str:
        if self._paused:
            self._events.publish("learning_resumed")
        self._paused = ""
        return "learning"

    def _roll_back(self, caller: str, reason: str) -> str:
        try:
            version = self._registry.rollback(reason, {"caller": caller})
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"{self._registry.folder}: {error}") from error
        self._announce()
        self._events.publish("rolled_back", "warning", {"version": version})
        return version

    def _tell_status(self) -> None:
        status = {**self._learner.status(), "paused": self._paused, "ticks_lost": self._lost}
        self._statuses.publish(String(data=json.dumps(status, allow_nan=False)))
        level = DiagnosticStatus.WARN if self._paused or self._lost else DiagnosticStatus.OK
        message = f"paused: {self._paused}" if self._paused else "learning"
        self._diagnostics.publish(level, message, {key: json.dumps(value) for key, value in status.items()})

    def _check_thread(self) -> None:
        """Fail loudly: without its thread the node would look alive and learn nothing."""
        if not self._thread.is_alive() and not self._leave.is_set():
            raise RuntimeError("the learning thread has ended: see the error above")


def _settings(given: Mapping[str, Any]) -> LearnerSettings:
    path = given["settings"]
    settings = load_settings(Path(path), LearnerSettings) if path else LearnerSettings()
    if given["closed_loop"]:
        return settings
    return settings.model_copy(update={"gate": settings.gate.model_copy(update={"closed_loop": False})})


def main(args: list[str] | None = None) -> int:
    """Run the learner."""
    return run(LearnerNode, args)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
