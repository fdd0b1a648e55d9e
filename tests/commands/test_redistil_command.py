"""From a bag to a posterior, and from there to a version."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_robot import ROBOT, write_bag, write_checkpoint

from adapt.bags.replay import bag_ticks
from adapt.evaluation.adaptation_curves import windows_of
from adapt.learning.rehearsal import beside, load_windows, save_windows
from adapt.learning.splits import Split
from adapt.learning.verification import verify_ledger

QUICK = """
rounds: 1
steps: 10
batch: 8
dynamics_batch: 8
driving: {robots: 2, examined: 2, robots_at_once: 2, episode_s: 4.0, examined_s: 4.0}
"""


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp("short") / "motion", 12.0)


@pytest.mark.slow
def test_logs_choose_the_simulators_in_which_a_model_is_taught_again(adapt, short, tmp_path):
    checkpoint = write_checkpoint(tmp_path / "small.safetensors")
    logged = windows_of(ROBOT, [list(bag_ticks(short, ROBOT))], 16)
    rehearsal = replace(logged, command=logged.observation[..., : ROBOT.command_size].clone())
    save_windows(beside(checkpoint), rehearsal)
    given = ("--robot", "so101", "--checkpoint", checkpoint, "--workers", "1")
    found = adapt.json("identify", short, *given, "--out", tmp_path / "identified")
    assert found["parameters"]["friction/elbow_flex"]["told"] in (True, False)
    assert found["diagnostics"]["error_rad"]["elbow_flex"] < 0.2
    ledger = tmp_path / "identified" / "ledger.sqlite"
    assert verify_ledger(ledger) == []
    path = tmp_path / "identified" / "posterior.json"
    posterior = json.loads(path.read_text())
    assert posterior["lineage"]["segments"] and posterior["lineage"]["logs"] == [str(short)]
    (tmp_path / "quick.yaml").write_text(QUICK)
    out = ("--posterior", path, "--settings", tmp_path / "quick.yaml", "--out", tmp_path / "taught")
    made = adapt.json("redistil", *given, "--threads", "1", *out)
    assert made["parent"] != made["version"] or made["best"] == 0
    card = json.loads((tmp_path / "taught" / "model.json").read_text())
    kept = load_windows(beside(tmp_path / "taught" / "model.safetensors"), ROBOT)
    assert torch.equal(kept.observation, rehearsal.observation)
    assert card["lineage"]["posterior"] == found["posterior"] and len(card["lineage"]["rounds"]) == 2
    again = adapt.json("redistil", *given, "--threads", "1", *out)
    assert again["version"] == made["version"]


@pytest.mark.slow
def test_only_the_adapt_split_is_looked_at_and_that_is_written_down(adapt, short, checkpoint, tmp_path):
    from adapt.learning.ledger import Ledger
    from adapt.robot.load import load_robot

    given = ("--robot", "so101", "--checkpoint", checkpoint, "--workers", "1")
    found = adapt.json("identify", short, *given, "--out", tmp_path)
    ledger = Ledger(tmp_path / "ledger.sqlite", load_robot("so101"), lambda: 0)
    (used,) = ledger.records.identifications
    splits = {segment.number: segment.split for segment in ledger.records.segments}
    assert used.posterior == found["posterior"]
    assert {splits[number] for number in used.segments} == {Split.ADAPT}
    ledger.close()


@pytest.mark.slow
def test_a_posterior_is_stale_once_the_version_that_drove_is_replaced(adapt, short, checkpoint, tmp_path):
    from adapt.model.checkpoint import load_checkpoint
    from adapt.registry.registry import Registry
    from adapt.robot.load import load_robot

    robot, store = load_robot("so101"), tmp_path / "store"
    registry = Registry(store, robot, lambda: 1)
    first = registry.adopt(checkpoint).version
    registry.admit(first, {}, "pretrained in simulation")
    drove = ("--robot", "so101", "--checkpoint", registry.path(first), "--workers", "1")
    adapt.json("identify", short, *drove, "--out", tmp_path / "found")
    (posterior,) = adapt.json("models", "dependents", "--store", store)["dependents"]
    assert posterior["kind"] == "posterior" and posterior["version"] == first and not posterior["stale"]
    model, _ = load_checkpoint(checkpoint, robot)
    model.dynamics_parameters()["dynamics.transformer.output.bias"].data.add_(1.0)
    registry.admit(registry.add(model, first, {}).version, {}, "better")
    registry.close()
    found = adapt.json("models", "dependents", first, "--store", store)["dependents"]
    assert {each["kind"]: bool(each["stale"]) for each in found} == {"posterior": True, "version": False}


@pytest.mark.slow
def test_a_run_recovers_from_its_own_ledger_and_the_gate_is_asked(adapt, short, checkpoint, tmp_path):
    from adapt.bags.replay import TickClock, bag_ticks
    from adapt.distillation.logs import gather
    from adapt.learning.ledger import Ledger
    from adapt.registry.registry import Registry
    from adapt.robot.load import load_robot

    robot, store = load_robot("so101"), tmp_path / "store"
    registry, clock = Registry(store, robot, lambda: 1), TickClock(robot)
    first = registry.adopt(checkpoint).version
    registry.admit(first, {}, "pretrained in simulation")
    ledger = Ledger(store / "ledger.sqlite", robot, clock)
    gather(robot, bag_ticks(short, robot), ledger, clock)
    before = len(ledger.records.identifications)
    (tmp_path / "quick.yaml").write_text(QUICK)
    given = ("--robot", "so101", "--store", store, "--workers", "1", "--threads", "1")
    made = adapt.json("recover", *given, "--settings", tmp_path / "quick.yaml", "--why", "it shakes")
    assert made["parent"] == first and made["version"] in registry.versions()
    assert registry.current() == first and not registry.decisions(made["version"])
    kinds = {
        each["kind"]: each for each in adapt.json("models", "dependents", "--store", store)["dependents"]
    }
    assert kinds["offer"]["detail"]["why"] == "it shakes" and "posterior" in kinds
    assert len(ledger.records.identifications) == before  # of the run's ledger there was a copy
    assert verify_ledger(store / "recover" / first / "identified" / "ledger.sqlite") == []
    ledger.close()
    registry.close()


def test_bags_or_a_store_are_needed_and_not_both(adapt, checkpoint, short, tmp_path):
    assert "give bags, or the store" in adapt.refused("identify", "--robot", "so101")
    both = adapt.refused("identify", short, "--robot", "so101", "--store", tmp_path)
    assert "give bags, or the store" in both
    assert "no model versions" in adapt.refused("recover", "--robot", "so101", "--store", tmp_path)


def test_logs_that_tell_nothing_are_refused(adapt, checkpoint, tmp_path):
    bag = write_bag(tmp_path / "blink", 1.5)
    given = ("--robot", "so101", "--checkpoint", checkpoint, "--out", tmp_path / "out")
    assert "nothing to learn from in these logs" in adapt.refused("identify", bag, *given)
    assert not (tmp_path / "out" / "posterior.json").exists()


def test_a_posterior_that_is_not_there_is_named(adapt, checkpoint, tmp_path):
    given = ("--robot", "so101", "--checkpoint", checkpoint, "--posterior", tmp_path / "none.json")
    assert "make one with 'adapt identify'" in adapt.refused("redistil", *given)
