"""Who is started again and who is not, without processes."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy")

from ros_nodes import up as module
from ros_nodes.node_table import Options
from ros_nodes.processes import Death
from ros_nodes.up import MOST_RESTARTS, Stack


class Process:
    """A process that lives until it is killed."""

    started = 0

    def __init__(self, entry: Any, parameters: Any, logs: Path, *, again: bool = False) -> None:
        Process.started += 1
        self.name, self.pid, self.again = entry.name, Process.started, again
        self.started_s = time.monotonic()
        self.waited_s = 0.0
        self.exit_code: int | None = None

    def kill(self) -> None:
        self.exit_code = -9

    def death(self) -> Death | None:
        return None if self.exit_code is None else Death(self.name, self.exit_code, "", Path("log"))


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stack:
    monkeypatch.setattr(module, "NodeProcess", Process)
    made = Stack(Options("so101", tmp_path, no_restart=frozenset({"learner"})))
    made.stopped = []  # type: ignore[attr-defined]
    made._caretaker = SimpleNamespace(  # type: ignore[assignment]
        heard_s={},
        trigger=lambda service, _: made.stopped.append(service),  # type: ignore[attr-defined]
    )
    made._spawn(last=False)
    return made


def test_a_node_comes_back_until_it_has_died_too_often(stack: Stack) -> None:
    for _ in range(MOST_RESTARTS):
        stack.processes["planner"].kill()
        (death,) = stack.tend()
        assert death.node == "planner" and death.then == "it was started again"
        assert stack.processes["planner"].exit_code is None and not stack.tend()
    assert not stack.stopped  # type: ignore[attr-defined]
    stack.processes["planner"].kill()
    (death,) = stack.tend()
    assert "stopped, until /safety/reset" in str(death) and stack.processes["planner"].exit_code == -9
    assert stack.stopped == ["/safety/stop"] and not stack.tend()  # type: ignore[attr-defined]


def test_a_node_that_must_not_come_back_stops_the_robot(stack: Stack) -> None:
    stack.processes["learner"].kill()
    assert [death.then for death in stack.tend()] == ["the robot was stopped, until /safety/reset"]
    assert stack.stopped == ["/safety/stop"]  # type: ignore[attr-defined]


def test_a_node_that_falls_silent_is_killed_and_comes_back(stack: Stack) -> None:
    planner: Any = stack.processes["planner"]
    assert not stack.tend()
    planner.started_s -= 200.0
    heard = stack._caretaker.heard_s  # type: ignore[union-attr]
    heard |= {"planner": time.monotonic() - 1.0, "learner": time.monotonic()}
    assert not stack.tend()
    # Where nobody is heard, it is not the nodes that are silent.
    heard |= dict.fromkeys(heard, time.monotonic() - 50.0)
    assert not stack.tend()
    heard["learner"] = time.monotonic()
    (death,) = stack.tend()
    assert death.silent and "fell silent" in str(death)
    # It has its time to start anew, whatever was heard of the one before.
    assert not stack.tend() and stack.processes["planner"] is not planner


def test_who_waits_for_a_processor_is_not_taken_for_silent(stack: Stack) -> None:
    planner: Any = stack.processes["planner"]
    planner.started_s -= 200.0
    heard, now_s = stack._caretaker.heard_s, time.monotonic()  # type: ignore[union-attr]
    heard |= {"planner": now_s - 50.0, "learner": now_s - 50.0}
    assert not stack.tend()
    planner.waited_s = 49.0
    heard["learner"] = now_s
    assert not stack.tend()
    heard["learner"] = now_s + 50.0
    assert [death.silent for death in stack.tend()] == [True]
