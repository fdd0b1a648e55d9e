from collections.abc import Callable
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from adapt.robot.load import find_configuration
from adapt.robot.specification import RobotSpecification

Content = dict[str, Any]


def content() -> Content:
    """The SO-101's robot file, to be changed at will."""
    loaded: Content = yaml.safe_load(find_configuration("robots", "so101").read_text())
    return loaded


def robot(change: Callable[[Content], Any] = lambda _: None) -> RobotSpecification:
    changed = content()
    change(changed)
    return RobotSpecification.model_validate(changed)


def joints(changed: Content) -> list[str]:
    names: list[str] = changed["channels"]["joint_position"]["names"]
    return names


def test_sizes_and_links_of_the_arm() -> None:
    arm = robot()
    assert (arm.observation_size, arm.action_size, arm.command_size) == (6, 6, 6)
    assert arm.action_anchor == arm.command_anchor == tuple(range(6))
    assert arm.observation_names[1] == "joint_position/shoulder_lift"


def test_links_go_by_name_and_not_by_position() -> None:
    def add_speeds_first_and_turn_the_command(changed: Content) -> None:
        position = changed["channels"]["joint_position"]
        speed = {**position, "field": "velocity", "unit": "rad/s"}
        changed["channels"] = {"joint_speed": speed, "joint_position": position}
        changed["task"]["command"]["names"] = joints(changed)[::-1]

    arm = robot(add_speeds_first_and_turn_the_command)
    assert arm.channel_slice("joint_position") == slice(6, 12)
    assert arm.action_anchor == (6, 7, 8, 9, 10, 11)
    assert arm.command_anchor == (11, 10, 9, 8, 7, 6)


def test_an_action_without_targets_has_no_anchor() -> None:
    arm = robot(lambda changed: changed["action"].pop("targets"))
    assert arm.action_anchor == (-1,) * 6


@pytest.mark.parametrize(
    "change",
    [
        lambda changed: joints(changed).reverse(),
        lambda changed: changed["action"].update(limits=dict(reversed(changed["action"]["limits"].items()))),
        lambda changed: changed["task"]["command"]["names"].reverse(),
        lambda changed: changed["action"].pop("targets"),
        lambda changed: changed["task"]["command"].pop("tracks"),
        lambda changed: changed.update(rate_hz=50),
        lambda changed: changed.update(history_ticks=14),
        lambda changed: changed.update(horizon_ticks=12),
        lambda changed: [
            place.update(unit="m")
            for place in (
                changed["channels"]["joint_position"],
                changed["action"],
                changed["task"]["command"],
            )
        ],
        lambda changed: (
            changed.update(channels={"encoders": changed["channels"]["joint_position"]})
            or changed["action"].update(targets="encoders")
            or changed["task"]["command"].update(tracks="encoders")
        ),
    ],
)
def test_the_schema_hash_tells_what_a_model_cannot_bear(change: Callable[[Content], Any]) -> None:
    assert robot(change).schema_hash != robot().schema_hash


@pytest.mark.parametrize(
    "change",
    [
        lambda changed: changed["channels"]["joint_position"].update(topic="/arm/joint_states", noise=0.1),
        lambda changed: changed["channels"]["joint_position"].update(max_age_s=1.0, resolution=0.0),
        lambda changed: changed["action"]["limits"]["gripper"].update(velocity=1.0, position=[0, 1]),
        lambda changed: changed["budget"].update(total_ticks=7),
        lambda changed: changed.update(name="my_arm", description="mine", rate_hz=25.0),
        lambda changed: changed.update(simulation=None, sampling_delay_s=0.0),
        lambda changed: changed["task"].update(tracking_scale=0.1),
    ],
)
def test_the_schema_hash_lets_the_rest_change(change: Callable[[Content], Any]) -> None:
    assert robot(change).schema_hash == robot().schema_hash


@pytest.mark.parametrize("limit", ["position", "velocity", "acceleration"])
@pytest.mark.parametrize("joint", ["shoulder_pan", "gripper"])
def test_no_motion_limit_has_a_default(joint: str, limit: str) -> None:
    with pytest.raises(ValidationError) as error:
        robot(lambda changed: changed["action"]["limits"][joint].pop(limit))
    assert [each["loc"] for each in error.value.errors()] == [("action", "limits", joint, limit)]


@pytest.mark.parametrize("limit", ["velocity", "acceleration"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_motion_limit_is_positive_and_finite(limit: str, value: float) -> None:
    with pytest.raises(ValidationError):
        robot(lambda changed: changed["action"]["limits"]["gripper"].update({limit: value}))
