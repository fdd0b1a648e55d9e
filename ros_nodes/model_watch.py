"""Hears which versions drive, or may drive soon, and reads their files away from the callbacks."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rclpy.node import Node
from std_msgs.msg import String

from adapt.model.content import shipped_checkpoint, version_problem
from adapt.robot.specification import RobotSpecification
from ros_nodes.base import LATCHED, RELIABLE


class ModelWatch:
    """Tells which version the planner names, and what was found in the file of each that is named at all.

    The file is read anew whenever a version is named: a command waits for no disk, and what was sound
    once may have been altered since.
    """

    def __init__(
        self,
        node: Node,
        robot: RobotSpecification,
        parameters: dict[str, Any],
        told: Callable[[str], None],
        verified: Callable[[str, str | None], None],
    ) -> None:
        """Listen.

        Args:
            node: whose subscriptions these are.
            robot: the robot, whose shipped checkpoint stands in for one that is not named.
            parameters: `store` and `checkpoint`, as the planner has them.
            told: called, by the node's executor, with the version that the planner names.
            verified: called, in a thread of its own, with a version and what is wrong with it, or None.
        """
        self._store = Path(parameters["store"]) if parameters["store"] else None
        given = parameters["checkpoint"]
        self._checkpoint = Path(given) if given else shipped_checkpoint(robot)
        self._told, self._verified = told, verified
        self._turn = ""
        self._to_read: queue.SimpleQueue[str] = queue.SimpleQueue()
        node.create_subscription(String, "/adapt/model_version", self._on_model, LATCHED)
        # These may drive soon, and are verified before their first proposal comes.
        node.create_subscription(String, "/adapt/admitted_version", self._on_version, LATCHED)
        node.create_subscription(String, "/adapt/turn", self._on_turn, RELIABLE)
        threading.Thread(target=self._read, name="models", daemon=True).start()

    def _on_model(self, message: String) -> None:
        self._told(message.data)
        self._on_version(message)

    def _on_version(self, message: String) -> None:
        if message.data:
            self._to_read.put(message.data)

    def _on_turn(self, message: String) -> None:
        # The planner complains of what is not as it should be.
        with suppress(ValueError, KeyError, TypeError):
            version = str(json.loads(message.data)["version"])
            if version and version != self._turn:
                self._to_read.put(version)
            self._turn = version

    def _read(self) -> None:
        while True:
            version = self._to_read.get()
            self._verified(version, version_problem(version, self._store, self._checkpoint))
