import pytest
import torch

from adapt.errors import UserError
from adapt.model.settings import ModelSettings
from adapt.model.world_model import WorldModel
from adapt.registry.registry import Registry
from adapt.robot.load import load_robot

ROBOT = load_robot("so101")
TINY = ModelSettings(latent=16, encoder_hidden=8, layers=1, heads=2, feed_forward=8, linear_rank=4)


def model_of(seed: int) -> WorldModel:
    torch.manual_seed(seed)
    return WorldModel(ROBOT, TINY)


@pytest.fixture
def registry(tmp_path) -> Registry:
    return Registry(tmp_path, ROBOT, lambda: 5)


def admitted(registry: Registry, seeds) -> list[str]:
    names: list[str] = []
    for seed in seeds:
        card = registry.add(model_of(seed), names[-1] if names else None, {"seed": seed})
        registry.admit(card.version, {"e_better": 40.0}, f"seed {seed} won")
        names.append(card.version)
    return names


def test_a_version_is_loaded_as_it_was_added(registry):
    model = model_of(0)
    card = registry.add(model, None, {"source": "test"})
    again, loaded = registry.load(card.version)
    assert loaded == card and registry.versions() == [card.version]
    for name, weight in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight)


def test_a_version_is_never_overwritten(registry):
    first = registry.add(model_of(0), None, {"seed": 0})
    second = registry.add(model_of(0), "other", {"seed": 1})
    assert second == first == registry.card(first.version)
    assert [path.name for path in (registry.folder / "versions").iterdir()] == [first.version]


def test_rollbacks_return_step_by_step_and_admissions_go_on_from_there(registry, tmp_path):
    assert registry.current() is None
    first, second, third = admitted(registry, range(3))
    assert registry.current() == third
    assert registry.rollback("it wobbles") == second
    assert Registry(tmp_path, ROBOT, lambda: 6).current() == second
    registry.admit(third, {}, "it does not wobble")
    assert registry.rollback("it does") == second
    assert registry.rollback("all of it does") == first
    with pytest.raises(UserError, match="no earlier version"):
        registry.rollback("once more")
    assert registry.current() == first


def test_decisions_keep_their_evidence(registry):
    first, second = admitted(registry, range(2))
    registry.reject(first, {"e_worse": 50.0}, "worse")
    registry.rollback("it wobbles")
    kinds = [(each.kind, each.reason) for each in registry.decisions(first)]
    assert kinds == [("admitted", "seed 0 won"), ("rejected", "worse"), ("rolled_back", "it wobbles")]
    assert registry.decisions(second)[0].evidence == {"e_better": 40.0}
    assert registry.decisions(first)[-1].evidence == {"from": second}


def test_the_lineage_leads_back_to_the_first_version(registry):
    names = admitted(registry, range(3))
    assert [card.version for card in registry.lineage(names[-1])] == names[::-1]


def test_what_is_not_there_is_named(registry):
    registry.add(model_of(0), None, {})
    for use in (registry.load, registry.card, lambda name: registry.admit(name, {}, "")):
        with pytest.raises(UserError, match="no version 'nonsense'; there are: "):
            use("nonsense")


def test_weights_that_are_not_finite_leave_nothing_behind(registry):
    model = model_of(0)
    with torch.no_grad():
        next(iter(model.parameters()))[0] = float("nan")
    with pytest.raises(UserError, match="not finite"):
        registry.add(model, None, {})
    assert list((registry.folder / "versions").iterdir()) == []


def test_two_processes_may_decide(registry, tmp_path):
    first, second = admitted(registry, range(2))
    person = Registry(tmp_path, ROBOT, lambda: 7)
    person.rollback("by hand")
    assert registry.current() == first
    registry.admit(second, {}, "again")
    assert person.current() == second
