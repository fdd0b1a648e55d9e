import json
from pathlib import Path

import numpy as np
import pytest
import yaml

CART_POLE = Path(__file__).parents[1] / "sim" / "cart_pole.yaml"


@pytest.fixture
def folders(bag, tmp_path):
    """The same bag to learn from and, under another name, to measure on."""
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "motion").symlink_to(bag, target_is_directory=True)
    return "--train", tmp_path / "train", "--test", tmp_path / "test", "--out", tmp_path / "report"


def test_curves_with_intervals_as_json_and_as_a_page(adapt, folders, checkpoint, tmp_path):
    few = ("--minutes", 0.2, "--seeds", 2, "--method", "default", "--ahead", 0.2)
    found = adapt.json("bench", "adaptation", *folders, "--checkpoint", checkpoint, *few)
    assert set(found["rmse_rad"]["default"]) == {"0.2"}
    assert set(found["rmse_rad"]["default"]["0.2"]) == {"mean", "low", "high", "n"}
    assert found["rmse_rad"]["none"]["0"]["mean"] > 0
    assert set(found["distance_rad"]["0.2"]) == set(found["rmse_rad"])
    assert json.loads((tmp_path / "report" / "report.json").read_text()) == found
    assert "report" in adapt.refused("bench", "adaptation", *folders, "--checkpoint", checkpoint, *few)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--method", "magic"), "'magic' is none of default, without_simulators"),
        (("--minutes", 99, "--method", "default"), "ask for fewer minutes"),
        (("--minutes", 0.2, "--method", "default", "--ahead", 0.1), "no step of the horizon"),
    ],
)
def test_what_cannot_be_done_is_refused(adapt, folders, checkpoint, options, message):
    command = ("bench", "adaptation", *folders, "--checkpoint", checkpoint, "--seeds", 2, *options)
    code, _, error = adapt(*command)
    assert code == 2 and message in error and error.count("\n") == 1


def test_a_folder_without_logs_is_refused(adapt, checkpoint, tmp_path):
    where = ("--train", tmp_path, "--test", tmp_path, "--checkpoint", checkpoint)
    code, _, error = adapt("bench", "adaptation", *where, "--out", tmp_path / "report")
    assert code == 2 and "there are no logs in it" in error


def test_a_robot_without_a_pretrained_model_is_measured_by_its_simulator_on_bare_logs(adapt, tmp_path):
    names = ("time", "slider", "hinge", "slider_speed", "hinge_speed", "force")
    rows = np.random.default_rng(0).normal(size=(400, 6)) * 0.01
    rows[:, 0] = np.arange(400) * 0.01
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "still.csv"
    np.savetxt(log, rows, delimiter=",", header=",".join(names), comments="")
    channels = {"joint_position": list(names[1:3]), "joint_velocity": list(names[3:5])}
    columns = tmp_path / "columns.yaml"
    columns.write_text(yaml.safe_dump({"time": "time", "channels": channels, "action": ["force"]}))
    where = ("--train", tmp_path / "logs", "--test", tmp_path / "logs", "--columns", columns)
    command = ("bench", "adaptation", "--robot", CART_POLE, *where, "--minutes", 0.05, "--seeds", 2)
    found = adapt.json(*command, "--out", tmp_path / "report")
    assert set(found["rmse_rad"]) == {"prior", "hold_last", "identified"} and found["version"] is None
    code, _, error = adapt(*command, "--method", "default", "--out", tmp_path / "other")
    assert code == 2 and "'default' is none of identified" in error
