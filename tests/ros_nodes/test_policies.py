from xml.etree import ElementTree

import pytest

from adapt.robot.load import load_robot
from ros_nodes.node_table import NODES
from ros_nodes.policies import OPERATOR, policy


@pytest.mark.parametrize("name", ["so101", "go2"])
def test_only_one_node_commands_the_robot_and_one_proposes(name):
    robot = load_robot(name)
    enclaves = ElementTree.fromstring(policy(robot)).findall("enclaves/enclave")
    assert {each.get("path") for each in enclaves} == {
        *(f"/adapt/{entry.name}" for entry in NODES),
        f"/adapt/{OPERATOR}",
    }

    def allowed(kind, action, what):
        found = {
            each.get("path").removeprefix("/adapt/")
            for each in enclaves
            for group in each.findall(f"profiles/profile/{kind}s[@{action}='ALLOW']")
            if what in [entry.text for entry in group]
        }
        return found - {"player"}

    command = robot.action.topic.removeprefix("/")
    assert allowed("topic", "publish", command) == {"safety"}
    assert allowed("topic", "publish", "adapt/proposal") == {"planner"}
    assert allowed("topic", "publish", "adapt/model_version") == {"planner"}
    assert allowed("service", "request", "safety/arm") == {OPERATOR}
    assert allowed("service", "reply", "safety/stop") == {"safety"}
