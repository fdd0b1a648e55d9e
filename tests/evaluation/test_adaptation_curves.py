from functools import partial

import numpy as np
import pytest
import torch
from servo_arm import ROBOT, small_model, ticks_of

from adapt.errors import UserError
from adapt.evaluation.adaptation_curves import Experiment, check_ahead, curves, draw_pieces, windows_of
from adapt.evaluation.adaptation_methods import forecasts, methods_of
from adapt.evaluation.adaptation_report import adaptation_report
from adapt.evaluation.open_loop import HoldLast
from adapt.learning.update import UpdateSettings, updated
from adapt.robot.load import load_robot

QUICK = UpdateSettings(steps=40, learning_rate=5e-3, pull=0.0, rehearsal_share=0.0, blend=1.0)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def experiment():
    known = [list(ticks_of(300, seed)) for seed in (1, 2)]
    unseen = windows_of(ROBOT, [ticks_of(200, 3)], 2)
    return Experiment(ROBOT, known, unseen, 100)


def test_pieces_are_consecutive_of_all_bags_and_the_smaller_draw_begins_the_larger():
    bags = [list(ticks_of(250, 1)), list(ticks_of(130, 2))]
    few, many = (draw_pieces(bags, count, 100, np.random.default_rng(4)) for count in (170, 330))
    assert sum(map(len, few)) == 170 and sum(map(len, many)) == 330
    flat = [tick for piece in many for tick in piece]
    assert [tick for piece in few for tick in piece] == flat[:170]
    for piece in many:
        assert np.array_equal(np.diff([tick.index for tick in piece]), np.ones(len(piece) - 1))
    everything = draw_pieces(bags, 380, 100, np.random.default_rng(0))
    assert {id(tick) for piece in everything for tick in piece} == {id(tick) for bag in bags for tick in bag}
    with pytest.raises(UserError, match="20 too few: ask for fewer minutes"):
        draw_pieces(bags, 400, 100, np.random.default_rng(0))


def test_windows_lie_within_pieces():
    pieces = [list(ticks_of(40, 1)), list(ticks_of(26, 2)), list(ticks_of(30, 3))]
    assert len(windows_of(ROBOT, pieces)) == (40 - 26) + 0 + (30 - 26)
    with pytest.raises(UserError, match=r"no unbroken run of 1\.08 s"):
        windows_of(ROBOT, pieces[1:2])


def test_more_data_make_less_error_and_the_same_seeds_the_same_curves(experiment):
    model = small_model()
    quick = {"quick": partial(updated, model, None, QUICK)}
    one = curves(experiment, quick, (0.1, 0.35), range(2), forecasts(ROBOT, model))
    again = curves(experiment, quick, (0.1,), range(2), {})
    assert again.as_dict()["rmse_rad"]["quick"]["0.1"] == one.as_dict()["rmse_rad"]["quick"]["0.1"]
    found = one.as_dict((0.52,))["rmse_rad"]
    assert set(found) == {"none", "command_plus_offset", "hold_last", "quick"}
    assert found["none"]["0"] == found["none"]["0.1"] == found["none"]["0.35"]
    assert found["quick"]["0.35"]["mean"] < 0.8 * found["none"]["0"]["mean"]
    for row in found.values():
        assert all(each["low"] <= each["mean"] <= each["high"] for each in row.values())
    assert len({error.total for error in one.errors["quick"][0.1]}) == 2
    page = adaptation_report(
        one,
        {"robot": "so101", "version": "", "seeds": 2, "train": "a", "test": "b", "piece_s": 1}
        | one.as_dict((0.52,)),
    ).html()
    assert "<svg" in page and "RMS distance over all entries 0.52 s ahead" in page


def test_learning_leaves_the_pretrained_model_as_it_was(experiment):
    model = small_model()
    before = [weight.clone() for weight in model.parameters()]
    updated(model, None, QUICK, experiment.unseen, 0)
    assert all(map(torch.equal, before, model.parameters()))


def test_a_distance_is_over_all_joints_at_a_step_of_the_horizon(experiment):
    found = curves(experiment, {}, (0.1,), range(2), {"hold_last": HoldLast(ROBOT)})
    (error,) = found.errors["hold_last"][0.0]
    assert found.distance(0.2)(error) == pytest.approx(6**0.5 * error.by_step[4])
    check_ahead(ROBOT, 0.2)
    for wrong in (0.0, 0.1, 0.56):
        with pytest.raises(UserError, match=r"a multiple of 0\.04 s up to 0\.52 s"):
            check_ahead(ROBOT, wrong)


def test_the_simulator_is_fitted_where_the_state_is_measured():
    assert methods_of(ROBOT, None, None) == {}
    assert set(forecasts(ROBOT, None)) == {"command_plus_offset", "hold_last"}
    pendulum = load_robot("double_pendulum")
    assert set(methods_of(pendulum, None, None)) == {"identified"}
    assert set(forecasts(pendulum, None)) == {"prior", "hold_last"}
    assert {"default", "simdist"} <= set(methods_of(ROBOT, small_model(), None))
