"""Re-distillation, from its expert to its best round."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("mujoco")

from alone import Alone
from cart import CART, untrained_student

from adapt.distillation.jobs import Drive, DrivingSettings, Score, unpack_drives
from adapt.distillation.lessons import Collection, policy_loss
from adapt.distillation.posterior import Posterior
from adapt.distillation.redistillation import Redistillation, RedistillationSettings, best_round
from adapt.distillation.student import Drives
from adapt.errors import UserError
from adapt.model.checkpoint import content_hash, load_checkpoint
from adapt.model.world_model import WorldModel
from adapt.sim.conditions import make_conditions
from adapt.sim.workers import Workers

DRIVING = DrivingSettings(robots=2, examined=2, robots_at_once=1, episode_s=0.8, examined_s=0.8)
SETTINGS = RedistillationSettings(rounds=1, driving=DRIVING, steps=20, batch=16, dynamics_batch=8)


def redistillation(
    folder: Path, workers: Workers, student: WorldModel | None = None, **changes: object
) -> Redistillation:
    settings = SETTINGS.model_copy(update=changes)
    return Redistillation(
        CART,
        Posterior.prior(CART),
        student or untrained_student(),
        None,
        settings,
        folder,
        lambda: workers,
        0,  # type: ignore[arg-type, return-value]
    )


def test_a_student_comes_nearer_to_the_expert_and_only_policy_and_dynamics_change(tmp_path: Path) -> None:
    before = untrained_student()
    redistillation(tmp_path, Alone(), rounds=1, steps=60, whole_every=1).run()
    after, _ = load_checkpoint(tmp_path / "student-1.safetensors", CART)
    collection = Collection(CART)
    collection.add(unpack_drives((tmp_path / "drives-1-0.part").read_bytes()))
    homework = collection.draw(64, torch.Generator().manual_seed(0))
    with torch.no_grad():
        losses = [float(policy_loss(each, homework, CART.horizon_ticks)) for each in (after, before)]
    assert losses[0] < 0.95 * losses[1]
    known = before.state_dict()
    changed = {
        name.split(".")[0]
        for name, weight in after.state_dict().items()
        if not torch.equal(weight, known[name])
    }
    assert changed == {"policy", "dynamics"}


@pytest.mark.parametrize("jobs", [2, 5])
def test_after_a_kill_the_same_call_goes_on_and_ends_the_same(tmp_path: Path, jobs: int) -> None:
    whole = redistillation(tmp_path / "whole", Alone()).run()
    with pytest.raises(KeyboardInterrupt):
        redistillation(tmp_path / "cut", Alone(jobs)).run()
    workers = Alone()
    again = redistillation(tmp_path / "cut", workers).run()
    assert content_hash(again.model.state_dict()) == content_hash(whole.model.state_dict())
    assert again.rounds == whole.rounds


def test_another_re_distillation_has_a_folder_of_its_own(tmp_path: Path) -> None:
    redistillation(tmp_path, Alone()).run()
    with pytest.raises(UserError, match=r"holds parts of other work .*settings.steps: 20 there, 30 here"):
        redistillation(tmp_path, Alone(), steps=30)
    begun = (tmp_path / "student-0.safetensors").read_bytes()
    with pytest.raises(UserError, match=r"holds parts of other work .*parent"):
        redistillation(tmp_path, Alone(), student=untrained_student(1))
    assert (tmp_path / "student-0.safetensors").read_bytes() == begun


def test_where_the_expert_falls_nothing_is_distilled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Redistillation, "_examine", lambda self, number: Score(3, 4, -1.0))
    with pytest.raises(UserError, match="its expert falls with 3 of 4"):
        redistillation(tmp_path, Alone()).run()
    assert not list(tmp_path.glob("student-1*"))


@pytest.mark.parametrize(("was", "kept"), [(1.1, 1.1), (0.9, 1.0), (3.0, 1.25), (None, 1.0)])
def test_a_student_that_was_faster_than_commanded_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was: float | None, kept: float
) -> None:
    monkeypatch.setattr(Drives, "pace", lambda self, spec: was)
    found = redistillation(tmp_path, Alone()).run()
    assert found.pace == kept and found.as_dict()["pace"] == kept


def test_fewer_falls_count_before_reward() -> None:
    assert Score(0, 8, -2.0).better_than(Score(1, 8, -1.0))
    assert Score(1, 8, -1.0).better_than(Score(1, 8, -2.0))
    joined = Score.join([Score(1, 1, -3.0), Score(0, 3, -1.0)])
    assert joined == Score(1, 4, -1.5)
    assert Score.join([Score(0, 2, -1.0, 0.3), Score(0, 2, -1.0, 0.4)]).error == pytest.approx(0.25)


def test_of_rounds_that_cannot_be_told_apart_the_last_counts() -> None:
    def best(*rewards: float, error: float = 0.02, falls: int = 0) -> int:
        return best_round([Score(falls, 24, each, error) for each in rewards])

    assert best(-0.5, -0.39, -0.40, -0.395) == 3
    assert best(-0.5, -0.39, -0.40, -0.45) == 2
    assert best(-0.5, -0.39, -0.40, -0.395, error=0.0) == 1
    assert best(-0.39, -0.40, -0.395) == 0  # none is better than what it began with
    assert best_round([Score(2, 24, -0.5, 0.02), Score(0, 24, -0.4, 0.02), Score(1, 24, -0.4, 0.02)]) == 1


def test_robots_that_students_are_judged_on_are_the_same_for_all() -> None:
    posterior = Posterior.prior(CART)
    jobs = [Drive(CART, posterior, DRIVING, 0, None, None, number, True) for number in (0, 1)]
    assert jobs[0](0) == jobs[1](0)
    learned_from = [Drive(CART, posterior, DRIVING, 0, None, None, number, False)(0) for number in (1, 2)]
    assert learned_from[0] != learned_from[1]


def test_robots_that_the_student_fell_with_come_again_and_the_others_too() -> None:
    posterior, hard = Posterior.prior(CART), make_conditions({"payload_mass": 0.123})
    driving = DRIVING.model_copy(update={"robots": 200, "robots_at_once": 200, "nominal_share": 0.0})
    job = Drive(CART, posterior, driving, 0, None, None, 2, False, (hard,))
    again = sum(each == hard for each in job.conditions(0))
    assert 70 < again < 130 and job.conditions(0) == job.conditions(0)
    assert hard not in Drive(CART, posterior, driving, 0, None, None, 2, False).conditions(0)
