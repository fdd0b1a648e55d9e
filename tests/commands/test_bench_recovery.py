"""The bench of the whole way back; what it drives is tried with the nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapt.commands.bench_recovery import without_dead_time
from adapt.robot.load import load_robot


@pytest.mark.parametrize("robot", ["go2", str(Path(__file__).parents[1] / "sim" / "cart_pole.yaml")])
def test_a_robot_file_without_a_dead_time_is_of_the_same_robot_wherever_it_lies(
    robot: str, tmp_path: Path
) -> None:
    file = tmp_path / "at_once.yaml"
    file.write_text(without_dead_time(robot))
    assert load_robot(str(file)) == load_robot(robot).at_once()


def test_a_store_that_was_used_is_refused(adapt, tmp_path: Path) -> None:
    pytest.importorskip("rclpy")
    (tmp_path / "ledger.sqlite").touch()
    said = adapt.refused("bench", "recovery", "--robot", "go2", "--scenario", "nominal", "--store", tmp_path)
    assert "holds the ledger of an earlier run: give another --store" in said
