"""The node table as a launch description. Needs `launch` and `launch_ros`, which come with an apt ROS 2."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition

from ros_nodes.node_table import NodeEntry, Options, Parameters, chosen_nodes, read_parameter_file

COMMON = {
    "robot": ("so101", "name or path of the robot file"),
    "store": ("runs", "folder for versions, ledger, incidents and logs"),
    "checkpoint": ("", "model to begin with; empty for the one that comes with the robot"),
    "without": ("", "nodes to leave out, with commas between them"),
    "params_file": ("", "ROS parameter file, over what the node table gives"),
}


def describe(
    options: Callable[[Options, Mapping[str, str]], Options], extra: Mapping[str, tuple[str, str]]
) -> LaunchDescription:
    """Launch the nodes that the arguments ask for.

    Args:
        options: completes the common options from the values of all arguments.
        extra: further arguments: name to default value and description.
    """
    arguments = {**COMMON, **extra}

    def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        given = {name: LaunchConfiguration(name).perform(context) for name in arguments}
        common = Options(
            robot=given["robot"],
            store=Path(given["store"]),
            checkpoint=Path(given["checkpoint"]) if given["checkpoint"] else None,
            without=frozenset(name.strip() for name in given["without"].split(",") if name.strip()),
            overrides=read_parameter_file(Path(given["params_file"])) if given["params_file"] else {},
        )
        return _actions(chosen_nodes(options(common, given)))

    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in arguments.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def _actions(chosen: list[tuple[NodeEntry, Parameters]]) -> list[LaunchDescriptionEntity]:
    """All nodes; one with a lifecycle is led to active, and what comes last waits for that."""
    nodes = [(entry, _node(entry, parameters)) for entry, parameters in chosen]
    actions = [node for entry, node in nodes if not entry.last]
    last = [node for entry, node in nodes if entry.last]
    if not any(entry.lifecycle for entry, _ in nodes):
        return actions + last
    for entry, node in nodes:
        if entry.lifecycle:
            activate = _transition(node, Transition.TRANSITION_ACTIVATE)
            actions += [
                _when(node, "configuring", "inactive", [activate]),
                _when(node, "activating", "active", last),
                _transition(node, Transition.TRANSITION_CONFIGURE),
            ]
    return actions


def _node(entry: NodeEntry, parameters: Parameters) -> Node:
    kind = LifecycleNode if entry.lifecycle else Node
    return kind(
        package="adapt",
        executable=entry.name,
        name=entry.name,
        namespace="",
        parameters=[parameters],
        output="both",
        on_exit=Shutdown(reason="the bag has been played") if entry.name == "player" else None,
    )


def _when(
    node: LifecycleNode, before: str, now: str, then: list[LaunchDescriptionEntity]
) -> RegisterEventHandler:
    return RegisterEventHandler(
        OnStateTransition(target_lifecycle_node=node, start_state=before, goal_state=now, entities=then)
    )


def _transition(node: LifecycleNode, transition: int) -> EmitEvent:
    return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition))
