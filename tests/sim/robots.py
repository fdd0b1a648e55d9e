"""The small third robot, made by YAML and MJCF alone, and where the published data would be."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapt.robot.load import load_robot

CART_POLE_FILE = Path(__file__).parent / "cart_pole.yaml"
CART_POLE = load_robot(str(CART_POLE_FILE))
PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "data" / "simdist_go2"

needs_published = pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason="../shared/data/simdist_go2 beside the repository is missing"
)
