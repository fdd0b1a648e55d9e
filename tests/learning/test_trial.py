"""Turns at driving, with a robot whose ticks are made up."""

import math
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from deployment import ARM
from hypothesis import given, settings
from hypothesis import strategies as st
from small_arm import PERIOD_NS, START_NS, ticks_of

from adapt.learning.gate import BettingTest, DrivingGate, TrialSettings
from adapt.learning.ledger import Ledger
from adapt.learning.trial import LiveRobot, Trial, turn_order
from adapt.learning.verification import verify_ledger

SHORT = TrialSettings(episode_s=0.4, settle_s=0.12, inherits_s=0.24, most_pairs=30)
PARENT, CHILD = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
THRESHOLD = 33.0


class Arm:
    """Follows a moving command with an error that depends on the version that drives."""

    def __init__(self, errors: dict[str, float], seed: int = 0, first: int = 0):
        self.index = first
        self._errors = errors
        self._generator = np.random.default_rng(seed)

    def tick(self, version: str, still: bool = False):
        command = np.full(2, 0.0 if still else math.sin(0.2 * self.index))
        error = self._errors[version] * self._generator.choice([-1.0, 1.0], 2)
        tick = next(ticks_of((command + error)[None], command[None], self.index, self.now_ns))
        self.index += 1
        return replace(tick, version=version)

    @property
    def now_ns(self) -> int:
        return START_NS + self.index * PERIOD_NS


class Stage:
    """A ledger with one candidate, and its trial; another on the same folder goes on from there."""

    def __init__(self, folder, errors, seed: int = 0, first: int = 0):
        self.arm = Arm(errors, seed, first)
        self.path = folder / "ledger.sqlite"
        self.ledger = Ledger(self.path, ARM, lambda: self.arm.now_ns)
        trainings = self.ledger.records.trainings
        training = trainings[0] if trainings else self.ledger.record_training(CHILD, PARENT, [])
        self.robot = LiveRobot(ARM, "running")
        self.trial = Trial(SHORT, self.robot, self.ledger, training, THRESHOLD)

    def live(self, ticks: int = 20_000) -> str:
        """The robot is driven by whose turn it is, until it is decided."""
        for _ in range(ticks):
            if self.trial.decide().kind != "undecided":
                break
            self.trial.feed(self.arm.tick(self.trial.drives), sealed=False)
        return self.trial.decide().kind


@pytest.mark.parametrize(
    ("candidate", "kind", "reason"),
    [
        (0.01, "admit", "drives better"),
        (0.02, "admit", "drives no worse (margin 10%)"),
        (0.03, "reject", "drives worse by more than 10%"),
    ],
)
def test_turns_tell_who_drives_better(tmp_path, candidate, kind, reason):
    stage = Stage(tmp_path, {PARENT: 0.02, CHILD: candidate})
    assert stage.live() == kind
    assert stage.trial.decide().reason == reason
    turns = stage.ledger.records.turns
    assert len(turns) == 2 * stage.trial.evidence()["pairs"] and not len(turns) % 2
    assert {turn.ticks for turn in turns} == {10}
    for turn in turns:
        assert turn.cost == pytest.approx({PARENT: 0.02, CHILD: candidate}[turn.version] / 0.02)
    assert verify_ledger(stage.path) == []


def test_the_order_of_a_pair_is_drawn_and_draws_the_same_again():
    orders = [turn_order(CHILD, PARENT, pair) for pair in range(200)]
    assert orders == [turn_order(CHILD, PARENT, pair) for pair in range(200)]
    assert {frozenset(order) for order in orders} == {frozenset((PARENT, CHILD))}
    assert 70 < sum(order[0] == CHILD for order in orders) < 130


def test_a_restart_keeps_whole_pairs_and_begins_a_broken_one_anew(tmp_path):
    errors = {PARENT: 0.02, CHILD: 0.018}
    stage = Stage(tmp_path, errors)
    while len(stage.ledger.records.turns) < 5:
        stage.live(1)
    stage.live(7)
    evidence = stage.trial.evidence()
    stage.ledger.close()
    again = Stage(tmp_path, errors, first=stage.arm.index)
    assert again.trial.evidence() == evidence and evidence["pairs"] == 2
    assert again.live() == "admit"
    by_pair = [[turn for turn in again.ledger.records.turns if turn.pair == pair] for pair in range(4)]
    assert [len(turns) for turns in by_pair] == [2, 2, 1, 2]
    assert verify_ledger(again.path) == []


def test_at_rest_or_sealed_or_while_another_version_drives_nothing_is_measured(tmp_path):
    stage = Stage(tmp_path, {PARENT: 0.0, CHILD: 0.0, "": 0.0})
    for _ in range(100):
        stage.trial.feed(stage.arm.tick(stage.trial.drives, still=True), sealed=False)
        stage.trial.feed(stage.arm.tick("", still=True), sealed=False)
    stage.arm.index += 10
    for _ in range(100):
        stage.trial.feed(stage.arm.tick(stage.trial.drives), sealed=True)
    stage.robot.state = "fallback"
    for _ in range(100):
        stage.trial.feed(stage.arm.tick(stage.trial.drives), sealed=False)
    stage.robot.state = "running"
    for _ in range(100):
        stage.trial.feed(stage.arm.tick(stage.trial.drives), sealed=False)
        stage.arm.index += 1
    assert stage.ledger.records.turns == []


def drive_until_turn_of(stage: Stage, version: str) -> None:
    while not (stage.trial.drives == version and stage.trial._last and stage.trial._last.version == version):
        stage.live(1)


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        ("safety_fallback", {"reason": "proposal_not_finite"}),
        ("safety_stopped", {"reason": "called"}),
    ],
)
def test_a_fault_of_the_candidate_ends_the_trial_at_once_and_for_good(tmp_path, kind, detail):
    stage = Stage(tmp_path, {PARENT: 0.02, CHILD: 0.01})
    drive_until_turn_of(stage, CHILD)
    while len(stage.trial._errors) < 5:
        stage.live(1)
    stage.trial.hear(kind, detail)
    decision = stage.trial.decide()
    assert decision.kind == "reject" and decision.reason.startswith("the safety node took over")
    assert stage.ledger.records.turns[-1].ended == detail["reason"]
    assert verify_ledger(stage.path) == []
    stage.ledger.close()
    again = Stage(tmp_path, {PARENT: 0.02, CHILD: 0.01}, first=stage.arm.index)
    assert again.trial.decide() == decision


def test_an_alarm_costs_the_pair_and_two_more_than_the_incumbents_the_trial(tmp_path):
    stage = Stage(tmp_path, {PARENT: 0.02, CHILD: 0.01})
    drive_until_turn_of(stage, CHILD)
    before = stage.trial.evidence()
    stage.trial.hear("prediction_error", {"version": CHILD})
    assert stage.trial.drives == PARENT and stage.trial.decide().kind == "undecided"
    assert stage.trial.evidence()["e_not_worse"] < before["e_not_worse"]
    assert stage.trial.evidence()["pairs_lost_by_alarm"] == 1
    stage.trial.hear("safety_fallback", {"reason": "proposal_late"})  # an echo, when its turn is over
    assert stage.trial.decide().kind == "undecided"
    drive_until_turn_of(stage, PARENT)
    stage.trial.hear("prediction_error", {"version": PARENT})
    for _ in range(2):
        drive_until_turn_of(stage, CHILD)
        assert stage.trial.decide().kind == "undecided"
        stage.trial.hear("prediction_error", {"version": CHILD})
    decision = stage.trial.decide()
    assert decision.reason == "its predictions proved wrong in 3 of its turns, those of the incumbent in 1"
    assert verify_ledger(stage.path) == []
    stage.ledger.close()
    again = Stage(tmp_path, {PARENT: 0.02, CHILD: 0.01}, first=stage.arm.index)
    assert again.trial.decide() == decision


STOPPED = "safety_stopped", {"reason": "called"}


def fall(stage: Stage, after: int) -> None:
    """Somebody stops the robot when so many more ticks were driven, and puts it on its feet."""
    drives = stage.trial.drives
    for _ in range(after):
        stage.live(1)
        assert stage.trial.drives == drives
    stage.trial.hear(*STOPPED)
    stage.trial.hear(*STOPPED)  # nobody has driven since: it says nothing
    stage.arm.index += 20


def test_an_incumbent_that_falls_loses_the_pair_and_soon_the_trial(tmp_path):
    stage = Stage(tmp_path, {PARENT: 0.02, CHILD: 0.03})
    while stage.trial.decide().kind == "undecided":
        if stage.trial.drives == CHILD:
            stage.live(1)
        else:
            fall(stage, after=3)  # soon: the other may have begun it
    assert stage.trial.decide().reason == "drives better"
    evidence = stage.trial.evidence()
    assert evidence["pairs"] == evidence["pairs_won_by_stop"] <= 8
    assert verify_ledger(stage.path) == []
    stage.ledger.close()
    again = Stage(tmp_path, {PARENT: 0.02, CHILD: 0.01}, first=stage.arm.index)
    assert again.trial.decide() == stage.trial.decide()


def test_who_took_over_a_robot_that_falls_begins_anew_on_its_feet_and_then_is_to_blame(tmp_path):
    stage = Stage(tmp_path, {PARENT: 0.02, CHILD: 0.01})
    drive_until_turn_of(stage, CHILD)
    fall(stage, after=3)
    assert stage.trial.drives == CHILD and stage.trial.decide().kind == "undecided"
    evidence = stage.trial.evidence()
    assert evidence["pairs_lost_by_alarm"] == 0
    for _ in range(10):
        stage.live(1)
    stage.trial.hear(*STOPPED)
    assert stage.trial.decide().reason == "the safety node took over while it drove (called)"
    assert verify_ledger(stage.path) == []
    stage.ledger.close()
    again = Stage(tmp_path, {PARENT: 0.02, CHILD: 0.01}, first=stage.arm.index)
    assert again.trial.decide() == stage.trial.decide()


def test_who_is_stopped_soon_after_taking_over_twice_more_than_the_incumbent_is_rejected(tmp_path):
    stage = Stage(tmp_path, {PARENT: 0.02, CHILD: 0.01})
    for _ in range(2):
        assert stage.trial.decide().kind == "undecided"
        drive_until_turn_of(stage, CHILD)
        fall(stage, after=3)
        number = stage.trial._number
        while stage.trial._number == number and stage.trial.decide().kind == "undecided":
            stage.live(1)
    assert stage.trial.decide().reason == (
        "somebody stopped the robot in 2 of its turns, those of the incumbent in 0"
    )


@pytest.mark.parametrize(
    ("turn_of", "kind", "detail"),
    [
        (PARENT, "safety_fallback", {"reason": "proposal_not_finite"}),
        (PARENT, "prediction_error", {"version": PARENT}),
        (CHILD, "safety_fallback", {"reason": "sensor_late"}),
    ],
)
def test_what_is_no_fault_of_the_candidate_is_not_held_against_it(tmp_path, turn_of, kind, detail):
    stage = Stage(tmp_path, {PARENT: 0.02, CHILD: 0.01})
    drive_until_turn_of(stage, turn_of)
    evidence = stage.trial.evidence()
    stage.trial.hear(kind, detail)
    assert stage.trial.evidence() == evidence
    assert stage.live() == "admit"


def test_a_candidate_that_is_limited_where_the_incumbent_is_not_is_rejected(tmp_path):
    stage = Stage(tmp_path, {PARENT: 0.02, CHILD: 0.02})
    decided = "undecided"
    while decided == "undecided":
        if stage.trial.drives == CHILD:
            stage.trial.hear("limited_velocity", {})
        decided = stage.live(1)
    assert stage.trial.decide().reason == "is limited by the safety node more often"


def test_at_most_one_in_twenty_that_is_worse_by_the_margin_is_admitted():
    generator = np.random.default_rng(0)
    runs, admitted = 300, 0
    for _ in range(runs):
        gate = DrivingGate(TrialSettings(), 20.0)
        while (decision := gate.decide()).kind == "undecided":
            gate.observe(1.1 * math.exp(generator.normal(0, 0.17)), 1.0)
        admitted += decision.kind == "admit"
    assert admitted <= 0.05 * runs


def test_who_must_be_better_is_not_let_in_for_being_no_worse():
    generator = np.random.default_rng(1)
    alike, better = (DrivingGate(TrialSettings(), 20.0, must_be_better=True) for _ in range(2))
    while (decision := alike.decide()).kind == "undecided":
        alike.observe(math.exp(generator.normal(0, 0.05)), 1.0)
    assert decision.kind == "reject" and alike.evidence()["e_not_worse"] >= 20.0
    while (decision := better.decide()).kind == "undecided":
        better.observe(0.8 * math.exp(generator.normal(0, 0.05)), 1.0)
    assert decision.kind == "admit" and decision.reason == "drives better"


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(1e-3, 10), st.floats(1e-3, 10)), max_size=30))
def test_whatever_is_better_is_also_not_worse(pairs):
    gate = DrivingGate(TrialSettings(), THRESHOLD)
    for candidate, incumbent in pairs:
        gate.observe(candidate, incumbent)
    evidence = gate.evidence()
    assert evidence["e_not_worse"] >= evidence["e_better"] * (1 - 1e-9)
    assert all(value is None or math.isfinite(value) for value in evidence.values())
    assert min(evidence["e_not_worse"], evidence["e_worse"]) < THRESHOLD


@given(st.lists(st.tuples(st.floats(1e-3, 10), st.floats(1e-3, 10)), max_size=20))
def test_the_two_sides_of_a_bet_never_both_win(pairs):
    up, down = BettingTest(), BettingTest()
    for candidate, incumbent in pairs:
        value = max(-1.0, min(1.0, math.log(incumbent / candidate)))
        up.observe(value)
        down.observe(-value)
    assert min(up.e_value, down.e_value) <= 1.0 + 1e-9


HAPPENINGS = st.sampled_from(["drive", "rest", "sealed", "gap", "alarm", "late", "stop", "limit", "restart"])


@settings(max_examples=25)
@given(st.lists(st.tuples(HAPPENINGS, st.integers(1, 40)), min_size=5, max_size=25), st.integers(0, 9))
def test_whatever_happens_the_ledger_verifies_and_a_restart_knows_the_same(happenings, seed):
    errors = {PARENT: 0.02, CHILD: 0.02}
    with TemporaryDirectory() as folder:
        stage = Stage(Path(folder), errors, seed)
        for happening, count in happenings:
            drives = stage.trial.drives
            if happening == "restart":
                stage.ledger.close()
                decision = stage.trial.decide()
                stage = Stage(Path(folder), errors, seed, stage.arm.index)
                assert stage.trial.decide() == decision
            elif happening == "gap":
                stage.arm.index += count
            elif happening == "limit":
                stage.trial.hear("limited_velocity", {"held_back": count})
            elif happening == "stop":
                stage.trial.hear("safety_stopped", {"reason": "called"})
            elif happening in ("alarm", "late"):
                kind = "prediction_error" if happening == "alarm" else "safety_fallback"
                stage.trial.hear(kind, {"version": drives, "reason": "proposal_late"})
            else:
                for _ in range(count):
                    if stage.trial.decide().kind == "undecided":
                        tick = stage.arm.tick(stage.trial.drives, still=happening == "rest")
                        stage.trial.feed(tick, sealed=happening == "sealed")
        assert verify_ledger(stage.path) == []
        whole = [turn for turn in stage.ledger.records.turns if not turn.ended]
        assert all(turn.ticks == 10 for turn in whole)
        assert stage.trial.evidence()["pairs"] <= len(stage.ledger.records.turns)
        stage.ledger.close()
