import json

import pytest


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
        (("--method", "magic"), "'magic' is none of default, simdist"),
        (("--minutes", 99, "--method", "default"), "ask for fewer minutes"),
        (("--minutes", 0.2, "--method", "default", "--ahead", 0.1), "no step of the horizon"),
    ],
)
def test_what_cannot_be_done_is_refused(adapt, folders, checkpoint, options, message):
    command = ("bench", "adaptation", *folders, "--checkpoint", checkpoint, "--seeds", 2, *options)
    code, _, error = adapt(*command)
    assert code == 2 and message in error and error.count("\n") == 1


def test_a_folder_without_bags_is_refused(adapt, checkpoint, tmp_path):
    where = ("--train", tmp_path, "--test", tmp_path, "--checkpoint", checkpoint)
    assert "there are no bags" in adapt.refused("bench", "adaptation", *where)
