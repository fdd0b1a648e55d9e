"""The measurement of the beat, on the whole stack, for a moment."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from ros_nodes.endurance import endure
from ros_nodes.node_table import Options

pytestmark = pytest.mark.ros


def test_the_beat_is_measured_from_the_planners_own_figures(
    domain: int, checkpoint: Path, tmp_path: Path
) -> None:
    progress: list[float] = []
    options = Options("so101", tmp_path, checkpoint=checkpoint, sim=True)
    kept = endure(options, 5.0, 1, progress.append)
    assert progress[-1] == 1.0 and progress == sorted(progress)
    assert kept.configured_hz == 25.0 and 50 < kept.ticks < 250
    assert kept.kept_hz == pytest.approx(kept.ticks / kept.seconds)
    assert 0 < kept.fewest_samples <= kept.samples <= kept.most_samples == 24
    assert 0.0 < kept.planning_p50_ms <= kept.planning_p99_ms
    assert kept.counts["planner"] > 0 and kept.candidates == 0
    assert 0.0 < kept.memory_mb[0] <= kept.memory_mb[1]
