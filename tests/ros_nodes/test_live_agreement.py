"""What was recorded over DDS gives the very ticks that the planner lived through."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

from adapt.bags.agreement import compare_with_live
from adapt.bags.incident import list_incidents
from adapt.bags.reader import bag_info
from adapt.robot.load import load_robot
from adapt.stream.forecast_message import FORECAST_TOPIC
from ros_nodes.node_table import Options
from ros_nodes.up import Stack

pytestmark = pytest.mark.ros


def test_ticks_made_anew_from_a_recording_are_those_made_live(
    domain: int, checkpoint: Path, tmp_path: Path
) -> None:
    options = Options(
        robot="so101",
        store=tmp_path,
        checkpoint=checkpoint,
        sim=True,
        without=frozenset({"learner"}),
        overrides={"recorder": {"continuous": True}, "planner": {"samples": 16, "iterations": 1}},
    )
    with Stack(options) as stack:
        stack.start()
        stack.arm()
        time.sleep(8.0)  # The robot moves; nothing waits for this.
        assert not stack.deaths()
    recording = next((tmp_path / "recordings").iterdir())
    forecasts = bag_info(recording).topic(FORECAST_TOPIC)
    assert forecasts is not None and forecasts.messages > 100
    agreement = compare_with_live(recording, load_robot("so101"))
    assert agreement is not None and agreement.ticks > 120
    # Sensors are best effort: what the planner misses or hears late on a machine that does too much, the
    # recorder need not. On one that does not, all are the same.
    assert agreement.same >= 0.8 * agreement.ticks, agreement
    assert all(incident.card.trigger != "beat_failed" for incident in list_incidents(tmp_path))
