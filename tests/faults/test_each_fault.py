"""Every fault of the table, one by one on real processes, and what is promised of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ros_nodes.fault_stage import Stage
from ros_nodes.faults import TRIALS, Trial, try_fault
from ros_nodes.own_network import has_own_network

TABLE = Path(__file__).resolve().parents[2] / "docs" / "faults.md"


@pytest.mark.ros
@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: trial.name)
def test_what_is_promised_of_it_is_kept(stage: Stage, trial: Trial) -> None:
    if trial.own_network and not has_own_network():
        pytest.skip("only root can cut a network of its own")
    stage.until(lambda: stage.moves(0.003), "motion")
    outcome = try_fault(stage, trial)
    assert not outcome.broken


def test_the_table_names_every_fault() -> None:
    rows = [line.split("|")[1].strip() for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    assert {trial.name for trial in TRIALS} <= set(rows)
