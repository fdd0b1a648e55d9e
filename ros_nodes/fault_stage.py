"""Where faults are tried: a stack that drives a stand-in, watched from outside and kept going."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType

import numpy as np

from adapt.errors import UserError
from adapt.robot.load import load_robot
from adapt.sim.faults import Fault
from ros_nodes.node_table import Options
from ros_nodes.other_work import OtherWork
from ros_nodes.processes import Death, NodeProcess
from ros_nodes.up import Stack
from ros_nodes.witness import Witness

PATIENCE_S = 120.0
"""As long as a node may take to come back on a machine that does other things besides."""
ANSWER_S = 10.0
CALLS = {"stopped": "/safety/reset", "dry_run": "/safety/arm"}
"""What leads out of a state of the safety node."""
HARDWARE = 25
"""Real-time priority of the stand-in: a robot's hardware does not wait for a processor."""
GONE = "gone"
"""What is known of the safety node's state when its process has ended."""


class Stage:
    """Use as a context manager; then the robot is driven.

    Attributes:
        stack: the nodes.
        witness: what was heard from outside.
        other_work: what else this machine did.
        deaths: of nodes, so far, with what was done about each.
    """

    def __init__(self, options: Options) -> None:
        """Nothing is started yet.

        Raises:
            UserError: see `chosen_nodes`.
        """
        given = options.overrides.get("stand_in", {})
        stand_in = {"real_time_priority": HARDWARE, **given}
        self.stack = Stack(replace(options, overrides={**options.overrides, "stand_in": stand_in}))
        self.witness = Witness(load_robot(options.robot))
        self.deaths: list[Death] = []
        self.other_work = OtherWork(lambda: [each.pid for each in self.stack.processes.values()])
        self._exits = ExitStack()

    def __enter__(self) -> Stage:
        """Start all and arm.

        Raises:
            UserError: see `Stack.start` and `Stack.arm`.
        """
        with ExitStack() as exits:
            exits.enter_context(self.witness)
            exits.callback(self.stack.stop)
            exits.enter_context(self.other_work)
            self.stack.start()
            self.until_running()
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all, the robot at rest first."""
        self._exits.close()

    def process(self, node: str) -> NodeProcess:
        """The process that is the node now."""
        return self.stack.processes[node]

    def tend(self) -> None:
        """Look after the nodes."""
        for death in self.stack.tend():
            self.deaths.append(death)
            if death.node == "safety":
                self.witness.states.append((time.time_ns(), GONE))

    def until(self, condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait while the nodes are looked after.

        Raises:
            UserError: it did not become true in time.
        """
        if not self.witness.until(condition, timeout_s, self.tend):
            last = "; ".join(str(each) for each in self.deaths[-2:])
            raise UserError(
                f"{what}: not within {timeout_s:g} s; the safety node is {self.witness.state}. {last}"
            )

    def wait(self, seconds: float) -> None:
        """Let time pass while the nodes are looked after."""
        self.witness.until(lambda: False, seconds, self.tend)

    def strike(self, fault: Fault) -> None:
        """Let what the stand-in measures arrive wrong; it begins when the stand-in says so.

        Raises:
            UserError: it does not.
        """
        request, heard = {"fault": fault.model_dump()}, len(self.witness.events)
        self.witness.tell_stand_in(request)
        self.until(
            lambda: any(
                each["kind"] == "stand_in_changed" and each["detail"] == request
                for each in self.witness.events[heard:]
            ),
            f"the stand-in's answer to the fault '{fault.kind}'",
            ANSWER_S,
        )

    def until_running(self) -> None:
        """Do what an operator does until the robot is driven: reset a stop, arm, wait.

        Raises:
            UserError: it is not driven in time.
        """
        self.until(self._drives, "driving")

    def moves(self, step: float) -> bool:
        """Whether the last commands of now differ by more than `step`, in the action's unit."""
        commands = list(self.witness.commands)[-2:]
        return (
            self._drives()
            and len(commands) == 2
            and bool(np.abs(commands[1].values - commands[0].values).max() > step)
        )

    def _drives(self) -> bool:
        state, robot = self.witness.state, self.witness.robot
        if state in CALLS:
            # Whatever is answered, or not: the next state says whether it helped.
            self.witness.request(CALLS[state], "a fault is tried")
        elif state == "running" and self.witness.commands:
            return time.time_ns() - self.witness.commands[-1].received_ns < 2e9 * robot.period_s
        return False
