"""One stack of real processes for many faults: a stand-in that is driven along random paths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

from driven_stack import DrivenStack
from ros_domains import domain_of_its_own


@pytest.fixture(scope="session")
def domain() -> Iterator[int]:
    with domain_of_its_own(__name__) as number:
        yield number


@pytest.fixture(scope="session")
def driven(domain: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrivenStack]:
    store: Path = tmp_path_factory.mktemp("faults")
    with DrivenStack(store) as stack:
        yield stack
