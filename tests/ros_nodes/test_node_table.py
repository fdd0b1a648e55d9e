from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml
from rosbags.typesys import Stores, get_typestore

from adapt.bags.writer import BagWriter
from adapt.errors import UserError
from ros_nodes.node_table import NODES, Options, chosen_nodes, parameter_text, read_parameter_file

ROOT = Path(__file__).resolve().parents[2]


def chosen(**changes: object) -> dict[str, dict[str, object]]:
    options = Options(robot="so101", store=Path("runs"), **changes)  # type: ignore[arg-type]
    return {entry.name: parameters for entry, parameters in chosen_nodes(options)}


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    store = get_typestore(Stores.ROS2_JAZZY)
    with BagWriter(tmp_path / "bag") as writer:
        for topic in ("/joint_states", "/adapt/event", "/camera"):
            writer.add_topic(topic, "std_msgs/msg/String")
            writer.write_message(topic, 1, store.types["std_msgs/msg/String"](data="x"))
    return tmp_path / "bag"


def test_every_node_has_a_module_and_an_executable() -> None:
    for entry in NODES:
        source = ROOT / (entry.module.replace(".", "/") + ".py")
        names = [
            each.name for each in ast.parse(source.read_text()).body if isinstance(each, ast.FunctionDef)
        ]
        assert "main" in names, source
    setup = ast.parse((ROOT / "setup.py").read_text())
    listed = next(
        ast.literal_eval(each.value)
        for each in setup.body
        if isinstance(each, ast.Assign)
        and isinstance(each.targets[0], ast.Name)
        and each.targets[0].id == "NODES"
    )
    assert sorted(listed) == sorted(entry.name for entry in NODES)


def test_who_takes_part() -> None:
    assert list(chosen()) == ["safety", "planner", "learner", "recorder"]
    assert list(chosen(sim=True)) == ["stand_in", "safety", "planner", "learner", "recorder", "reference"]
    assert list(chosen(without=frozenset({"learner"}))) == ["safety", "planner", "recorder"]


def test_a_bag_drives_nothing_and_says_only_what_the_robot_said(bag: Path) -> None:
    nodes = chosen(bag=bag)
    assert "safety" not in nodes and nodes["planner"]["controller"] == "none"
    assert nodes["player"]["topics"] == ["/joint_states"]


def test_a_bag_of_another_robot_is_refused(tmp_path: Path) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/camera", "std_msgs/msg/String")
        writer.write_message("/camera", 1, store.types["std_msgs/msg/String"](data="x"))
    with pytest.raises(UserError, match="no topic of robot 'so101'"):
        chosen(bag=tmp_path / "bag")


def test_only_the_stand_in_is_told_the_scenario() -> None:
    for name, parameters in chosen(sim=True, scenario="payload").items():
        assert ("payload" in parameters.values()) == (name == "stand_in")


def test_simulated_time_has_one_source_and_is_followed_by_all_others() -> None:
    for name, parameters in chosen(sim=True, simulated_time=True).items():
        assert parameters.get("publish_clock", False) == (name == "stand_in")
        assert parameters.get("use_sim_time", False) == (name != "stand_in")


def test_parameters_of_a_file_go_over_the_table(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "/**: {ros__parameters: {store: elsewhere, seed: 1}}\n"
        "/planner: {ros__parameters: {seed: 2, nested: {deep: 3.5}}}\n"
    )
    nodes = chosen(overrides=read_parameter_file(path))
    assert nodes["learner"]["store"] == "elsewhere" and nodes["learner"]["seed"] == 1
    assert nodes["planner"]["seed"] == 2 and nodes["planner"]["nested.deep"] == 3.5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sim": True, "bag": Path("x")}, "one of the two"),
        ({"scenario": "payload"}, "'scenario'"),
        ({"simulated_time": True}, "'simulated_time'"),
        ({"command": "1 0 0"}, "'command'"),
        ({"checkpoint": Path("/not/there")}, "/not/there: no such checkpoint"),
        ({"without": frozenset({"planer"})}, "'planer'"),
        ({"overrides": {"planer": {}}}, "'planer'"),
        ({"bag": Path("/not/there")}, "/not/there"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        chosen(**changes)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("planer: {ros__parameters: {}}", "key 'planer': no such node"),
        ("planner: {seed: 1}", "key 'planner': expected 'ros__parameters'"),
        ("planner: {ros__parameters: 3}", "key 'planner'"),
        ("[1, 2]", "expected node names"),
        ("a: [", "not valid YAML"),
        (None, "no such file"),
    ],
)
def test_a_wrong_parameter_file_is_refused(tmp_path: Path, text: str | None, reason: str) -> None:
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=reason) as caught:
        read_parameter_file(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_written_for_a_node_is_what_was_meant() -> None:
    parameters = {"flag": True, "text": "no", "number": 1e-05, "list": ["a"]}
    assert yaml.safe_load(parameter_text("planner", parameters)) == {
        "planner": {"ros__parameters": parameters}
    }
