"""Logs of a robot that falls, and what is kept of the methods that bring it back."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

pytest.importorskip("mujoco")

from adapt.evaluation import way_back
from adapt.evaluation.closed_loop import Episode
from adapt.evaluation.way_back import Case, WayBack, logged_ticks
from adapt.model.checkpoint import load_card, save_checkpoint
from adapt.model.settings import ModelSettings
from adapt.model.world_model import WorldModel
from adapt.robot.load import load_robot
from adapt.stream.tick import Tick

CART = load_robot(str(Path(__file__).parents[1] / "sim" / "cart_pole.yaml"))


@pytest.fixture
def case(tmp_path: Path) -> Case:
    (tmp_path / "heavy.yaml").write_text("description: A heavy pole.\nmodel: {body/pole/mass: 0.3}\n")
    (tmp_path / "usual.yaml").write_text("description: As expected.\n")
    tiny = ModelSettings(latent=16, encoder_hidden=8, layers=1, policy_layers=1, heads=2, feed_forward=16)
    save_checkpoint(tmp_path / "model.safetensors", WorldModel(CART, tiny), CART)
    heavy, usual, model = (str(tmp_path / name) for name in ("heavy.yaml", "usual.yaml", "model.safetensors"))
    return Case(CART, heavy, usual, (0.2,), Path(model), None, minutes=0.05, seconds=0.6, seeds=2, workers=1)


def test_logs_are_of_one_clock_with_a_gap_between_episodes(case: Case) -> None:
    ticks = list(logged_ticks(case))
    assert len(ticks) == round(0.05 * 60 * CART.rate_hz)
    gaps = [later.index - tick.index for tick, later in pairwise(ticks)]
    assert set(gaps) == {1, 1 + CART.rate_hz} and gaps.count(1 + CART.rate_hz) == 3
    for tick, later in pairwise(ticks):
        period = (later.stamp_ns - tick.stamp_ns) / (later.index - tick.index)
        assert period == pytest.approx(1e9 / CART.rate_hz)
    assert {each.complete for each in ticks[1:]} == {True}


def test_a_fall_ends_an_episode_of_the_logs(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(logged_ticks(case))
    real = way_back.drive

    def falls(specification, stand_in, driver, reference, ticks, first):  # type: ignore[no-untyped-def]
        for count, tick in enumerate(real(specification, stand_in, driver, reference, ticks, first)):
            if count == 9:
                monkeypatch.setattr(type(stand_in), "fallen", property(lambda self: self is stand_in))
            yield tick

    monkeypatch.setattr(way_back, "drive", falls)
    ticks: list[Tick] = list(logged_ticks(case))
    assert len(ticks) == len(whole)
    starts = [later.index for tick, later in pairwise(ticks) if later.index > tick.index + 1]
    assert starts == [60 * number for number in range(1, 15)]


def test_what_is_measured_is_kept(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driven = []
    monkeypatch.setattr(WayBack, "_redistil", lambda self, method, posterior, model: model)

    def run_episodes(trial, seeds, workers, progress):  # type: ignore[no-untyped-def]
        driven.append((Path(trial.scenario).stem, trial.controller, trial.checkpoint))
        return [Episode(1.0 + seed, None if seed else 0.5, None) for seed in range(seeds)]

    monkeypatch.setattr(way_back, "run_episodes", run_episodes)
    found = WayBack(case, tmp_path / "store").measure("none")
    assert driven == [("heavy", "policy", case.checkpoint), ("usual", "policy", case.checkpoint)]
    assert found["progress_m"]["mean"] == 1.5 and found["falls"] == 1 and found["episodes"] == 2
    assert found["usual"]["progress_m"]["n"] == 2 and found["real_minutes"] == 0
    again = WayBack(case, tmp_path / "store").measure("none")
    assert (
        again == found == json.loads((tmp_path / "store" / "heavy" / "none.json").read_text())
        and len(driven) == 2
    )
    WayBack(case, tmp_path / "store").measure("expert")
    assert driven[2:] == [("heavy", "expert", None), ("usual", "expert", None)]
    broad = WayBack(case, tmp_path / "store").measure("broad")
    assert load_card(driven[-1][2]).version and broad["progress_m"]["mean"] == 1.5
    assert WayBack(case, tmp_path / "store").measure("broad") == broad and len(driven) == 6
