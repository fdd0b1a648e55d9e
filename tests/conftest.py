"""What all tests share: steady examples, one thread, and a ROS domain for each test that starts nodes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings
from ros_domains import domain_of_its_own

# A loaded machine must not fail a property; the same examples each time make a failure come again.
settings.register_profile("steady", deadline=None, derandomize=True, print_blob=False)
settings.load_profile("steady")

# Two cores are shared by several processes; more threads only wait for each other.
torch.set_num_threads(1)

# Before rclpy is imported anywhere.
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


@pytest.fixture
def domain(request: pytest.FixtureRequest) -> Iterator[int]:
    """See `domain_of_its_own`."""
    with domain_of_its_own(request.node.nodeid) as number:
        yield number


@pytest.fixture(autouse=True)
def _nodes_have_their_own_domain(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("ros"):
        request.getfixturevalue("domain")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Commands that were run in this process may have set another number."""
    torch.set_num_threads(1)
