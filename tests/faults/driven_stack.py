"""A stack that follows random paths on a stand-in, watched from outside, and what is done to it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np
import torch

from adapt.model.checkpoint import save_checkpoint
from adapt.model.settings import ModelSettings
from adapt.model.world_model import WorldModel
from adapt.robot.load import load_robot
from ros_nodes.node_table import Options
from ros_nodes.processes import Death
from ros_nodes.up import Stack
from ros_nodes.witness import Heard, Witness

ROBOT = load_robot("so101")
PERIOD_NS = round(ROBOT.period_s * 1e9)
MOVING = 0.003
"""A step of a command, rad, above which the arm is in mid-motion."""
PATIENCE_S = 60.0


class DrivenStack:
    """Use as a context manager; then it is armed and moves."""

    def __init__(self, store: Path) -> None:
        torch.manual_seed(0)
        tiny = ModelSettings(latent=16, encoder_hidden=8, layers=1, heads=2, feed_forward=16, linear_rank=16)
        weights = store / "tiny.safetensors"
        save_checkpoint(weights, WorldModel(ROBOT, tiny), ROBOT)
        # Sent straight to the servos, the path is followed whatever the model says.
        self.options = Options(
            "so101", store, checkpoint=weights, sim=True, overrides={"planner": {"controller": "direct"}}
        )
        self.stack = Stack(self.options)
        self.witness = Witness(ROBOT)
        self.deaths: list[Death] = []

    def __enter__(self) -> DrivenStack:
        try:
            self.stack.start()
            self.stack.arm()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.stop()
        self.witness.__exit__(None, None, None)

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait while the stack is looked after."""
        done = self.witness.until(condition, PATIENCE_S, self.tend)
        assert done, f"{what}: timed out; {self.witness.events[-5:]}, {[str(each) for each in self.deaths]}"

    def tend(self) -> None:
        self.deaths += self.stack.tend()

    def until_it_moves(self) -> None:
        self.until(lambda: self.witness.state == "running" and self.moves(), "moving")

    def moves(self) -> bool:
        """Whether the last commands are a motion of now."""
        commands = list(self.witness.commands)[-3:]
        if len(commands) < 3 or time.time_ns() - commands[-1].received_ns > 2 * PERIOD_NS:
            return False
        return bool(np.abs(commands[-1].values - commands[-2].values).max() > MOVING)

    def send(self, node: str, number: signal.Signals) -> None:
        os.kill(self.stack.processes[node].pid, number)

    def events_since(self, kind: str, since_ns: int) -> list[dict]:
        return [
            event for event in self.witness.events if event["kind"] == kind and event["stamp_ns"] >= since_ns
        ]

    def between(self, heard: list[Heard], after_ns: int) -> list[Heard]:
        return [each for each in heard if each.received_ns > after_ns]
