import pytest
import torch
from small_robot import ROBOT, SMALL, START_NS

from adapt.model.checkpoint import save_checkpoint
from adapt.model.world_model import WorldModel
from adapt.registry.registry import Registry


def model_of(seed):
    torch.manual_seed(seed)
    return WorldModel(ROBOT, SMALL)


@pytest.fixture
def store(tmp_path):
    registry = Registry(tmp_path / "runs", ROBOT, lambda: START_NS)
    first = registry.add(model_of(0), None, {}).version
    registry.admit(first, {}, "pretrained in simulation")
    registry.close()
    return tmp_path / "runs", first


def test_what_was_made_from_the_driving_version_is_offered_with_a_reason(adapt, store, tmp_path):
    folder, first = store
    card = save_checkpoint(tmp_path / "new.safetensors", model_of(1), ROBOT, first, {"posterior": "abc"})
    why = ("--why", "falls on wet slopes", "--store", folder)
    found = adapt.json("models", "offer", tmp_path / "new.safetensors", *why)
    assert found["version"] == card.version and found["parent"] == first and found["caller"]
    shown = adapt.json("models", "show", card.version, "--store", folder)
    assert shown["standing"] == "undecided" and shown["lineage"] == {"posterior": "abc"}
    told = adapt.json("models", "dependents", card.version, "--store", folder)["dependents"]
    assert told[0]["kind"] == "offer" and told[0]["detail"]["why"] == "falls on wet slopes"
    assert "is there already" in adapt.refused("models", "offer", tmp_path / "new.safetensors", *why)


def test_what_cannot_be_offered_is_refused(adapt, store, tmp_path):
    folder, first = store
    save_checkpoint(tmp_path / "other.safetensors", model_of(1), ROBOT, "0123456789abcdef", {})
    other = ("models", "offer", tmp_path / "other.safetensors")
    message = adapt.refused(*other, "--why", "better", "--store", folder)
    assert "was made from version 0123456789abcdef, but" in message and first in message
    assert "--why: give the reason" in adapt.refused(*other, "--why", " ", "--store", folder)
    assert "no model versions" in adapt.refused(*other, "--why", "better", "--store", tmp_path / "none")
