import json
from pathlib import Path

import pytest
import torch

from adapt.learning.rehearsal import load_windows
from adapt.model.checkpoint import load_checkpoint
from adapt.robot.load import load_robot

ROBOT = load_robot("so101")
QUICK = ("--episodes", 4, "--episode-s", 5, "--steps", 3, "--workers", 1, "--threads", 1, "--seed", 2)


@pytest.fixture(autouse=True)
def threads_as_before():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("pretraining")


def pretrain(adapt, folder: Path, *more):
    return adapt.json(
        "pretrain", "--robot", "so101", "--out", folder / "m.safetensors", "--data", folder / "data", *more
    )


def test_the_card_says_where_the_weights_come_from(adapt, folder: Path) -> None:
    result = pretrain(adapt, folder, *QUICK)
    model, card = load_checkpoint(folder / "m.safetensors", ROBOT)
    assert card.version == result["version"]
    manifest = json.loads((folder / "data" / "manifest.json").read_text())
    lineage = card.lineage
    assert lineage["simulator"] == manifest["simulator"]
    assert lineage["randomisation"] == manifest["randomisation"]
    assert lineage["expert"] == manifest["expert"]
    assert lineage["seed"] == manifest["seed"] == 2
    assert lineage["settings"]["steps"] == 3
    assert lineage["model_settings"] == model.settings.model_dump(mode="json")
    assert lineage["curve"][-1]["step"] == 3
    assert len(lineage["data_hash"]) == 16 and lineage["command"].startswith("adapt")
    assert len(load_windows(folder / "m.rehearsal.safetensors", ROBOT)) == 1024
    assert not list(folder.glob("*.pt")), "the finished checkpoint takes the place of the unfinished state"


def test_the_same_command_gives_the_same_weights_from_the_same_data(adapt, folder: Path) -> None:
    shard = folder / "data" / "shard-00000.h5"
    before = shard.stat()
    first = load_checkpoint(folder / "m.safetensors", ROBOT)[1].version
    assert pretrain(adapt, folder, *QUICK)["version"] == first
    assert shard.stat().st_mtime_ns == before.st_mtime_ns


def test_what_does_not_fit_is_refused_by_name(adapt, folder: Path) -> None:
    command = ("pretrain", "--robot", "so101", "--out", folder / "m.safetensors", "--data", folder / "data")
    assert "seed: 2 there, 3 here" in adapt.refused(*command, *QUICK[:-1], 3)
    assert "leave out --expert" in adapt.refused(*command, *QUICK, "--expert", "policy.npz")
    assert "go2" in adapt.refused("pretrain", "--robot", "go2", "--episodes", 4)
    shard = folder / "data" / "shard-00000.h5"
    shard.write_bytes(shard.read_bytes()[:-1])
    assert "shard-00000.h5" in adapt.refused(*command, *QUICK)
