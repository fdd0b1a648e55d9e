"""The bench of the whole way back; what it drives is tried with the nodes."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_a_store_that_was_used_is_refused(adapt, tmp_path: Path) -> None:
    pytest.importorskip("rclpy")
    (tmp_path / "ledger.sqlite").touch()
    said = adapt.refused("bench", "recovery", "--store", tmp_path)
    assert "holds the ledger of an earlier run: give another --store" in said
