"""Every mistake in a robot file is told on one line that names the file, the key and what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapt.errors import UserError
from adapt.robot.load import find_configuration, load_robot

Content = dict[str, Any]


def channel(changed: Content) -> Content:
    found: Content = changed["channels"]["joint_position"]
    return found


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: c.update(rate=25), "unknown key 'rate': remove it or correct its spelling"),
        (lambda c: channel(c).update(max_age=1), "unknown key 'channels.joint_position.max_age'"),
        (lambda c: channel(c).update(unit="degree"), "key 'channels.joint_position.unit': Input should be"),
        (lambda c: c["action"].pop("limits"), "key 'action.limits' is missing: add it"),
        (lambda c: c["action"].update(limits={}), "key 'action.limits': "),
        (
            lambda c: c["action"]["limits"]["elbow_flex"].pop("velocity"),
            "key 'action.limits.elbow_flex.velocity' is missing: add it",
        ),
        (
            lambda c: c["action"]["limits"]["gripper"].update(position=[1.0, -1.0]),
            "key 'action.limits.gripper.position': the lower limit 1.0 is not below the upper limit -1.0",
        ),
        (
            lambda c: c["action"].update(targets="joint_angle"),
            "action.targets names the channel 'joint_angle'; there are: joint_position",
        ),
        (
            lambda c: c["task"]["command"].update(tracks="hand"),
            "task.command.tracks names the channel 'hand'; there are: joint_position",
        ),
        (
            lambda c: c["action"].update(unit="rad/s"),
            "action.targets: the unit is rad/s but channel 'joint_position' is in rad",
        ),
        (
            lambda c: c["task"]["command"].update(names=["shoulder_pan", "elbow"]),
            "task.command.tracks: channel 'joint_position' has no 'elbow'",
        ),
        (lambda c: c["budget"].update(adapt=0.5), "key 'budget': adapt + gate + audit must be 1, not 0.9"),
        (lambda c: channel(c)["names"].append("gripper"), "the same name stands twice"),
        (lambda c: channel(c).update(indices=[0, 1]), "6 names but 2 indices"),
        (lambda c: channel(c).update(topic="joint states"), "key 'channels.joint_position.topic'"),
        (lambda c: c["action"].update(names=["gripper"]), "give the action's names as the keys of 'limits'"),
        (lambda c: c.pop("fallback"), "key 'fallback' is missing: add it"),
        (lambda c: c.update(rate_hz=0), "key 'rate_hz'"),
        (lambda c: c.update(rate_hz=float("nan")), "key 'rate_hz'"),
    ],
)
def test_a_mistake_is_told_on_one_line(tmp_path: Path, change: Callable[[Content], Any], told: str) -> None:
    content = yaml.safe_load(find_configuration("robots", "so101").read_text())
    change(content)
    path = tmp_path / "arm.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(UserError) as error:
        load_robot(str(path))
    assert str(error.value).startswith(f"{path}: ") and told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_robot_is_found_by_name_and_by_path() -> None:
    assert load_robot("so101") == load_robot(str(find_configuration("robots", "so101")))


def test_a_name_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(UserError, match=r"configs/robots/so100\.yaml: no such file; there are: .*so101"):
        find_configuration("robots", "so100")
    with pytest.raises(UserError, match="there are: none"):
        find_configuration("rockets", "so101")


def test_a_path_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mine\.yaml: no such file"):
        load_robot(str(tmp_path / "mine.yaml"))


def test_what_a_robot_file_does_not_say_is_its_bases() -> None:
    walker, driven_by_its_policy = load_robot("go2"), load_robot("go2_policy")
    assert driven_by_its_policy.dead_time_ticks == 0
    assert driven_by_its_policy.at_once() == walker.model_copy(
        update={"dead_time_ticks": 0, "description": driven_by_its_policy.description}
    )
    assert driven_by_its_policy.schema_hash == walker.schema_hash


def test_a_base_may_lie_beside_the_file_with_the_model_of_its_simulation(tmp_path: Path) -> None:
    cart = find_configuration("robots", str(Path(__file__).parents[1] / "sim" / "cart_pole.yaml"))
    for file in (cart, cart.with_suffix(".xml")):
        (tmp_path / file.name).write_text(file.read_text())
    mine = tmp_path / "mine.yaml"
    mine.write_text("base: cart_pole.yaml\ndescription: Mine.\n")
    simulation = load_robot(str(mine)).simulation
    assert simulation is not None and simulation.model == str((tmp_path / "cart_pole.xml").resolve())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("base: mine.yaml", "has a base itself: name 'mine.yaml' instead"),
        ("base: go3", "configs/robots/go3.yaml: no such file; there are: "),
        ("base: go2\nrate: 25", "mine.yaml: unknown key 'rate'"),
    ],
)
def test_a_base_that_does_not_do_is_told(tmp_path: Path, text: str, told: str) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(text)
    with pytest.raises(UserError, match=told):
        load_robot(str(mine))
