import json
import os
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from small_robot import ROBOT, write_bag

from adapt.robot.load import find_configuration, load_robot

SPLITS = ("adapt", "gate", "audit")


@pytest.fixture(scope="module")
def replayed(bag, checkpoint, eager, tmp_path_factory):
    """Where one replay has written its report and its store."""
    from adapt.cli import main

    out = tmp_path_factory.mktemp("replay") / "out"
    arguments = [
        "replay",
        bag,
        "--robot",
        "so101",
        "--checkpoint",
        checkpoint,
        "--settings",
        eager,
        "--out",
        out,
    ]
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    assert end.value.code == 0
    return out


def test_a_replay_tells_errors_before_and_after_budget_and_gate(replayed):
    data = json.loads((replayed / "report.json").read_text())
    errors = data["open_loop_rmse"]
    assert errors["latest"]["total"] < errors["before"]["total"]
    for error in errors.values():
        assert set(error["joints"]) == set(ROBOT.action.entries)
        assert len(error["steps"]) == ROBOT.horizon_ticks
    learning = data["learning"]
    # Two thirds of a minute at 25 Hz.
    assert learning["ticks"] == 1000
    used = sum(learning["budget"][split]["used"] for split in SPLITS)
    assert used + sum(learning["refused"].values()) == pytest.approx(1000, abs=50)
    assert learning["gate"][0]["kind"] == "candidate_made"
    assert "<svg" in (replayed / "report.html").read_text()


def test_a_viewer_gets_what_was_seen_and_foretold_on_the_time_of_the_bag(replayed):
    with (replayed / "viewer.mcap").open("rb") as file:
        messages = [
            (channel.topic, message.log_time, json.loads(schema.data), json.loads(message.data))
            for schema, channel, message in make_reader(file, validate_crcs=True).iter_messages()
        ]
    topics = {topic: [content for each, _, _, content in messages if each == topic] for topic, *_ in messages}
    assert {"/observation", "/error", "/budget", "/event"} <= set(topics)
    for _, _, schema, content in messages:
        assert set(content) <= set(schema["properties"])
    stamps = [stamp_ns for topic, stamp_ns, *_ in messages if topic == "/observation"]
    assert set(np.diff(stamps)) == {40_000_000}
    seen = topics["/observation"][0]["seen"]
    assert set(seen) == set(ROBOT.action.entries)
    whole = [each for each in topics["/observation"] if "latest" in each]
    assert len(whole) == len(topics["/error"]) > len(stamps) - 2 * ROBOT.horizon_ticks
    for each, error in zip(whole, topics["/error"], strict=True):
        apart = [each["latest"][name] - each["seen"][name] for name in seen]
        assert error["latest"] == pytest.approx(np.sqrt(np.mean(np.square(apart))))
    assert any(each["message"].startswith("candidate made version") for each in topics["/event"])
    assert topics["/budget"][-1]["adapt"] > 0


def test_a_second_replay_gives_the_same_report_byte_for_byte(
    adapt, bag, checkpoint, eager, replayed, tmp_path
):
    again = tmp_path / "again"
    found = adapt.json(
        *("replay", bag, "--robot", "so101", "--checkpoint", checkpoint),
        *("--settings", eager, "--out", again),
    )
    for name in ("report.json", "report.html"):
        assert (again / name).read_bytes() == (replayed / name).read_bytes()
    assert found["report"] == str(again / "report.html")


def test_without_learning_only_the_model_is_measured(adapt, bag, checkpoint, tmp_path):
    arguments = ("replay", bag, "--robot", "so101", "--checkpoint", checkpoint, "--out", tmp_path)
    found = adapt.json(*arguments, "--no-learn")
    assert found["learning"] is None
    assert set(found["open_loop_rmse"]) == {"before", "command_plus_offset", "hold_last"}
    assert not (tmp_path / "store").exists()
    assert "give another folder" in adapt.refused(*arguments)


def test_learning_from_one_bag_and_measuring_on_another(adapt, bag, checkpoint, tmp_path):
    found = adapt.json(
        *("replay", bag, "--robot", "so101", "--checkpoint", checkpoint, "--out", tmp_path / "out"),
        *("--learn-from", bag),
    )
    assert found["learned_from"] == [str(bag)]
    assert found["learning"]["ticks"] in range(1495, 1501)
    # All of the bag is measured on: every second window of 27 ticks.
    assert found["windows"] in range(733, 738)


def test_a_bag_shorter_than_one_window_leaves_nothing_to_measure(adapt, checkpoint, tmp_path):
    short = write_bag(tmp_path / "short", seconds=1.0)
    arguments = ("--robot", "so101", "--checkpoint", checkpoint, "--out", tmp_path / "out", "--no-learn")
    code, _, error = adapt("replay", short, *arguments)
    assert code == 2
    assert "give a longer bag" in error


@pytest.mark.parametrize(
    "options", [("--no-learn", "--learn-minutes", "1"), ("--learn-minutes", "1", "--learn-from", "other")]
)
def test_options_that_contradict_each_other_are_refused(adapt, bag, options):
    assert "option" in adapt.refused("replay", bag, "--robot", "so101", *options)


def test_the_store_of_a_replay_can_be_looked_at(adapt, replayed, tmp_path):
    store = replayed / "store"
    models = adapt.json("models", "list", "--store", store)
    first = models["current"]
    assert first in {each["version"] for each in models["versions"]}
    shown = adapt.json("models", "show", first, "--store", store)
    assert shown["robot"] == "so101"
    assert adapt.json("models", "verify", "--store", store)["problems"] == {}
    ledger = adapt.json("ledger", "show", "--store", store)
    assert min(ledger["budget"][split]["used"] for split in ("adapt", "gate")) > 0
    assert adapt.json("ledger", "verify", "--store", store)["problems"] == []


def test_the_audit_split_opens_only_with_a_reason_and_is_written_down(adapt, replayed, tmp_path):
    sealed = ("ledger", "open-audit", "--robot", "so101", "--store", replayed / "store")
    text = find_configuration("robots", "so101").read_text()
    (tmp_path / "open.yaml").write_text(text.replace("rollback]", "rollback, open_audit]"))
    arguments = (*sealed[:3], tmp_path / "open.yaml", *sealed[4:])
    out = ("--out", tmp_path / "audit.npz")
    assert "'access.allow' does not name it" in adapt.refused(*sealed, *out, "--why", "the arm shook")
    assert "reason" in adapt.refused(*arguments, *out, "--why", " ")
    opened = adapt.json(*arguments, *out, "--why", "the arm shook")
    assert len(opened["segments"]) > 0 and (tmp_path / "audit.npz").is_file()
    assert adapt.json("ledger", "show", "--store", replayed / "store")["audit_opened"] == ["the arm shook"]


def test_a_damaged_version_is_found_and_named(adapt, replayed):
    store = replayed / "store"
    version = adapt.json("models", "list", "--store", store)["current"]
    path = store / "versions" / version / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-4] + os.urandom(4))
    try:
        assert version in adapt.json("models", "verify", "--store", store, code=1)["problems"]
    finally:
        path.write_bytes(content)


def test_a_rollback_without_an_earlier_version_is_refused(adapt, replayed):
    models = adapt.json("models", "list", "--store", replayed / "store")
    admitted = [each for each in models["versions"] if each["standing"] in ("drives", "replaced")]
    arguments = ("models", "rollback", "--store", replayed / "store", "--why", "it shakes")
    if len(admitted) == 1:
        assert "no earlier version" in adapt.refused(*arguments)
    else:
        assert adapt.json(*arguments)["current"] != models["current"]


CRAZYFLIE = Path(__file__).resolve().parents[3] / "shared" / "data" / "bag_crazyflie_vicon_mcap" / "bags"


@pytest.mark.skipif(not CRAZYFLIE.is_dir(), reason=f"no real bags in {CRAZYFLIE}")
def test_a_robot_without_a_simulation_is_learned_from_its_bags_alone(adapt, tmp_path):
    settings = tmp_path / "quick.yaml"
    settings.write_text("fresh_adapt_s: 6.0\nupdate: {steps: 40, rehearsal_share: 0.0}\n")
    bags = [CRAZYFLIE / name for name in ("rollbag", "roll45bag")]
    found = adapt.json(
        *("replay", *bags, "--robot", "crazyflie", "--scratch"),
        *("--settings", settings, "--out", tmp_path / "out"),
    )
    errors = found["open_loop_rmse"]
    # What knows nothing foretells that nothing changes.
    assert errors["before"]["total"] == pytest.approx(errors["hold_last"]["total"], rel=1e-3)
    assert set(errors["before"]["joints"]) == set(load_robot("crazyflie").observation_names)
    assert found["learning"]["candidates"] >= 1
    assert any(each["kind"] == "candidate_made" for each in found["learning"]["gate"])


def test_beginning_from_scratch_goes_with_no_checkpoint(adapt, bag, checkpoint):
    arguments = ("replay", bag, "--robot", "so101", "--scratch")
    assert "--scratch" in adapt.refused(*arguments, "--checkpoint", checkpoint)
    assert "--scratch" in adapt.refused(*arguments, "--no-learn")


def test_incidents_that_are_required_must_be_given(adapt, bag, checkpoint, tmp_path):
    required = tmp_path / "required.yaml"
    required.write_text("gate: {incidents: required}\n")
    replay = ("replay", bag, "--robot", "so101", "--checkpoint", checkpoint, "--out", tmp_path / "out")
    assert "--incidents" in adapt.refused(*replay, "--settings", required)
    assert "there are no incidents in it" in adapt.refused(*replay, "--incidents", tmp_path)
    assert "no candidates" in adapt.refused(*replay, "--no-learn", "--incidents", tmp_path)
    assert "--speed: it takes one bag" in adapt.refused(*replay, "--speed", 1, "--no-learn")
