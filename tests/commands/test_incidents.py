from small_robot import JOINT_STATE, ROBOT, START_NS

from adapt.bags.incident import make_card, write_incident
from adapt.bags.reader import Bag
from adapt.bags.topic import describe_topic
from adapt.bags.trigger import Capture, Trigger
from adapt.model.checkpoint import load_card


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


def write_motion_incident(store, bag, version) -> str:
    trigger = Trigger(kind="operator", severity="info", stamp_ns=START_NS + 5 * 10**9)
    card = make_card(Capture((trigger,), START_NS, START_NS + 20 * 10**9), ROBOT, versions=[version])
    with Bag(bag) as opened:
        messages = [each for each in opened.raw() if each.stamp_ns <= card.end_ns]
    topics = [describe_topic(name, JOINT_STATE) for name in ("/joint_states", "/joint_commands")]
    return write_incident(store, card, topics, messages).card.id


def test_a_blessed_incident_is_a_test_that_versions_pass_or_fail(adapt, tmp_path, bag, checkpoint):
    version = load_card(checkpoint).version
    identifier = write_motion_incident(tmp_path, bag, version)
    store, with_version = ("--store", tmp_path), ("--version", checkpoint)
    assert "no incident is blessed" in adapt.refused("incidents", "replay", *store, *with_version)
    told = adapt.json("incidents", "replay", identifier, *store, *with_version)
    assert [each["passed"] for each in told["verdicts"]] == [None] and told["failed"] == 0
    error = told["verdicts"][0]["error"]

    adapt.json("incidents", "bless", identifier, *store, "--at-most", 0.9 * error, "--why", "shakes")
    failed = adapt.json("incidents", "replay", *store, *with_version, code=1)
    assert failed["failed"] == 1 and failed["verdicts"][0]["passed"] is False
    adapt.json("incidents", "bless", identifier, *store, "--at-most", 1.1 * error)
    passed = adapt.json("incidents", "replay", *store, *with_version)
    assert passed["verdicts"][0] == {
        **failed["verdicts"][0],
        "passed": True,
        "at_most": 1.1 * error,
        "why": passed["verdicts"][0]["why"],
    }
    assert "within" in passed["verdicts"][0]["why"] and "above" in failed["verdicts"][0]["why"]
    assert "pass" in adapt("incidents", "replay", *store, *with_version)[1]
    listed = adapt.json("incidents", "list", *store)["incidents"]
    assert listed[0]["criterion"]["at_most"] == 1.1 * error
    adapt.json("incidents", "bless", identifier, *store, "--withdraw")
    assert adapt.json("incidents", "show", identifier, *store)["criterion"] is None


def test_a_blessing_that_makes_no_sense_is_refused(adapt, tmp_path, bag, checkpoint):
    identifier = write_motion_incident(tmp_path, bag, load_card(checkpoint).version)
    bless = ("incidents", "bless", identifier, "--store", tmp_path)
    assert "at_most" in adapt.refused(*bless, "--at-most", -1)
    assert "is empty" in adapt.refused(*bless, "--at-most", 1, "--from", 3, "--to", 2)
    # The version that drove is nowhere: there is nothing to take the bound from.
    assert "there are:" in adapt.refused(*bless)
    assert "no version drove" in adapt.refused(
        "incidents", "bless", write_one(tmp_path, ()), "--store", tmp_path
    )
