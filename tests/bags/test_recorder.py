from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from joint_bags import START_NS, text

from adapt.bags.blank_message import blank_message
from adapt.bags.incident import list_incidents
from adapt.bags.reader import Bag, bag_info, read_bag
from adapt.bags.recorder import (
    EVENT_TOPIC,
    STRING,
    VERSION_TOPIC,
    Recorder,
    RecorderSettings,
    recorded_topics,
)
from adapt.bags.topic import standard_types
from adapt.bags.trigger import CaptureSettings
from adapt.errors import UserError
from adapt.robot.incidents import IncidentRules
from adapt.robot.load import load_robot
from adapt.robot.specification import RobotSpecification

SO101 = load_robot("so101")
CAPTURE = CaptureSettings(before_s=2, after_s=1, longest_s=5, cool_down_s=1)


class Clock:
    now_ns = START_NS

    def __call__(self) -> int:
        return self.now_ns


def string(data: str) -> bytes:
    return bytes(standard_types().serialize_cdr(text(data), STRING))


def event(kind: str, severity: str = "info", **detail: object) -> bytes:
    content = {"stamp_ns": 0, "node": "safety", "kind": kind, "severity": severity, "detail": detail}
    return string(json.dumps(content))


def recorder_in(store: Path, clock: Clock, **settings: object) -> Recorder:
    return Recorder(SO101, store, RecorderSettings.model_validate({"capture": CAPTURE, **settings}), clock)


def receive(recorder: Recorder, clock: Clock, first: int, last: int) -> None:
    """Numbered messages every 10 ms, each with its number as data, and the recorder's step."""
    for number in range(first, last):
        clock.now_ns = START_NS + number * 10_000_000
        recorder.receive("/joint_states", number.to_bytes(8, "little"))
        recorder.step()


def numbers_in(bag: Path) -> list[int]:
    with Bag(bag) as opened:
        return [int.from_bytes(message.data, "little") for message in opened.raw(["/joint_states"])]


def test_an_error_event_keeps_the_seconds_around_it(tmp_path: Path) -> None:
    clock = Clock()
    recorder = recorder_in(tmp_path, clock)
    recorder.receive(VERSION_TOPIC, string("pretrained"))
    recorder.receive(EVENT_TOPIC, event("segment_stored", budget={"adapt": 17}))
    receive(recorder, clock, 1, 500)
    recorder.receive(EVENT_TOPIC, event("servo_fault", "error", joint="gripper"))
    recorder.receive(EVENT_TOPIC, event("harmless", "warning"))
    receive(recorder, clock, 500, 1000)
    outcomes = recorder.close()
    incident = list_incidents(tmp_path)[0]
    assert len(list_incidents(tmp_path)) == 1 and all(outcome.error == "" for outcome in outcomes)
    assert numbers_in(incident.bag) == list(range(299, 600))
    assert [message.data for _, _, _, message in read_bag(incident.bag, [VERSION_TOPIC])] == ["pretrained"]
    card = incident.card
    assert (card.trigger, card.severity, card.versions, card.budget) == (
        "servo_fault",
        "error",
        ("pretrained",),
        {"adapt": 17},
    )
    assert card.triggers[0].detail == {"node": "safety", "joint": "gripper"}


def test_events_of_the_kinds_asked_for_begin_an_incident(tmp_path: Path) -> None:
    clock = Clock()
    recorder = recorder_in(tmp_path, clock, trigger_kinds=["drift"])
    receive(recorder, clock, 0, 10)
    recorder.receive(EVENT_TOPIC, event("drift"))
    assert [outcome.incident.card.trigger for outcome in recorder.close() if outcome.incident] == ["drift"]


@pytest.mark.parametrize("data", ["", "{", "[1]", "{}", '{"kind": "x", "severity": "bad", "detail": {}}'])
def test_what_is_no_event_does_no_harm(tmp_path: Path, data: str) -> None:
    recorder = recorder_in(tmp_path, Clock())
    recorder.receive(EVENT_TOPIC, string(data))
    recorder.receive(EVENT_TOPIC, b"\x00\x01\x00\x00\xff")
    assert recorder.close() == [] and list_incidents(tmp_path) == []


def test_continuous_recording_keeps_everything(tmp_path: Path) -> None:
    clock = Clock()
    recorder = recorder_in(tmp_path, clock, continuous=True, ring_mb=0.01)
    receive(recorder, clock, 0, 300)
    assert recorder.trigger("operator", "info")
    receive(recorder, clock, 300, 600)
    recorder.close()
    recording = next((tmp_path / "recordings").iterdir())
    assert numbers_in(recording) == list(range(600))
    assert bag_info(recording).topic("/reference").transient_local
    assert sum(list_incidents(tmp_path)[0].card.dropped.values()) > 0


def test_a_store_that_cannot_be_written_is_told_and_survived(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    clock = Clock()
    recorder = recorder_in(tmp_path / "store", clock)
    receive(recorder, clock, 0, 10)
    recorder.trigger("operator", "info")
    outcomes = recorder.close()
    assert len(outcomes) == 1 and outcomes[0].incident is None and "store" in outcomes[0].error


def test_an_unknown_type_in_the_robot_file_is_named(tmp_path: Path) -> None:
    action = SO101.action.model_copy(update={"type": "my_msgs/msg/Servo"})
    with pytest.raises(UserError, match=r"/joint_commands.*my_msgs/msg/Servo"):
        Recorder(SO101.model_copy(update={"action": action}), tmp_path, RecorderSettings(), Clock())


RULES = {
    "conditions": {
        "hot": {
            "topic": "/servo_temperature",
            "type": "sensor_msgs/msg/Temperature",
            "when": "temperature > 60",
            "severity": "error",
        }
    },
    "silent_after_s": {"/joint_states": 0.5},
}


def robot_with(rules: dict[str, object]) -> RobotSpecification:
    return SO101.model_copy(update={"incidents": IncidentRules.model_validate(rules)})


def temperature(value: float) -> bytes:
    types = standard_types()
    kind = "sensor_msgs/msg/Temperature"
    message = blank_message(types, kind)
    message.temperature = value
    return bytes(types.serialize_cdr(message, kind))


def test_a_condition_begins_an_incident_when_it_comes_true_and_not_while_it_stays(tmp_path: Path) -> None:
    clock = Clock()
    settings = RecorderSettings(capture=CAPTURE.model_copy(update={"cool_down_s": 0.0}))
    recorder = Recorder(robot_with({**RULES, "silent_after_s": {}}), tmp_path, settings, clock)
    for number, value in enumerate([20, 61, 70, 80, 70, 65, 62, 59, 20, 20, 65, 20]):
        clock.now_ns = START_NS + number * 1_000_000_000
        recorder.receive("/servo_temperature", temperature(value))
        recorder.receive("/servo_temperature", b"damaged")
        recorder.step()
    recorder.close()
    cards = [each.card for each in list_incidents(tmp_path)]
    assert [(card.trigger, card.severity, len(card.triggers)) for card in cards] == [("hot", "error", 1)] * 2
    assert cards[0].triggers[0].detail["when"] == "temperature > 60"
    assert cards[1].stamp_ns - cards[0].stamp_ns == 9_000_000_000


def test_a_topic_that_ends_is_told_once_until_it_is_heard_again(tmp_path: Path) -> None:
    clock = Clock()
    settings = RecorderSettings(capture=CAPTURE.model_copy(update={"cool_down_s": 0.0}))
    recorder = Recorder(robot_with(RULES), tmp_path, settings, clock)
    receive(recorder, clock, 0, 100)
    for _ in range(60):
        clock.now_ns += 100_000_000
        recorder.step()
    receive(recorder, clock, 1000, 1010)
    clock.now_ns += 600_000_000
    recorder.step()
    recorder.close()
    cards = [each.card for each in list_incidents(tmp_path)]
    assert [card.trigger for card in cards] == ["topic_silent", "topic_silent"]
    assert cards[0].triggers[0].detail["topic"] == "/joint_states"
    assert cards[0].stamp_ns - (START_NS + 990_000_000) <= 700_000_000


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"when": "heat > 60"}, "incidents.conditions.hot.when.*no field 'heat'"),
        ({"type": "my_msgs/msg/Servo"}, "my_msgs/msg/Servo"),
        ({"topic": "/joint_states"}, r"incidents\.conditions\.hot\.type.*sensor_msgs/msg/JointState"),
    ],
)
def test_a_condition_that_does_not_fit_its_topic_is_named(
    tmp_path: Path, change: dict[str, str], told: str
) -> None:
    rules = {"conditions": {"hot": {**RULES["conditions"]["hot"], **change}}}
    with pytest.raises(UserError, match=told):
        Recorder(robot_with(rules), tmp_path, RecorderSettings(), Clock())


def test_a_watched_topic_that_is_not_recorded_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"silent_after_s.*/nothing.*there are: /joint_states"):
        Recorder(robot_with({"silent_after_s": {"/nothing": 1.0}}), tmp_path, RecorderSettings(), Clock())


def test_incidents_that_need_room_drop_older_ones_and_say_so(tmp_path: Path) -> None:
    clock = Clock()
    recorder = recorder_in(tmp_path, clock, quota_mb=0.03)
    outcomes = []
    for number in range(6):
        clock.now_ns = START_NS + number * 100_000_000_000
        for _ in range(20):
            clock.now_ns += 10_000_000
            recorder.receive("/joint_states", os.urandom(500))
        recorder.trigger("operator", "info")
        clock.now_ns += 2_000_000_000
        outcomes += recorder.step()
    outcomes += recorder.close()
    written = [each.incident.card.id for each in outcomes if each.incident]
    dropped = [each.card.id for outcome in outcomes for each in outcome.dropped]
    left = [each.card.id for each in list_incidents(tmp_path)]
    assert len(written) == 6 and dropped and dropped == written[: len(dropped)]
    assert left == written[len(dropped) :]


def test_the_reference_is_recorded_as_latched() -> None:
    topics = recorded_topics(SO101)
    assert topics["/reference"][1].transient_local and not topics["/joint_states"][1].reliable
