"""SROS2 policies for the nodes of the node table: what each may publish, hear, offer and call.

Untried with DDS security itself: see docs/security.md.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from xml.etree import ElementTree

from adapt.robot.load import load_robot
from adapt.robot.specification import RobotSpecification
from ros_nodes.node_table import NODES

EVERYWHERE = ("/adapt/event", "/diagnostics")
"""Published by all of ours."""
OPERATOR = "operator"


@dataclass(frozen=True)
class Rights:
    """Names of topics and services."""

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    reply: tuple[str, ...] = ()
    request: tuple[str, ...] = ()


def rights_of(robot: RobotSpecification) -> dict[str, Rights]:
    """What each node of the table may do, and who operates them."""
    sensors = tuple(sorted({each.topic for each in robot.channels.values()}))
    conditions = tuple(sorted({each.topic for each in robot.incidents.conditions.values()}))
    told, reference = robot.action.topic, robot.task.command.topic
    state, turn, admitted = "/adapt/safety_state", "/adapt/turn", "/adapt/admitted_version"
    proposal, tick, version, forecast = (
        f"/adapt/{name}" for name in ("proposal", "tick", "model_version", "forecast")
    )
    stop, emergency = "/safety/stop", "/safety/emergency_stop"
    arming, learning = ("/safety/arm", "/safety/reset"), ("/learner/pause", "/learner/resume")
    ours = (proposal, tick, forecast, version, admitted, turn, state)
    return {
        "stand_in": Rights((*sensors, "/clock"), (told, "/stand_in/set")),
        "safety": Rights(
            (told, state), (proposal, version, admitted, turn, emergency, *sensors), (stop, *arming)
        ),
        "planner": Rights((proposal, tick, forecast, version), (told, reference, admitted, turn, *sensors)),
        "learner": Rights(
            (admitted, turn, "/adapt/learner_status"),
            (tick, state, *EVERYWHERE),
            (*learning, "/learner/rollback"),
        ),
        "recorder": Rights(
            (), (told, reference, *sensors, *conditions, *ours, *EVERYWHERE), ("/recorder/trigger",)
        ),
        "reference": Rights((reference,), (tick, state)),
        "player": Rights((*sensors, told, reference, "/clock")),
        OPERATOR: Rights(
            (reference, emergency),
            (tick, state, *EVERYWHERE, "/adapt/learner_status"),
            (),
            (stop, *arming, *learning, "/learner/rollback", "/recorder/trigger"),
        ),
    }


def policy(robot: RobotSpecification) -> str:
    """The policies as XML, one enclave a node, in SROS2's form (its schema 0.2.0)."""
    root = ElementTree.Element("policy", version="0.2.0")
    enclaves = ElementTree.SubElement(root, "enclaves")
    rights = rights_of(robot)
    for name in (*(entry.name for entry in NODES), OPERATOR):
        given = rights[name]
        enclave = ElementTree.SubElement(enclaves, "enclave", path=f"/adapt/{name}")
        profile = ElementTree.SubElement(
            ElementTree.SubElement(enclave, "profiles"), "profile", ns="/", node=name
        )
        publish = given.publish if name in ("stand_in", "player", OPERATOR) else (*given.publish, *EVERYWHERE)
        for kind, action, names in (
            ("topic", "publish", publish),
            ("topic", "subscribe", (*given.subscribe, "/clock")),
            ("service", "reply", given.reply),
            ("service", "request", given.request),
        ):
            if names:
                group = ElementTree.SubElement(profile, f"{kind}s", {action: "ALLOW"})
                for each in sorted(set(names)):
                    ElementTree.SubElement(group, kind).text = each.removeprefix("/")
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robot", required=True)
    sys.stdout.write(policy(load_robot(parser.parse_args().robot)) + "\n")
