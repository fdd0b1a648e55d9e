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
