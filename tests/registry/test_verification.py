import json
import shutil

import pytest
import torch
from safetensors.torch import save_file
from versions import ROBOT, model_of

from adapt.errors import UserError
from adapt.model.checkpoint import content_hash, save_checkpoint
from adapt.registry.registry import Registry
from adapt.registry.verification import checkpoint_problems, registry_problems, versions_in


@pytest.fixture
def registry(tmp_path) -> Registry:
    registry = Registry(tmp_path / "store", ROBOT, lambda: 5)
    parent = None
    for seed in range(3):
        parent = registry.add(model_of(seed), parent, {}).version
        registry.admit(parent, {}, "")
    return registry


def lineage_of(registry) -> list[str]:
    return [card.version for card in registry.lineage(registry.current())]


def alter_card(registry, name, **keys):
    path = registry.path(name).with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))
    return path


def problems(registry, *elsewhere) -> dict[str, str]:
    """The one problem of each version that has any."""
    found = registry_problems(registry, ROBOT, elsewhere)
    assert all(len(each) <= 1 for each in found.values()), found
    return {version: each[0] for version, each in found.items() if each}


def test_a_whole_registry_has_no_problems(registry):
    assert registry_problems(registry, ROBOT) == {version: [] for version in registry.versions()}
    assert registry_problems(registry, None) == {version: [] for version in registry.versions()}


def test_altered_weights_are_found_also_without_the_robot(registry):
    version = lineage_of(registry)[1]
    path = registry.path(version)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    for specification in (ROBOT, None):
        (found,) = registry_problems(registry, specification)[version]
        assert found.startswith(f"{path}: the weights are not those of the card") and "restore" in found


def test_a_weight_that_is_no_number_is_found(registry):
    version = lineage_of(registry)[0]
    state = registry.load(version)[0].state_dict()
    name = next(name for name, weight in state.items() if weight.dim() == 2)
    state[name] = state[name].clone()
    state[name][0, :2] = torch.tensor([torch.nan, torch.inf])
    save_file(state, registry.path(version))
    alter_card(registry, version, version=content_hash(state))
    found = registry_problems(registry, ROBOT)[version]
    assert f"weight '{name}' is not finite in 2 of {state[name].numel()} places" in found[0]


def test_versions_of_another_robot_are_found(registry):
    other = ROBOT.model_copy(update={"name": "other", "rate_hz": 10.0})
    found = registry_problems(registry, other)
    assert all("'so101'" in each and "'other'" in each for (each,) in found.values()) and len(found) == 3


def test_a_parent_that_is_not_here_is_found_unless_it_lies_elsewhere(registry, tmp_path):
    newest, middle, first = lineage_of(registry)
    shutil.copytree(registry.folder, tmp_path / "elsewhere")
    shutil.rmtree(registry.path(middle).parent)
    found = registry_problems(registry, ROBOT)
    assert f"parent {middle} was not found" in found[newest][0] and "--parents" in found[newest][0]
    assert "a version that was decided on: bring the folder back" in found[middle][0]
    assert found[first] == []
    elsewhere = versions_in(tmp_path / "elsewhere")
    assert elsewhere == {newest, middle, first}
    assert registry_problems(registry, ROBOT, elsewhere)[newest] == []


def test_a_version_that_drives_but_is_gone_is_found(registry):
    newest = registry.current()
    shutil.rmtree(registry.path(newest).parent)
    assert "it is the version that drives: bring the folder back or roll back" in problems(registry)[newest]


def test_a_folder_with_another_name_is_found(registry):
    newest = registry.current()
    folder = registry.path(newest).parent
    folder.rename(folder.with_name("renamed"))
    assert f"renamed: holds version {newest}: give the folder that name" in problems(registry)["renamed"]


def test_parents_in_a_cycle_are_found_and_no_other(registry):
    middle, first = lineage_of(registry)[1:]
    path = alter_card(registry, first, parent=middle)
    found = problems(registry)
    assert found.keys() == {first, middle}
    assert found[first].startswith(f"{path}: key 'parent' leads back to {first}")
    alter_card(registry, first, parent=first)
    assert problems(registry).keys() == {first}
    assert "names the version itself" in problems(registry)[first]


def test_a_damaged_card_and_a_missing_file_are_found(registry):
    newest, middle, first = lineage_of(registry)
    registry.path(middle).with_suffix(".json").write_text('{"version": NaN}')
    registry.path(newest).unlink()
    found = registry_problems(registry, ROBOT)
    assert "not JSON (NaN where a number was expected)" in found[middle][0]
    assert f"no version '{newest}'" in found[newest][0]
    assert found[first] == []


def test_a_lone_checkpoint_may_have_its_parent_elsewhere(tmp_path):
    path = tmp_path / "lone.safetensors"
    card = save_checkpoint(path, model_of(0), ROBOT, parent="far away")
    assert checkpoint_problems(path, ROBOT, None) == []
    assert checkpoint_problems(path, None, {"far away"}) == []
    assert "parent far away was not found" in checkpoint_problems(path, ROBOT, {"near"})[0]
    assert versions_in(path) == versions_in(tmp_path) == {card.version}
    with pytest.raises(UserError, match="there is no checkpoint in it"):
        versions_in(tmp_path / "..")
