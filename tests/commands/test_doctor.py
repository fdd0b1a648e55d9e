from pathlib import Path

import yaml

from adapt.robot.load import find_configuration


def other_robot(folder: Path, change) -> Path:
    content = yaml.safe_load(find_configuration("robots", "so101").read_text())
    change(content)
    path = folder / "other.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def test_a_robot_file_that_fits_its_bag(adapt, bag):
    found = adapt.json("doctor", "--robot", "so101", "--bag", bag)
    assert found["problems"] == []
    by_name = {field["name"]: field for field in found["fields"]}
    assert abs(by_name["channels.joint_position"]["rate_hz"] - 50) < 0.1


def test_a_joint_that_the_bag_does_not_have_is_a_problem_with_an_exit_code(adapt, bag, tmp_path):
    def rename(content):
        for names in (content["channels"]["joint_position"]["names"], content["task"]["command"]["names"]):
            names[-1] = "claw"
        content["action"]["limits"]["claw"] = content["action"]["limits"].pop("gripper")

    robot = other_robot(tmp_path, rename)
    found = adapt.json("doctor", "--robot", robot, "--bag", bag, code=1)
    assert any("claw" in problem for problem in found["problems"])


def test_a_robot_file_alone_is_checked(adapt, tmp_path):
    assert len(adapt.json("doctor", "--robot", "so101")["schema_hash"]) == 16
    robot = other_robot(tmp_path, lambda content: content["budget"].update(totl_ticks=3))
    assert "unknown key 'budget.totl_ticks'" in adapt.refused("doctor", "--robot", robot)


def test_bag_and_live_at_once_are_refused(adapt, bag):
    assert "--live" in adapt.refused("doctor", "--robot", "so101", "--bag", bag, "--live")
