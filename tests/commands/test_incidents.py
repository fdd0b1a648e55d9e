from small_robot import JOINT_STATE, ROBOT, START_NS

from adapt.bags.incident import make_card, write_incident
from adapt.bags.topic import describe_topic
from adapt.bags.trigger import Capture, Trigger


def write_one(store, versions=("abc",)) -> str:
    trigger = Trigger(kind="tracking error", severity="error", stamp_ns=START_NS, detail={"joint": "gripper"})
    capture = Capture((trigger,), START_NS - 10**9, START_NS + 10**9)
    card = make_card(capture, ROBOT, versions=versions)
    return write_incident(store, card, [describe_topic("/joint_states", JOINT_STATE)], []).card.id


def test_incidents_are_listed_and_shown(adapt, tmp_path):
    assert adapt.json("incidents", "list", "--store", tmp_path) == {"incidents": []}
    identifier = write_one(tmp_path)
    listed = adapt.json("incidents", "list", "--store", tmp_path)["incidents"]
    assert [each["id"] for each in listed] == [identifier]
    shown = adapt.json("incidents", "show", identifier, "--store", tmp_path)
    assert shown["trigger"] == "tracking error"
    assert shown["bag"].endswith(f"{identifier}/bag")
    assert f"adapt replay {shown['bag']}" in adapt("incidents", "show", identifier, "--store", tmp_path)[1]
