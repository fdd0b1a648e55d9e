from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapt.errors import UserError
from adapt.robot.load import configuration_folders, load_robot
from adapt.sim.arm_stand_in import ArmStandIn
from adapt.sim.scenario import PER_JOINT, Scenario, load_scenario

SPEC = load_robot("so101")
NAMES = sorted(path.stem for path in (configuration_folders()[0] / "scenarios" / "so101").glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_that_comes_with_the_project_loads(name: str) -> None:
    assert load_scenario(SPEC, name).description


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_keeps_the_arm_near_what_it_is_told(name: str) -> None:
    robot = ArmStandIn(SPEC, load_scenario(SPEC, name), 0)
    asked = np.zeros(6)
    for index in range(100):
        asked = 0.3 * np.sin(index * 0.05) * np.ones(6) + np.array([0, 0, 0, 0, 0, 0.5])
        robot.command(robot.now_ns, asked)
        robot.advance(robot.now_ns + 20_000_000)
    assert np.abs(robot.true_position - asked).max() < 0.3


def test_the_default_scenario_of_the_robot_file_is_there() -> None:
    assert SPEC.simulation is not None
    assert SPEC.simulation.scenario in NAMES


def test_a_base_gives_what_the_file_does_not() -> None:
    real, payload = load_scenario(SPEC, "real_arm"), load_scenario(SPEC, "payload")
    assert payload.payload_mass > 0 == real.payload_mass
    assert payload.stiffness == real.stiffness


def test_a_settled_scenario_is_as_after_its_last_event() -> None:
    picked, payload = load_scenario(SPEC, "payload_picked_up"), load_scenario(SPEC, "payload")
    assert picked.payload_mass == 0 and picked.events
    settled = picked.settled()
    assert not settled.events and settled.payload_mass == payload.payload_mass
    assert settled.payload_place == payload.payload_place
    assert load_scenario(SPEC, "payload_dropped").settled().payload_mass == 0


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("backlsh: 0.1", "backlsh"),
        ("lost_commands: 1.5", "lost_commands"),
        ("stiffness: [1, 2, 3]", "stiffness"),
        ("stiffness: -1", "stiffness"),
        ("events: [{time_s: 1, set: {weight: 1}}]", "weight"),
        ("events: [{time_s: 1, set: {payload_mass: -1}}]", "payload_mass"),
        ("base: payload", "base"),
    ],
)
def test_a_wrong_key_or_value_is_refused_with_file_and_key(tmp_path: Path, text: str, key: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"odd\.yaml.*{key}") as caught:
        load_scenario(SPEC, str(path))
    assert "\n" not in str(caught.value)


def test_an_unknown_scenario_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UserError, match="real_arm"):
        load_scenario(SPEC, "nowhere")


@given(name=st.sampled_from(PER_JOINT), value=st.floats(0.01, 5))
def test_changed_changes_one_field_only(name: str, value: float) -> None:
    before = Scenario(payload_mass=0.3)
    after = before.changed({name: value})
    assert getattr(after, name) == value
    assert after.model_copy(update={name: getattr(before, name)}) == before


def test_changed_validates() -> None:
    with pytest.raises(ValidationError):
        Scenario().changed({"payload_mass": -1.0})
