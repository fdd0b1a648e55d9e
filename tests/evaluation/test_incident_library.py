from pathlib import Path

import pytest
from payload_incident import ROBOT, driven, version_that_knows_the_payload, write_payload_incident

from adapt.bags.incident import Criterion, bless, load_incident
from adapt.errors import UserError
from adapt.evaluation.incident_library import blessed_incidents, failed_bound, judge, load_versions
from adapt.evaluation.model_error import LATENT
from adapt.model.checkpoint import load_card, shipped_checkpoint
from adapt.registry.registry import Registry

SHIPPED = load_card(shipped_checkpoint(ROBOT)).version


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A store with the incident and the version that learned from the payload; its name."""
    store = tmp_path_factory.mktemp("library")
    write_payload_incident(store, SHIPPED, driven(7, 16.0, 5.0))
    registry = Registry(store, ROBOT, lambda: 0)
    later = registry.add(version_that_knows_the_payload(), SHIPPED, {}).version
    registry.close()
    return store, later


def only_incident(store: Path):
    return load_incident(store, next((store / "incidents").iterdir()).name)


def test_the_matrix_tells_the_version_that_failed_from_one_that_learned(library):
    store, later = library
    models = load_versions(store, ROBOT, [SHIPPED, later])
    stretch = Criterion(at_most=1.0, unit="rad", from_s=-0.5)
    criterion = failed_bound(ROBOT, only_incident(store), SHIPPED, models[SHIPPED], stretch)
    incident = bless(only_incident(store), criterion)
    assert [each.card.id for each in blessed_incidents(store)] == [incident.card.id]
    first, second = judge(ROBOT, blessed_incidents(store)[0], models)
    assert (first.version, first.passed, second.version, second.passed) == (SHIPPED, False, later, True)
    assert second.error < first.at_most < first.error
    assert "above" in first.why and "joint_position/" in first.why and "within" in second.why
    assert judge(ROBOT, incident, models) == [first, second]
    bless(incident, None)
    assert blessed_incidents(store) == []


def test_without_a_blessing_errors_are_told_and_nothing_is_decided(library):
    store, later = library
    (verdict,) = judge(ROBOT, only_incident(store), load_versions(store, ROBOT, [later]))
    assert verdict.passed is None and verdict.error > 0 and "not blessed" in verdict.why


def test_planners_are_asked_what_they_would_have_done_in_the_stretch(library):
    store, _ = library
    incident = only_incident(store)
    short = bless(incident, Criterion(at_most=1.0, unit="rad", from_s=0.0, to_s=1.0))
    models = load_versions(store, ROBOT, [])
    (verdict,) = judge(ROBOT, short, models, propose=True)
    (silent,) = judge(ROBOT, short, models)
    assert 0 < verdict.proposed_apart < 0.5
    assert silent.proposed_apart is None and silent.error == verdict.error
    bless(incident, None)


def test_what_cannot_be_judged_does_not_pass(library):
    store, _ = library
    models = load_versions(store, ROBOT, [])
    assert list(models) == [SHIPPED]
    incident = only_incident(store)
    nowhere = Criterion(at_most=1.0, unit="rad", from_s=500.0)
    (verdict,) = judge(ROBOT, bless(incident, nowhere), models)
    assert verdict.passed is False and verdict.error is None and "nothing to judge on" in verdict.why
    (verdict,) = judge(ROBOT, bless(incident, Criterion(at_most=1.0, unit=LATENT)), models)
    assert verdict.passed is False and LATENT in verdict.why
    with pytest.raises(UserError, match="widen it"):
        failed_bound(ROBOT, incident, SHIPPED, models[SHIPPED], nowhere)
    bless(incident, None)


def test_a_version_that_is_nowhere_is_named_with_those_that_are(library):
    store, later = library
    with pytest.raises(UserError, match=rf"no version 'lost'; there are: .*{later}.*shipped"):
        load_versions(store, ROBOT, ["lost"])


def test_a_checkpoint_by_its_path_is_called_by_its_version(library):
    store, _ = library
    path = str(shipped_checkpoint(ROBOT))
    assert list(load_versions(store / "elsewhere", ROBOT, [path])) == [SHIPPED]
