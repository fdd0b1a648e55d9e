"""Whether it is noticed that learning does not help, and only then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from deployment import Deployment, real_ticks
from small_arm import tiny_model, two_joint_arm

from adapt.learning.event import Event
from adapt.learning.settings import LearnerSettings
from adapt.learning.sufficiency import Sufficiency, SufficiencySettings
from adapt.stream.tick import Tick

ARM = two_joint_arm()
SCALE = ARM.task.tracking_scale
SETTINGS = SufficiencySettings(recovers_within_s=4.0)
NEEDED = round(4.0 * ARM.rate_hz)


def off_by(scales: float, count: int) -> list[Tick]:
    """Ticks in which each joint is so many scales of the task away from where it should be."""
    ticks = list(real_ticks(count / ARM.rate_hz))
    anchor = list(ARM.command_anchor)
    return [replace(each, command=each.observation[anchor] + scales * SCALE) for each in ticks]


def told(
    ticks: list[Tick], version: str = "a", changed: int = 0, known: Sufficiency | None = None
) -> list[Event]:
    sufficiency = known or Sufficiency(SETTINGS, ARM)
    return [event for tick in ticks for event in sufficiency.feed(tick, version, changed)]


@pytest.mark.parametrize(("scales", "events"), [(0.5, 0), (1.5, 1)])
def test_a_robot_that_does_badly_for_long_enough_is_told_once(scales: float, events: int) -> None:
    found = told(off_by(scales, 3 * NEEDED))
    assert [each.kind for each in found] == ["updates_do_not_suffice"] * events
    for each in found:
        assert each.severity == "error" and each.detail["error"] == pytest.approx(scales)


def test_too_few_ticks_or_a_recovery_say_nothing() -> None:
    assert told(off_by(1.5, NEEDED - 1)) == []
    assert told([*off_by(1.5, NEEDED // 4), *off_by(0.0, NEEDED - NEEDED // 4)]) == []


def test_another_version_or_a_changed_robot_has_all_its_time() -> None:
    for version, changed in (("b", 0), ("a", 7)):
        known = Sufficiency(SETTINGS, ARM)
        assert told(off_by(1.5, NEEDED - 1), known=known) == []
        assert told(off_by(1.5, NEEDED - 1), version, changed, known) == []
        assert len(told(off_by(1.5, 1), version, changed, known)) == 1


def test_ticks_that_say_nothing_of_the_robot_do_not_count() -> None:
    bad = off_by(1.5, NEEDED)
    unknown = [replace(each, command=np.full_like(each.command, np.nan)) for each in bad]
    invalid = [replace(each, valid=np.zeros_like(each.valid)) for each in bad]
    assert told([*unknown, *invalid, *bad[:-1]]) == []


def test_a_live_robot_counts_while_it_is_driven(tmp_path) -> None:
    settings = LearnerSettings(fresh_adapt_s=1000.0, sufficiency=SETTINGS)
    deployment = Deployment(tmp_path, tiny_model(ARM), settings, drives=True)
    ticks = iter(off_by(1.5, 6 * NEEDED))
    deployment.live([next(ticks) for _ in range(2 * NEEDED)])
    assert "updates_do_not_suffice" not in deployment.kinds()
    deployment.learner.hear("safety_state", {"state": "running"})
    deployment.live(ticks)
    assert deployment.kinds().count("updates_do_not_suffice") == 1
