"""The planner: sensor messages become ticks, and ticks become proposals, on the beat of its own thread."""

from __future__ import annotations

import copy
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_msgs.msg import Float64MultiArray, String
from trajectory_msgs.msg import JointTrajectory

from adapt.errors import UserError
from adapt.model.checkpoint import shipped_checkpoint
from adapt.model.device import choose_device
from adapt.planning.forecast import forecast_of
from adapt.planning.pace import Pace
from adapt.planning.pilot import Pilot, Proposal
from adapt.planning.timing import Timing
from adapt.stream.assembler import PROPOSAL_TOPIC, TickAssembler
from adapt.stream.forecast_message import FORECAST_TOPIC
from adapt.stream.tick import FloatArray
from adapt.stream.tick_message import TICK_TOPIC
from ros_nodes.base import (
    LATCHED,
    RELIABLE,
    SENSOR,
    DiagnosticsPublisher,
    EventPublisher,
    command_quality,
    declare_parameters,
    message_class,
    robot_of,
    run,
)
from ros_nodes.driving_version import TURN_TOPIC, DrivingVersion
from ros_nodes.messages import forecast_message, proposal_message, tick_message
from ros_nodes.planner_parameters import CONTROLLERS, DEFAULTS, planner_settings
from ros_nodes.real_time import request_priority, settle_memory, sleep_until

LOST_BEAT = 5
"""A beat that is this many periods off was lost (a pause, a jump of the clock) and begins anew."""


class PlannerNode(LifecycleNode):
    """Subscribes when configured, drives when active.

    Parameters that may change while it runs: `controller`, and `version` (empty to follow what the
    learner's gate admits, or the name of a version to be kept to).
    """

    def __init__(self) -> None:
        super().__init__("planner")
        self._given = declare_parameters(self, DEFAULTS)
        self.autostart: bool = self._given["autostart"]
        self._settings, pace = planner_settings(self._given)
        self._specification = robot_of(self._given)
        self._samples = self._settings.search(self._specification.direct_index is None).samples
        self._period_ns = round(self._specification.period_s * 1e9)
        self._lock = threading.Lock()
        self._leave = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: Exception | None = None
        self._version = self._base = ""
        self._timing = Timing(self._period_ns)
        self._pace = Pace(self._samples, self._period_ns, pace, time.monotonic_ns)
        self._assembled = 0
        self._events = EventPublisher(self)
        self._proposals = self.create_publisher(JointTrajectory, PROPOSAL_TOPIC, RELIABLE)
        self._ticks = self.create_publisher(Float64MultiArray, TICK_TOPIC, RELIABLE)
        self._forecasts = self.create_publisher(Float64MultiArray, FORECAST_TOPIC, RELIABLE)
        self._told = self.create_publisher(String, "/adapt/model_version", LATCHED)
        self._diagnostics = DiagnosticsPublisher(self, self._specification.name)
        torch.set_num_threads(self._given["threads"])

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and listen to the robot."""
        try:
            self._configure()
        except UserError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin the beat."""
        settle_memory()
        self._leave.clear()
        self._thread = threading.Thread(target=self._beat, name="beat", daemon=True)
        self._thread.start()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End the beat."""
        self.stop()
        return super().on_deactivate(state)

    def stop(self) -> None:
        """End the control thread after the tick under way.

        Raises:
            Exception: what ended it before.
        """
        self._leave.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._failure is not None:
            raise self._failure

    def _configure(self) -> None:
        specification, given = self._specification, self._given
        # Also that of the callbacks: the control thread must not wait for one that waits for a processor.
        self._priority = request_priority(self, given["real_time_priority"])
        path = Path(given["checkpoint"]) if given["checkpoint"] else shipped_checkpoint(specification)
        self._versions = DrivingVersion(specification, path, given["store"], self._now)
        first = self._versions.due(self._now(), version="", base="")
        assert first is not None  # since none drives yet
        # Whatever drives later is copied into these weights.
        self._model = copy.deepcopy(first.model).to(choose_device(given["device"]))
        self._assembler = TickAssembler(specification)
        self._pilot = Pilot(specification, self._model, self._settings, given["seed"], pace=self._pace)
        if refusal := self._apply({"controller": given["controller"], "version": given["version"]}):
            raise UserError(refusal)
        if not given["version"]:
            self._announce(first.version, first.base)
        self.add_on_set_parameters_callback(self._on_parameters)
        action, command = specification.action, specification.task.command
        qualities = {action.topic: RELIABLE, command.topic: command_quality(command)}
        for topic, type_name in self._assembler.topics.items():
            kind, quality = message_class(topic, type_name), qualities.get(topic, SENSOR)
            self.create_subscription(kind, topic, self._feeder(topic), quality)
        self.create_subscription(String, "/adapt/admitted_version", self._on_admitted, LATCHED)
        self.create_subscription(String, TURN_TOPIC, self._on_turn, RELIABLE)
        self.create_timer(1.0, self._diagnose)
        milliseconds, wanted = self._pilot.fit(), self._pace.wanted_ns * 1e-6
        self.get_logger().info(
            f"{self._pace.samples} of {self._samples} samples: a plan takes {milliseconds:.1f} ms of"
            f" the {wanted:.0f} ms wanted"
        )

    def _feeder(self, topic: str) -> Callable[[object], None]:
        def feed(message: object) -> None:
            with self._lock:
                try:
                    self._assembler.feed(topic, message, self._now())
                except UserError as error:
                    self.get_logger().error(str(error), throttle_duration_sec=5.0)

        return feed

    def _on_admitted(self, message: String) -> None:
        try:
            self._versions.admit(message.data)
        except UserError as error:
            self.get_logger().error(f"the admitted version: {error}")

    def _on_turn(self, message: String) -> None:
        try:
            turn = json.loads(message.data)
            self._versions.take_turn(str(turn["version"]), int(turn["until_ns"]))
        except (UserError, ValueError, KeyError, TypeError) as error:
            self.get_logger().error(f"{TURN_TOPIC}: {error}", throttle_duration_sec=5.0)

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        changes = {parameter.name: parameter.value for parameter in parameters}
        if "version" in changes and "promote" not in self._specification.access.allow:
            reason = "promote is refused: the robot file's key 'access.allow' does not name it"
        else:
            reason = self._apply(changes)
        return SetParametersResult(successful=not reason, reason=reason)

    def _apply(self, changes: dict[str, object]) -> str:
        """Take over changed parameters; gives the reason where one is refused."""
        for name, value in changes.items():
            if name == "controller":
                if value not in CONTROLLERS:
                    return f"parameter 'controller': '{value}' is none of {', '.join(CONTROLLERS)}"
                if value == "direct" and self._specification.direct_index is None:
                    return "parameter 'controller': this robot's command cannot be sent to it as it is"
                self._pilot.controller = value
            elif name == "version":
                try:
                    self._versions.keep_to(str(value))
                except UserError as error:
                    return f"parameter 'version': {error}"
            else:
                return f"parameter '{name}' cannot change while the node runs"
        return ""

    def _beat(self) -> None:
        try:
            self._drive()
        except Exception as error:
            # The safety node falls back by itself; who looks after this process is to see it end.
            self._events.publish("beat_failed", "error", {"error": repr(error)})
            self._failure = error
            os.kill(os.getpid(), signal.SIGTERM)

    def _drive(self) -> None:
        due_ns, index, most_off = self._now() + self._period_ns, 0, LOST_BEAT * self._period_ns
        at_once = self._specification.dead_time_ticks == 0
        waiting: Proposal | None = None
        while True:
            now_ns = sleep_until(self.get_clock(), due_ns, most_off, self._leave)
            if self._leave.is_set():
                break
            if abs(now_ns - due_ns) > most_off:
                self._events.publish("beat_lost", "warning", {"by_ms": (now_ns - due_ns) * 1e-6})
                self._timing.skipped(max(0, (now_ns - due_ns) // self._period_ns))
                self._pilot.reset()
                with self._lock:
                    self._assembler.reset()
                due_ns, index, waiting = now_ns + self._period_ns, index + LOST_BEAT, None
                self._assembled = index
                continue
            self._timing.woke(due_ns, now_ns)
            self._pace.begin(max(0, now_ns - due_ns))
            if waiting is not None:
                self._propose(waiting.actions)
            proposal, tell = self._tick(index, due_ns, None if waiting is None else waiting.actions[0])
            self._pace.end()
            ended_ns = self._now()
            self._timing.planned(ended_ns - now_ns)
            late = max(0, (ended_ns - due_ns) // self._period_ns)
            if late:
                self._timing.skipped(late)
                proposal = self._pilot.late(proposal, late if at_once else late - 1)
                detail = {"periods": late, "samples": self._pace.samples}
                self._events.publish("deadline_missed", "warning", detail, minimum_interval_s=1.0)
            if at_once and proposal is not None:
                self._propose(proposal.actions)
            tell()
            waiting = None if at_once else proposal
            index, due_ns = index + max(1, late), due_ns + max(1, late) * self._period_ns

    def _tick(
        self, index: int, tick_ns: int, proposed: FloatArray | None
    ) -> tuple[Proposal | None, Callable[[], None]]:
        """Finish the ticks before, and plan: with a dead time the tick after the one that begins, without
        one this tick.

        A beat that was skipped costs its proposal only: its tick is assembled from the messages.

        Returns:
            the proposal, and a call that tells others of the ticks and the plan: it can wait, a plan cannot.
        """
        specification = self._specification
        if (swap := self._versions.due(tick_ns, self._version, self._base)) is not None:
            self._model.load_state_dict(swap.model.state_dict())
            self._announce(swap.version, swap.base)
        with self._lock:
            finished = [
                self._assembler.assemble(each, tick_ns - (index - each) * self._period_ns)
                for each in range(self._assembled, index)
            ]
            observation, valid = self._assembler.observe(tick_ns)
            commands = self._assembler.commands(tick_ns, specification.horizon_ticks)[1:]
            steps = specification.dead_time_ticks + np.arange(specification.horizon_ticks)
            ahead = self._assembler.reference.at(tick_ns + self._period_ns * steps)
            sent = self._assembler.latest_applied() if proposed is None else proposed
            behind = self._assembler.ticks_behind(tick_ns)
        self._assembled = index
        for tick in finished:
            self._pilot.record(tick)
        proposal = self._pilot.decide(observation, valid, commands, ahead, sent, behind)
        surprised = self._pilot.surprised

        def tell() -> None:
            for tick in finished:
                self._ticks.publish(tick_message(tick))
            # Where measurements are behind, the plan began at an older observation.
            forecast = None if behind else forecast_of(self._model, index, observation, proposal)
            if forecast is not None:
                self._forecasts.publish(forecast_message(forecast))
            if surprised:
                self._events.publish(
                    "prediction_error", "error", {"version": self._version}, stamp_ns=tick_ns
                )

        return proposal, tell

    def _propose(self, actions: FloatArray) -> None:
        now_ns = self._now()
        self._proposals.publish(proposal_message(self._specification, actions, now_ns, self._version))
        with self._lock:
            self._assembler.feed_proposal(now_ns, actions[0], self._version)

    def _announce(self, version: str, base: str) -> None:
        if base != self._base:
            self._pilot.surprise.reset()
        # On trial the usual error stays the incumbent's: whoever takes its place may not be worse.
        self._pilot.surprise.statistic = 0.0
        self._version, self._base = version, base
        self._told.publish(String(data=version))
        self._events.publish("version_drives", detail={"version": version, "on_trial": version != base})

    def _diagnose(self) -> None:
        values: dict[str, object] = dict(self._timing.summary())
        values |= {"version": self._version, "controller": self._pilot.controller}
        values["real_time_priority"] = self._priority
        values |= {"samples": self._pace.samples, "most_samples": self._samples}
        # Of Linux, in KiB: it grows for as long as something is kept that should not be.
        values |= {"memory_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
        values |= {f"count/{key}": count for key, count in sorted(self._pilot.counts.items())}
        values |= {f"refused/{key}": count for key, count in sorted(self._assembler.refused.items())}
        level = DiagnosticStatus.WARN if self._timing.missed else DiagnosticStatus.OK
        message = f"{values['controller']}, {self._timing.missed} deadlines missed"
        self._diagnostics.publish(level, message, {key: str(value) for key, value in values.items()})

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main(args: list[str] | None = None) -> int:
    """Run the planner node."""
    return run(PlannerNode, args)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
