from __future__ import annotations

import logging
from pathlib import Path

import pytest
from joint_bags import START_NS, text

from adapt.bags.incident import list_incidents, load_incident, make_card, write_incident
from adapt.bags.reader import read_bag
from adapt.bags.topic import RawMessage, describe_topic, standard_types
from adapt.bags.trigger import Capture, Trigger
from adapt.errors import UserError
from adapt.robot.load import load_robot

SO101 = load_robot("so101")


def write(store: Path, stamp_ns: int, kind: str = "prediction error") -> str:
    trigger = Trigger(kind=kind, severity="error", stamp_ns=stamp_ns, detail={"rmse_rad": 0.2})
    capture = Capture((trigger,), stamp_ns - 10**9, stamp_ns + 10**9)
    card = make_card(capture, SO101, versions=["v1", "v2"], budget={"adapt": 12}, dropped={"/b": 3})
    data = bytes(standard_types().serialize_cdr(text("hi"), "std_msgs/msg/String"))
    messages = [RawMessage("/a", stamp_ns + k, data) for k in range(5)]
    return write_incident(store, card, [describe_topic("/a", "std_msgs/msg/String")], messages).card.id


def test_an_incident_comes_back(tmp_path: Path) -> None:
    identifier = write(tmp_path, START_NS + 123_000_000)
    assert identifier == "20231114T221320_123-prediction_error"
    incident = load_incident(tmp_path, identifier)
    card = incident.card
    assert (card.messages, card.dropped, card.versions) == ({"/a": 5}, {"/b": 3}, ("v1", "v2"))
    assert (card.robot, card.robot_schema_hash, card.budget) == ("so101", SO101.schema_hash, {"adapt": 12})
    assert card.triggers[0].detail == {"rmse_rad": 0.2}
    assert len(list(read_bag(incident.bag))) == 5


def test_incidents_are_listed_in_order_of_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert list_incidents(tmp_path) == []
    later, earlier = write(tmp_path, START_NS + 10**12), write(tmp_path, START_NS)
    cut_off = write(tmp_path, START_NS + 5)
    assert cut_off == earlier + "-2"
    (tmp_path / "incidents" / cut_off / "card.json").unlink()
    with caplog.at_level(logging.WARNING):
        assert [incident.card.id for incident in list_incidents(tmp_path)] == [earlier, later]
    assert cut_off in caplog.text and "adapt bags recover" in caplog.text


@pytest.mark.parametrize("content", [b"", b"{", b'{"id": "x"}', b"\xff\xfe"])
def test_an_altered_card_is_named(tmp_path: Path, content: bytes) -> None:
    identifier = write(tmp_path, START_NS)
    (tmp_path / "incidents" / identifier / "card.json").write_bytes(content)
    with pytest.raises(UserError, match=r"card\.json: key"):
        load_incident(tmp_path, identifier)


def test_an_unknown_incident_lists_those_that_are_there(tmp_path: Path) -> None:
    identifier = write(tmp_path, START_NS)
    with pytest.raises(UserError, match=identifier):
        load_incident(tmp_path, "other")
