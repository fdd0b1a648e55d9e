import json
import shutil

import pytest
import torch
from small_robot import ROBOT, SMALL, START_NS
from test_incidents import write_one

from adapt.commands.dependents import note_dependent
from adapt.model.checkpoint import save_checkpoint
from adapt.model.world_model import WorldModel
from adapt.registry.registry import Registry
from adapt.robot.access import caller
from adapt.robot.load import find_configuration

MADE = {
    "simulator": "mujoco 4.0.0",
    "randomisation": {"stiffness": [4.0, 50.0], "payload": [0.0, 0.25]},
    "data_hash": "cccac3b6d9279107",
    "seed": 0,
    "settings": {"steps": 8000, "learning_rate": 0.002},
    "curve": [{"step": step, "open_loop_rmse": 1.0 / step} for step in range(100, 1100, 100)],
}


def model_of(seed: int) -> WorldModel:
    torch.manual_seed(seed)
    return WorldModel(ROBOT, SMALL)


@pytest.fixture
def store(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def names(store):
    """A: replaced by B, rolled back to; C from B: undecided; D from A: rejected; B was rolled back."""
    stamps = iter(range(START_NS, START_NS + 10**12, 10**9))
    registry = Registry(store, ROBOT, lambda: next(stamps))
    a = registry.add(model_of(0), None, MADE).version
    registry.admit(a, {}, "pretrained in simulation")
    b = registry.add(model_of(1), a, {"segments": [0, 1, 2, 3, 7], "windows": 50}).version
    registry.admit(b, {"e_better": 41.23456, "segments": [4, 5]}, "better on 9 segments")
    c = registry.add(model_of(2), b, {"segments": [0, 1]}).version
    d = registry.add(model_of(3), a, {"segments": [0]}).version
    registry.reject(d, {"e_better": 0.1}, "forgets")
    registry.depend("settings", "planner.yaml", b, {})
    registry.rollback("wobbles [at the elbow]")
    registry.close()
    return a, b, c, d


def test_the_list_says_how_each_version_stands(adapt, store, names):
    a, b, c, d = names
    listed = adapt.json("models", "list", "--store", store)
    assert listed["current"] == a
    stands = {each["version"]: (each["standing"], each["segments"]) for each in listed["versions"]}
    assert stands == {
        a: ("drives", None),
        b: ("rolled_back", 5),
        c: ("undecided", 2),
        d: ("rejected", 1),
    }
    stale = {each["version"]: each["stale"] for each in listed["versions"]}
    assert stale == {a: None, b: "rolled back", c: f"parent {b} was rolled back", d: "rejected"}
    assert "wobbles [at the elbow]" in " ".join(adapt("models", "list", "--store", store)[1].split())


def test_the_tree_has_each_version_once_below_its_parent(adapt, store, names, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    a, b, c, d = names
    lines = adapt("models", "tree", "--store", store)[1].splitlines()
    place = {
        name: [(row, line.index(name)) for row, line in enumerate(lines) if name in line] for name in names
    }
    row, indent = {}, {}
    for name in names:
        # A parent may be named by a child's reason, further to the right.
        row[name], indent[name] = place[name][0]
    assert row[a] < row[b] < row[c] and row[a] < row[d]
    assert indent[a] < indent[b] == indent[d] < indent[c]
    assert f"● {a}  drives since 2023-11-14" in lines[row[a]]
    assert f"↩ {b}  rolled back since" in lines[row[b]] and "5 segments" in lines[row[b]]
    assert f"? {c}  undecided, 2 segments, stale since" in lines[row[c]]
    assert f"✗ {d}  rejected since" in lines[row[d]]
    told = adapt.json("models", "tree", "--store", store)
    assert told == adapt.json("models", "list", "--store", store)


def test_a_card_is_shown_in_readable_parts(adapt, store, names):
    a, b, *_ = names
    shown = " ".join(adapt("models", "show", a, "--store", store)[1].split())
    assert "simulator mujoco 4.0.0" in shown and "data hash cccac3b6d9279107" in shown
    assert "stiffness 4 50" in shown and "payload 0 0.25" in shown
    assert "learning rate 0.002" in shown
    assert "curve, 10 points" in shown and "open loop rmse 0.01 0.001 0.001 █▄" in shown
    assert "admitted: pretrained in simulation" in shown
    assert "returned to: wobbles [at the elbow]" in shown
    told = adapt.json("models", "show", b, "--store", store)
    assert (told["ancestors"], told["standing"], told["lineage"]["segments"]) == (
        [b, a],
        "rolled_back",
        [0, 1, 2, 3, 7],
    )
    assert "segments 0 to 3, 7" in " ".join(adapt("models", "show", b, "--store", store)[1].split())
    assert "no version 'nonsense'; there are: " in adapt.refused(
        "models", "show", "nonsense", "--store", store
    )


def test_incidents_reports_and_settings_are_dependents(adapt, store, names, tmp_path):
    a, b, c, d = names
    first = write_one(store, (a, b))
    report = store / "replay/first/report.json"
    report.parent.mkdir(parents=True)
    report.write_text(json.dumps({"version": a, "versions": {"before": a, "admitted": b}}))
    elsewhere = tmp_path / "bench.json"
    elsewhere.write_text(json.dumps({"version": d, "rate": 1.0}))
    told = adapt.json("models", "dependents", "--store", store)
    found = {(each["kind"], each["name"], each["version"]): each["stale"] for each in told["dependents"]}
    assert found == {
        ("incident", first, a): None,
        ("incident", first, b): "rolled back",
        ("evaluation", str(report), a): None,
        ("evaluation", str(report), b): "rolled back",
        ("settings", "planner.yaml", b): "rolled back",
        ("version", b, a): "rolled back",
        ("version", c, b): f"parent {b} was rolled back",
        ("version", d, a): "rejected",
    }
    assert told["stale"] == 6
    of_b = adapt.json("models", "dependents", b, "--store", store)["dependents"]
    assert {each["version"] for each in of_b} == {b}
    only = adapt.json("models", "dependents", "--store", store, "--reports", elsewhere)["dependents"]
    assert [each["version"] for each in only if each["kind"] == "evaluation"] == [d]
    code, out, _ = adapt("models", "dependents", "--store", store)
    assert code == 0 and "settings planner.yaml  stale" in out


def test_versions_whose_files_are_damaged_or_gone_are_shown_too(adapt, store, names, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    a, b, c, d = names
    shutil.rmtree(store / "versions" / b)
    (store / "versions" / d / "model.json").write_text("{")
    listed = adapt.json("models", "list", "--store", store)["versions"]
    assert {each["version"]: each["damaged"] for each in listed} == {a: False, b: True, c: False, d: True}
    lines = adapt("models", "dependents", "--store", store)[1].splitlines()
    for name in (b, d):
        (line,) = (line for line in lines if name in line and "parent" not in line)
        assert "damaged or gone" in line
    assert "settings planner.yaml  stale" in adapt("models", "dependents", b, "--store", store)[1]
    assert adapt("models", "tree", "--store", store)[2] == ""
    assert "not a checkpoint card" in adapt.refused("models", "show", d, "--store", store)


def test_an_evaluation_of_a_version_in_a_store_is_written_down_there(adapt, store, names, tmp_path):
    b = names[1]
    note_dependent(store / "versions" / b / "model.safetensors", b, "evaluation", "bench adaptation")
    told = adapt.json("models", "dependents", "--store", store)["dependents"]
    found = [each for each in told if each["kind"] == "evaluation"]
    assert [(each["name"], each["stale"]) for each in found] == [("bench adaptation", "rolled back")]
    lone = tmp_path / "lone.safetensors"
    note_dependent(lone, save_checkpoint(lone, model_of(9), ROBOT).version, "evaluation", "bench adaptation")
    assert adapt.json("models", "dependents", "--store", store)["dependents"] == told


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected a JSON object"),
        ('{"rate": 1}', "keys 'version' and 'versions' are missing"),
        (None, "no such file"),
    ],
)
def test_a_report_that_is_none_is_named(adapt, store, names, tmp_path, content, told):
    path = tmp_path / "bench.json"
    if content is not None:
        path.write_text(content)
    refused = adapt.refused("models", "dependents", "--store", store, "--reports", path)
    assert f"{path}: {told}" in refused


def test_a_broken_report_in_a_folder_hides_no_other(adapt, store, names, caplog):
    for name, content in (("broken", "{"), ("whole", json.dumps({"version": names[0]}))):
        (store / name).mkdir()
        (store / name / "report.json").write_text(content)
    told = adapt.json("models", "dependents", "--store", store)["dependents"]
    assert [each["name"] for each in told if each["kind"] == "evaluation"] == [
        str(store / "whole/report.json")
    ]
    assert "broken/report.json: not valid JSON" in caplog.text


def test_verify_names_each_problem_and_ends_with_one(adapt, store, names, tmp_path):
    a, b, _, d = names
    assert adapt.json("models", "verify", "--store", store)["problems"] == {}
    path = store / "versions" / d / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    shutil.move(store / "versions" / a, tmp_path / "versions" / a)
    told = adapt.json("models", "verify", "--store", store, code=1)["problems"]
    assert told.keys() == {a, b, d}
    assert told[d][0].startswith(f"{path}: not a whole safetensors file")
    assert f"parent {a} was not found" in told[b][0]
    told = adapt.json("models", "verify", "--store", store, "--parents", tmp_path, code=1)["problems"]
    assert told.keys() == {a, d}, "the version that drives is still missing here"


def test_verify_of_a_lone_checkpoint(adapt, store, names, tmp_path):
    b = names[1]
    lone = tmp_path / "lone.safetensors"
    save_checkpoint(lone, model_of(9), ROBOT, parent=b)
    told = adapt.json("models", "verify", "--checkpoint", lone)
    assert told["problems"] == {} and f"parent {b} lies elsewhere" in told["notes"][0]
    assert adapt.json("models", "verify", "--checkpoint", lone, "--parents", store)["notes"] == []
    shutil.rmtree(store / "versions" / b)
    told = adapt.json("models", "verify", "--checkpoint", lone, "--parents", store, code=1)
    assert f"parent {b} was not found" in next(iter(told["problems"].values()))[0]
    card = json.loads(lone.with_suffix(".json").read_text())
    lone.with_suffix(".json").write_text(json.dumps(card | {"robot": "my_arm"}))
    assert "'my_arm': give its file with --robot" in adapt.refused("models", "verify", "--checkpoint", lone)
    assert adapt.json("models", "verify", "--checkpoint", lone, "--robot", "so101")["problems"] == {}
    lone.with_suffix(".json").write_text(json.dumps(card | {"seed": 1}))
    assert "unknown key 'seed'" in adapt.refused("models", "verify", "--checkpoint", lone)


def test_the_robot_file_is_not_needed_to_look_and_says_who_may_roll_back(adapt, store, names, tmp_path):
    """A robot of the user's own has no file under configs/."""
    a, b, *_ = names
    for path in (store / "versions").glob("*/model.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"robot": "my_arm"}))
    Registry(store, None, lambda: START_NS).admit(b, {}, "again")
    for command in (["list"], ["tree"], ["show", a], ["dependents"]):
        assert adapt("models", *command, "--store", store)[0] == 0
    rollback = ("models", "rollback", "--store", store, "--why", "wobbles still")
    assert "'my_arm': give its file with --robot" in adapt.refused(*rollback)
    robot = find_configuration("robots", "so101").read_text()
    (tmp_path / "closed.yaml").write_text(robot.replace("promote, rollback", "promote"))
    assert "'access.allow' does not name it" in adapt.refused(*rollback, "--robot", tmp_path / "closed.yaml")
    returned = adapt.json(*rollback, "--robot", "so101")
    assert returned == {"current": a, "from": b, "caller": caller()}
    registry = Registry(store, None, lambda: START_NS)
    assert registry.decisions(a)[-1].evidence["caller"] == caller()
    registry.close()


def test_a_rollback_needs_a_reason_and_an_earlier_version(adapt, store, names):
    assert "--why" in adapt.refused("models", "rollback", "--store", store, "--why", " ")
    assert "no earlier version" in adapt.refused("models", "rollback", "--store", store, "--why", "so")
