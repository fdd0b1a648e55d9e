from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from servo_arm import ROBOT, small_model, ticks_of

from adapt.errors import UserError
from adapt.evaluation.adaptation import complete_runs, learn_offline
from adapt.evaluation.replay_comparison import compare
from adapt.learning.ledger import Ledger
from adapt.learning.settings import LearnerSettings
from adapt.learning.update import UpdateSettings
from adapt.learning.verification import verify_ledger
from adapt.model.world_model import WorldModel

QUICK = LearnerSettings(fresh_adapt_s=10.0, update=UpdateSettings(steps=40, learning_rate=5e-3, pull=0.0))


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_learning_makes_the_forecasts_better_on_ticks_that_were_never_trained_on(tmp_path):
    stream = ticks_of(1500, seed=1)
    learned = learn_offline(ROBOT, small_model(), islice(stream, 1000), tmp_path, None, QUICK)
    assert learned.ticks == 1000
    comparison = compare(ROBOT, learned.models(), stream)
    errors = comparison.errors
    assert errors["latest"].total < 0.7 * errors["before"].total
    assert set(errors) == {"before", "admitted", "latest", "command_plus_offset", "hold_last"}
    assert verify_ledger(tmp_path / "ledger.sqlite") == []
    ledger = Ledger(tmp_path / "ledger.sqlite", ROBOT, lambda: 0)
    newest = max(segment.last_stamp_ns for segment in ledger.records.segments)
    ledger.close()
    assert comparison.liveliest.stamp_ns.min() > newest


def test_the_same_ticks_give_the_same_weights_bit_for_bit(tmp_path):
    results = []
    for name in ("one", "two"):
        learned = learn_offline(ROBOT, small_model(), ticks_of(700, seed=2), tmp_path / name, None, QUICK)
        assert learned.latest is not None
        weights = torch.cat([weight.flatten() for weight in learned.latest.parameters()])
        results.append((weights, learned.status, learned.events))
    assert torch.equal(results[0][0], results[1][0])
    assert results[0][1:] == results[1][1:]


def test_too_few_ticks_to_learn_from_leave_the_model_as_it_was(tmp_path):
    model = small_model()
    learned = learn_offline(ROBOT, model, ticks_of(20, seed=3), tmp_path, None, QUICK)
    assert learned.latest is None
    comparison = compare(ROBOT, learned.models(), ticks_of(200, seed=3, first=100))
    assert comparison.errors["admitted"].total == comparison.errors["before"].total


def test_a_store_that_was_used_is_refused(tmp_path):
    learn_offline(ROBOT, small_model(), ticks_of(20, seed=3), tmp_path, None, QUICK)
    with pytest.raises(UserError, match="a ledger in it already"):
        learn_offline(ROBOT, small_model(), ticks_of(20, seed=3), tmp_path, None, QUICK)


def test_runs_end_where_a_tick_is_missing_or_not_complete():
    ticks = list(ticks_of(100, seed=4))
    ticks[30] = replace(ticks[30], applied=np.full(6, np.nan))
    del ticks[60]
    runs = complete_runs(ticks)
    assert [len(run.stamp_ns) for run in runs] == [30, 29, 39]
    comparison = compare(ROBOT, {}, ticks)
    # Windows of 27 ticks, every second one: 2 of 30, 2 of 29 and 7 of 39.
    assert len(comparison.time_s) == 2 + 2 + 7
    assert (np.diff(comparison.time_s) > 0).all()


def test_nothing_left_to_measure_is_told(tmp_path):
    with pytest.raises(UserError, match="learn from fewer minutes"):
        compare(ROBOT, {}, ticks_of(20, seed=4))


def test_models_whose_latents_cannot_be_read_are_compared_in_latents_alone():
    model = small_model()
    hidden = WorldModel(ROBOT, model.settings.model_copy(update={"readable": False, "linear_rank": 0})).eval()
    found = compare(ROBOT, {"before": hidden, "latest": hidden}, ticks_of(300, seed=3))
    assert found.entries == ("latent",) and found.unit == "1 (latent)"
    assert set(found.errors) == {"before", "latest"}
    error = found.errors["before"]
    assert error.by_entry.shape == (1,) and error.total == pytest.approx(float(error.by_entry[0]))
    assert len(error.by_window) == len(found.time_s)
