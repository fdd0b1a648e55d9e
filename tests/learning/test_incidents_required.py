"""Blessed incidents before the gate."""

from deployment import Deployment, real_ticks

from adapt.learning.gate import GateSettings
from adapt.learning.settings import LearnerSettings
from adapt.learning.update import UpdateSettings

REQUIRED = LearnerSettings(
    fresh_adapt_s=20.0,
    update=UpdateSettings(steps=120, learning_rate=5e-4, blend=1.0),
    gate=GateSettings(incidents="required"),
)


def examined(folder, model, passes, settings=REQUIRED):
    """A deployment, and the versions that were held against incidents."""
    asked = []

    def examine(version, model):
        asked.append(version)
        return [
            {"incident": "fell", "passed": True, "why": "0.1 within 0.2"},
            {"incident": "shook", "passed": passes, "why": "0.1 against 0.2"},
        ]

    deployment = Deployment(folder, model, settings, examine=examine)
    deployment.live(real_ticks(120.0))
    return deployment, asked


def test_a_candidate_that_fails_one_is_rejected_with_the_evidence(tmp_path, pretrained):
    deployment, asked = examined(tmp_path, pretrained, passes=False)
    (rejected, *_) = [event for event in deployment.events if event.kind == "rejected"]
    assert "admitted" not in deployment.kinds()
    assert rejected.detail["reason"] == "fails incident shook: 0.1 against 0.2"
    (decision,) = deployment.registry.decisions(rejected.detail["version"])
    assert [each["passed"] for each in decision.evidence["incidents"]] == [True, False]
    # Only what would have been let in is held against them, and once.
    assert asked[0] == rejected.detail["version"] and len(set(asked)) == len(asked)


def test_one_that_passes_all_is_let_in_and_where_they_are_ignored_nobody_is_asked(tmp_path, pretrained):
    deployment, asked = examined(tmp_path / "required", pretrained, passes=True)
    admitted = next(event for event in deployment.events if event.kind == "admitted")
    assert asked[0] == admitted.detail["version"]
    assert len(admitted.detail["incidents"]) == 2
    ignored = REQUIRED.model_copy(update={"gate": GateSettings()})
    deployment, asked = examined(tmp_path / "ignored", pretrained, passes=False, settings=ignored)
    assert "admitted" in deployment.kinds() and not asked
