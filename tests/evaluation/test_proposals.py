from dataclasses import replace

import numpy as np
import pytest
from payload_incident import ROBOT, driven

from adapt.evaluation.proposals import propose_again
from adapt.model.checkpoint import load_checkpoint, shipped_checkpoint
from adapt.planning.settings import PlannerSettings

QUICK = PlannerSettings(samples=8, iterations=1)


@pytest.fixture(scope="module")
def recording():
    return load_checkpoint(shipped_checkpoint(ROBOT), ROBOT)[0], driven(3, 4.0, 99.0)


def test_every_tick_with_a_past_and_a_future_gets_a_proposal_and_twice_the_same(recording):
    model, ticks = recording
    first, second = (propose_again(ROBOT, model, ticks, QUICK, seed=5) for _ in range(2))
    assert len(first.stamp_ns) > 0.9 * len(ticks)
    np.testing.assert_array_equal(first.proposed, second.proposed)
    stamps = {tick.stamp_ns: tick for tick in ticks}
    for stamp_ns, applied in zip(first.stamp_ns, first.applied, strict=True):
        np.testing.assert_array_equal(applied, stamps[stamp_ns].applied)
    # The reference went straight to the servos: a planner leads it a little, and is not far off.
    assert 0.001 < first.distance < 0.3


def test_a_plan_looks_ahead_of_a_reference_that_is_sent_as_it_is(recording):
    model, ticks = recording
    direct = propose_again(ROBOT, model, ticks, QUICK, controller="direct")
    planned = propose_again(ROBOT, model, ticks, QUICK)
    assert direct.distance < planned.distance


def test_gaps_and_unknown_actions_leave_ticks_out_and_nothing_not_finite_in(recording):
    model, ticks = recording
    holed = [tick for tick in ticks if not 40 <= tick.index < 50]
    holed[60] = replace(holed[60], applied=np.full(6, np.nan))
    found = propose_again(ROBOT, model, holed, QUICK)
    assert np.isfinite(found.proposed).all() and np.isfinite(found.applied).all()
    assert holed[60].stamp_ns not in found.stamp_ns
    assert propose_again(ROBOT, model, [], QUICK).distance is None
