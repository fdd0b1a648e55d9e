import numpy as np
import pytest
import torch
from servo import ARM, HISTORY, HORIZON, PERIOD_NS, POSE, decide, fill, moved, servo_model, tick

from adapt.errors import UserError
from adapt.model.settings import ModelSettings
from adapt.model.world_model import WorldModel
from adapt.planning.pace import Pace, PaceSettings
from adapt.planning.pilot import Controller, Pilot, Proposal
from adapt.planning.settings import PlannerSettings
from adapt.planning.surprise import Surprise, SurpriseSettings

SETTINGS = PlannerSettings(samples=8, iterations=1)
GOAL = POSE + 0.2 * np.arange(1, HORIZON + 1)[:, None] / HORIZON


def pilot(controller: Controller = "planner", model: WorldModel | None = None, seed: int = 0) -> Pilot:
    return Pilot(ARM, model or servo_model(lively_policy=True), SETTINGS, seed, controller)


def planned(proposal: Proposal | None, source: str = "planner") -> Proposal:
    assert proposal is not None and proposal.source == source
    assert np.isfinite(proposal.actions).all()
    return proposal


def test_the_proposal_is_for_the_ticks_after_the_one_under_way() -> None:
    driving = pilot()
    fill(driving)
    sent = POSE + 0.01
    proposal = planned(decide(driving, reference=GOAL, sent=sent))
    assert proposal.actions.shape == (HORIZON - 1, 6)
    assert proposal.latents is not None and len(proposal.latents) == HORIZON
    now = torch.from_numpy(POSE)[None].float()
    expected = servo_model().observation(proposal.latents[None], now)[0]
    position = POSE
    for action, predicted in zip([sent, *proposal.actions], expected, strict=True):
        position = moved(position, action)
        np.testing.assert_allclose(predicted, position, atol=1e-5)


def test_the_same_seed_and_ticks_give_the_same_proposals() -> None:
    def actions(seed: int) -> np.ndarray:
        driving = pilot(seed=seed)
        index, rows = fill(driving), []
        for number in range(4):
            rows.append(planned(decide(driving, reference=GOAL)).actions)
            driving.record(tick(index + number))
        return np.array(rows)

    assert np.array_equal(actions(1), actions(1)) and not np.array_equal(actions(1), actions(2))


def test_direct_sends_the_reference_by_name() -> None:
    turned = ARM.model_copy(
        update={
            "task": ARM.task.model_copy(
                update={"command": ARM.task.command.model_copy(update={"names": ARM.action.entries[::-1]})}
            )
        }
    )
    driving = Pilot(turned, servo_model(), SETTINGS, 0, "direct")
    proposal = planned(decide(driving, reference=GOAL), "direct")
    np.testing.assert_array_equal(proposal.actions, GOAL[:, ::-1])
    assert proposal.latents is None


def test_direct_needs_an_action_that_the_command_names() -> None:
    torque = ARM.model_copy(update={"action": ARM.action.model_copy(update={"targets": None})})
    with pytest.raises(UserError, match="robot 'so101': controller 'direct' needs an action that targets"):
        Pilot(torque, servo_model(), SETTINGS, 0, "direct")


def test_none_proposes_nothing() -> None:
    driving = pilot("none")
    fill(driving)
    assert decide(driving) is None and driving.counts.total() == 0


@pytest.mark.parametrize("controller", ["planner", "policy", "direct"])
def test_without_a_reference_nothing_is_proposed(controller: Controller) -> None:
    driving = pilot(controller)
    fill(driving)
    late = GOAL.copy()
    late[0] = np.nan
    assert decide(driving, reference=late) is None
    assert driving.counts == {"no reference": 1}


def test_until_the_history_is_full_the_reference_is_sent() -> None:
    driving = pilot()
    for index in range(HISTORY):
        planned(decide(driving, reference=GOAL), "direct")
        driving.record(tick(index))
    planned(decide(driving, reference=GOAL))
    assert driving.counts["history too short"] == HISTORY


@pytest.mark.parametrize("gap", [True, False])
def test_a_gap_or_an_incomplete_tick_begins_a_new_history(gap: bool) -> None:
    driving = pilot()
    index = fill(driving)
    planned(decide(driving, reference=GOAL))
    if not gap:
        driving.record(tick(index, valid=False))
    fill(driving, index + 1, HISTORY - 1)
    planned(decide(driving, reference=GOAL), "direct")
    driving.record(tick(index + HISTORY))
    planned(decide(driving, reference=GOAL))


def test_ticks_whose_action_is_unknown_are_no_history() -> None:
    driving = pilot()
    fill(driving)
    planned(decide(driving, reference=GOAL, sent=np.full(6, np.nan)), "direct")
    driving.record(tick(HISTORY, applied=np.full(6, np.nan)))
    planned(decide(driving, reference=GOAL), "direct")


def test_the_rest_of_the_last_plan_is_followed_for_a_while_and_no_longer() -> None:
    driving = pilot()
    fill(driving)
    plan = planned(decide(driving, reference=GOAL)).actions
    for age in range(1, SETTINGS.oldest_tail_ticks + 1):
        tail = planned(decide(driving, reference=GOAL, valid=False), "tail")
        np.testing.assert_array_equal(tail.actions, plan[age:])
    for _ in range(3):
        assert decide(driving, reference=GOAL, valid=False) is None
    assert driving.counts["measurement not valid"] == SETTINGS.oldest_tail_ticks + 3


def test_a_plan_is_not_followed_once_something_else_was() -> None:
    for other in ("direct", "none"):
        driving = pilot()
        fill(driving)
        planned(decide(driving, reference=GOAL))
        driving.controller = other
        decide(driving, reference=GOAL)
        driving.controller = "planner"
        assert decide(driving, reference=GOAL, valid=False) is None


@pytest.mark.parametrize("controller", ["planner", "policy"])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_dynamics_that_are_not_finite_are_counted_and_drive_nothing(
    controller: Controller, value: float
) -> None:
    model = servo_model(lively_policy=True)
    driving = pilot(controller, model)
    fill(driving)
    plan = planned(decide(driving, reference=GOAL), controller).actions
    with torch.no_grad():
        model.dynamics.transformer.output.weight.fill_(value)
    for age in range(1, SETTINGS.oldest_tail_ticks + 1):
        tail = planned(decide(driving, reference=GOAL), "tail")
        np.testing.assert_array_equal(tail.actions, plan[age:])
    assert decide(driving, reference=GOAL) is None
    assert driving.counts["plan not finite"] == SETTINGS.oldest_tail_ticks + 1


def test_a_swap_of_weights_back_to_good_ones_drives_again() -> None:
    model = servo_model(lively_policy=True)
    good = {name: weight.clone() for name, weight in model.state_dict().items()}
    driving = pilot(model=model)
    fill(driving)
    with torch.no_grad():
        model.dynamics.impulse_response.fill_(torch.nan)
    assert decide(driving, reference=GOAL) is None
    model.load_state_dict(good)
    planned(decide(driving, reference=GOAL))


def test_surprise_speaks_when_the_robot_is_no_longer_the_one_of_the_model() -> None:
    driving = pilot("policy", servo_model())
    # The scaling of this model is 1 rad, beside which the test's motions are rest.
    driving.surprise = Surprise(SurpriseSettings(still=0.0))
    generator = np.random.default_rng(0)
    position, index, told = POSE, fill(driving), []
    for number in range(400):
        seen = position + 0.002 * generator.standard_normal(6)
        proposal = decide(driving, observation=seen)
        told += [number] if driving.surprised else []
        driving.record(tick(index + number, observation=seen))
        sag = 0.02 if number >= 250 else 0.0
        position = moved(position, POSE - sag)
        assert proposal is not None
    assert told and 250 <= told[0] < 350


def test_reset_forgets_plan_and_history() -> None:
    driving = pilot()
    fill(driving)
    planned(decide(driving, reference=GOAL))
    driving.reset()
    assert decide(driving, reference=GOAL, valid=False) is None
    planned(decide(driving, reference=GOAL), "direct")


def stopped_clock(late_ns: int = 0) -> Pace:
    """A pace on a clock that stands still."""
    pace = Pace(SETTINGS.samples, PERIOD_NS, PaceSettings(), lambda: 0)
    pace.begin(late_ns)
    return pace


def test_without_time_to_search_the_policy_drives_and_it_is_counted() -> None:
    driving = Pilot(ARM, servo_model(lively_policy=True), SETTINGS, 0, "planner", stopped_clock(PERIOD_NS))
    fill(driving)
    proposal = planned(decide(driving, reference=GOAL), "policy")
    policy = pilot("policy")
    fill(policy)
    np.testing.assert_array_equal(proposal.actions, planned(decide(policy, reference=GOAL), "policy").actions)
    assert driving.counts["no time to search"] == 1 and policy.counts["no time to search"] == 0


def test_with_time_the_pace_says_how_many_samples() -> None:
    pace = stopped_clock()
    driving = Pilot(ARM, servo_model(lively_policy=True), SETTINGS, 0, "planner", pace)
    fill(driving)
    expected = pilot()
    fill(expected)
    actions = planned(decide(driving, reference=GOAL)).actions
    np.testing.assert_array_equal(actions, planned(decide(expected, reference=GOAL)).actions)
    pace.samples = 4
    fewer = planned(decide(driving, reference=GOAL)).actions
    assert not np.array_equal(fewer, planned(decide(expected, reference=GOAL)).actions)


def test_a_pace_is_fitted_before_anything_moves() -> None:
    now_ns = 0

    def clock() -> int:
        nonlocal now_ns
        now_ns += PERIOD_NS // 2
        return now_ns

    pace = Pace(64, PERIOD_NS, PaceSettings(), clock)
    driving = Pilot(ARM, servo_model(), SETTINGS, 0, "planner", pace)
    assert driving.fit() == pytest.approx(20.0)
    assert pace.samples == PaceSettings().fewest_samples
    assert pilot().fit() is None


@pytest.mark.parametrize("behind", [1, 2, 3])
def test_old_measurements_are_carried_on_by_what_was_sent_since(behind: int) -> None:
    """The servos moved on while nothing was heard: the plan is as if it had been."""
    generator = np.random.default_rng(0)
    driving = pilot()
    position, observed = POSE, [POSE]
    for index in range(HISTORY + behind):
        applied = POSE + generator.uniform(-0.1, 0.1, 6)
        heard = position if index <= HISTORY else observed[HISTORY]
        driving.record(tick(index, observation=heard, applied=applied))
        position = moved(position, applied)
        observed.append(position)
    sent = POSE + 0.05
    stale = observed[HISTORY]
    proposal = planned(decide(driving, observation=stale, reference=GOAL, sent=sent, behind=behind))
    assert proposal.actions.shape == (HORIZON - 1 - behind, 6)
    assert proposal.latents is not None
    expected = servo_model().observation(proposal.latents[None], torch.from_numpy(stale)[None].float())[0]
    for action, predicted in zip([sent, *proposal.actions], expected, strict=True):
        position = moved(position, action)
        np.testing.assert_allclose(predicted, position, atol=1e-5)
    assert driving.counts["measurement behind"] == 1


def test_measurements_that_are_too_old_leave_the_tail_and_then_nothing() -> None:
    driving = pilot()
    fill(driving, ticks=HISTORY + SETTINGS.oldest_tail_ticks)
    planned(decide(driving, reference=GOAL))
    for _ in range(SETTINGS.oldest_tail_ticks):
        planned(decide(driving, reference=GOAL, behind=SETTINGS.oldest_tail_ticks + 1), "tail")
    assert decide(driving, reference=GOAL, behind=SETTINGS.oldest_tail_ticks + 1) is None
    assert driving.counts["measurement too old"] == SETTINGS.oldest_tail_ticks + 1


@pytest.mark.parametrize("ticks", range(5))
def test_the_rest_of_a_late_proposal_is_followed_while_it_is_young(ticks: int) -> None:
    driving = pilot()
    fill(driving)
    proposal = planned(decide(driving, reference=GOAL))
    rest = driving.late(proposal, ticks)
    assert driving.counts["plan late"] == 1
    if ticks <= SETTINGS.oldest_tail_ticks:
        np.testing.assert_array_equal(planned(rest).actions, proposal.actions[ticks:])
    else:
        assert rest is None
    assert driving.late(None, 1) is None


def test_where_the_robot_may_fall_the_policy_drives_until_the_history_is_a_driven_one() -> None:
    walker = ARM.model_copy(update={"action": ARM.action.model_copy(update={"targets": None})})
    driving = Pilot(walker, WorldModel(walker, ModelSettings()).eval(), SETTINGS, 0)
    index = fill(driving)
    for number in range(HISTORY):
        planned(decide(driving, reference=GOAL), "policy")
        driving.record(tick(index + number))
    planned(decide(driving, reference=GOAL))
    assert driving.counts["history not driven yet"] == HISTORY
    driving.reset()
    assert decide(driving, reference=GOAL) is None
    fill(driving, index + 100)
    planned(decide(driving, reference=GOAL), "policy")
