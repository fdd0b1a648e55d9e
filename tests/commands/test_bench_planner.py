import pytest

pytest.importorskip("mujoco")


def test_three_planners_answer_the_same_questions(adapt, tmp_path) -> None:
    picture = tmp_path / "curves.svg"
    options = ["--states", 2, "--seeds", 1, "--seconds", 2.0, "--scenario", "ideal", "--plot", picture]
    result = adapt.json("bench", "planner", *options)
    assert result["plan_max_abs_diff"] < 1e-4
    assert result["speedup"] == pytest.approx(result["reference_ms"] / result["same_ms"])
    assert result["time_ratio"] == pytest.approx(result["reference_ms"] / result["ours_ms"])
    assert result["floor_ratio"] == pytest.approx(result["same_ms"] / result["floor_ms"])
    assert result["floor_ratio"] > 1.0
    assert result["flops"]["reference"] > 1.5 * result["flops"]["same"] > 10 * result["flops"]["ours"] > 0
    assert result["return_gain"]["n"] == 2 and result["return_gain"]["low"] <= result["return_gain"]["mean"]
    assert len(result["curves"]["reference"]["return"]) == 8
    assert picture.read_text().startswith("<?xml")


def test_a_set_point_that_is_no_number_is_refused(adapt) -> None:
    assert "give numbers" in adapt.refused("bench", "planner", "--robot", "go2", "--command", "fast")
