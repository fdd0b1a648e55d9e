"""A bag as live topics to real nodes, on its own time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from adapt.bags.reader import bag_info
from adapt.evaluation.replay_speed import write_motion_bag
from adapt.learning.ledger import Ledger
from adapt.robot.load import load_robot

ROBOT = load_robot("so101")


@pytest.mark.ros
def test_nodes_live_on_the_time_of_the_bag(domain: int, checkpoint: Path, tmp_path: Path) -> None:
    bag = write_motion_bag(tmp_path / "bag", ROBOT, 0.4)
    arguments = ["replay", bag, "--robot", "so101", "--checkpoint", checkpoint, "--speed", 2]
    done = subprocess.run(
        [sys.executable, "-m", "adapt.cli", *map(str, arguments), "--out", tmp_path / "out", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout
    store = Path(json.loads(done.stdout.splitlines()[-1])["store"])
    ledger = Ledger(store / "ledger.sqlite", ROBOT, lambda: 0)
    segments, info = ledger.records.segments, bag_info(bag)
    ledger.close()
    assert sum(each.ticks for each in segments) > 10 * ROBOT.rate_hz
    assert all(info.start_ns <= each.first_stamp_ns < each.last_stamp_ns <= info.end_ns for each in segments)
