"""A few faults at random, on the stack that the other tests have left."""

from __future__ import annotations

import pytest

from ros_nodes.fault_stage import Stage
from ros_nodes.soak import soak_stage

pytestmark = pytest.mark.ros


def test_a_soak_counts_what_it_did_and_what_came_of_it(stage: Stage) -> None:
    heard: list[tuple[float, str]] = []
    found = soak_stage(stage, 0.25, 4, lambda done, fault: heard.append((done, fault)))
    assert sum(tally.times for tally in found.faults.values()) == len(heard) >= 2
    assert set(found.faults) == {fault for _, fault in heard}
    assert found.limits_broken == {} and found.commands > 100
    fallbacks = sum(
        times for kind, times in found.interventions.items() if kind.startswith("safety_fallback")
    )
    assert fallbacks >= sum(tally.fallbacks for tally in found.faults.values())
    # One of each at the most: had they come again, each would have come before.
    assert all(tally.times == 1 for tally in found.faults.values())
