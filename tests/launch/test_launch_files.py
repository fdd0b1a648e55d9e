"""The launch files against a recording double of `launch`, and against the real one where there is one."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("lifecycle_msgs")

ROOT = Path(__file__).resolve().parents[2]
SIM, ROBOT, REPLAY = ("sim.launch.py", "robot.launch.py", "replay.launch.py")
MODULES = {
    "launch": ["LaunchContext", "LaunchDescription", "LaunchDescriptionEntity"],
    "launch.actions": [
        "DeclareLaunchArgument",
        "EmitEvent",
        "OpaqueFunction",
        "RegisterEventHandler",
        "Shutdown",
    ],
    "launch.events": ["matches_action"],
    "launch.substitutions": ["LaunchConfiguration"],
    "launch_ros": [],
    "launch_ros.actions": ["LifecycleNode", "Node"],
    "launch_ros.event_handlers": ["OnStateTransition"],
    "launch_ros.events": [],
    "launch_ros.events.lifecycle": ["ChangeState"],
}


def recorder(name: str) -> type:
    """A class that keeps what it was made with."""

    def keep(self: Any, *positional: Any, **named: Any) -> None:
        self.positional, self.named = positional, named

    def perform(self: Any, context: dict[str, str]) -> str:
        return context[self.positional[0]]

    return type(name, (), {"__init__": keep, "perform": perform})


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, members in MODULES.items():
        module = ModuleType(name)
        for member in members:
            setattr(module, member, recorder(member))
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "ros_nodes.launch_description", raising=False)
    yield
    # It is bound to the double.
    sys.modules.pop("ros_nodes.launch_description", None)


def description(file: str) -> Any:
    return runpy.run_path(str(ROOT / "launch" / file))["generate_launch_description"]()


def started(file: str, **given: str) -> list[Any]:
    """What the launch file starts with these arguments and its own defaults."""
    (entities,) = description(file).positional
    context = {each.positional[0]: each.named["default_value"] for each in entities[:-1]}
    assert set(given) <= set(context), "an argument that the launch file does not declare"
    return list(entities[-1].named["function"]({**context, **given}))


def kinds(actions: list[Any]) -> list[str]:
    return [type(action).__name__ for action in actions]


def nodes(actions: list[Any]) -> dict[str, dict[str, Any]]:
    made = [action.named for action in actions if type(action).__name__ in ("Node", "LifecycleNode")]
    return {each["executable"]: each for each in made}


def handled(actions: list[Any], node: Any) -> dict[tuple[str, str], list[Any]]:
    """What follows on changes of a node's state."""
    found = [each.positional[0].named for each in actions if type(each).__name__ == "RegisterEventHandler"]
    assert all(each["target_lifecycle_node"] is node for each in found)
    return {(each["start_state"], each["goal_state"]): each["entities"] for each in found}


@pytest.mark.usefixtures("double")
def test_sim_starts_the_table(tmp_path: Path) -> None:
    file = str(tmp_path / "mine.safetensors")
    Path(file).touch()
    actions = started(
        SIM, scenario="payload", store="here", simulated_time="true", command="1 0", checkpoint=file
    )
    made = nodes(actions)
    assert list(made) == ["stand_in", "safety", "planner", "learner", "recorder", "reference"]
    assert all(each["package"] == "adapt" and each["name"] == name for name, each in made.items())
    assert made["stand_in"]["parameters"][0]["scenario"] == "payload"
    assert made["reference"]["parameters"][0]["command"] == "1 0"
    learner = {"use_sim_time": True, "robot": "so101", "store": "here", "checkpoint": file}
    assert made["learner"]["parameters"] == [learner]


@pytest.mark.usefixtures("double")
def test_the_planner_is_configured_and_then_activated() -> None:
    from lifecycle_msgs.msg import Transition

    actions = started(ROBOT)
    (planner,) = [action for action in actions if type(action).__name__ == "LifecycleNode"]
    assert planner.named["executable"] == "planner"
    # Who listens is there before anything happens.
    order = kinds(actions)
    assert order.index("RegisterEventHandler") < order.index("EmitEvent")
    (configure,) = [action for action in actions if type(action).__name__ == "EmitEvent"]
    assert configure.named["event"].named["transition_id"] == Transition.TRANSITION_CONFIGURE
    (activate,) = handled(actions, planner)["configuring", "inactive"]
    assert activate.named["event"].named["transition_id"] == Transition.TRANSITION_ACTIVATE


@pytest.mark.usefixtures("double")
def test_arguments_reach_the_nodes(tmp_path: Path) -> None:
    overrides = tmp_path / "mine.yaml"
    overrides.write_text("planner: {ros__parameters: {samples: 7}}")
    made = nodes(started(ROBOT, dry_run="true", without="learner, recorder", params_file=str(overrides)))
    assert list(made) == ["safety", "planner"]
    assert made["safety"]["parameters"][0]["dry_run"] is True
    assert made["planner"]["parameters"][0]["samples"] == 7


@pytest.mark.usefixtures("double")
def test_replay_drives_nothing_and_ends_with_the_bag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ros_nodes.node_table.bag_info",
        lambda path: SimpleNamespace(topic=lambda name: name == "/joint_states"),
    )
    actions = started(REPLAY, bag=str(tmp_path))
    made = nodes(actions)
    assert list(made) == ["planner", "learner", "recorder"]
    assert made["planner"]["parameters"][0]["controller"] == "none"
    (planner,) = [action for action in actions if type(action).__name__ == "LifecycleNode"]
    player = nodes(handled(actions, planner)["activating", "active"])["player"]
    assert type(player["on_exit"]).__name__ == "Shutdown"


@pytest.mark.parametrize("file", [SIM, ROBOT, REPLAY])
def test_with_the_real_launch(file: str) -> None:
    pytest.importorskip("launch_ros")
    from launch.actions import DeclareLaunchArgument

    entities = description(file).entities
    assert {"robot", "store"} <= {each.name for each in entities if isinstance(each, DeclareLaunchArgument)}
