"""The way back that a learner begins by itself, as a process."""

from __future__ import annotations

import fcntl
import time
from pathlib import Path

from adapt.learning.event import Event
from ros_nodes.recovery import Recovery, RecoverySettings

SETTINGS = RecoverySettings(begins=True, expert="", settings="")


def ended(recovery: Recovery) -> Event:
    deadline = time.monotonic() + 60.0
    while (event := recovery.ended()) is None:
        assert time.monotonic() < deadline
    return event


def test_what_went_wrong_is_told_once_with_its_last_words(tmp_path: Path) -> None:
    recovery = Recovery("so101", tmp_path, SETTINGS)
    assert recovery.ended() is None
    began = recovery.begin("it shakes")
    assert began.kind == "recovery_began" and began.detail["why"] == "it shakes" and recovery.under_way
    failed = ended(recovery)
    assert not recovery.under_way
    assert failed.kind == "recovery_failed" and failed.detail["exit_code"] == 2
    assert "no model versions" in failed.detail["said"]
    assert recovery.ended() is None


def test_one_that_outlived_its_learner_is_let_be(tmp_path: Path) -> None:
    recovery = Recovery("so101", tmp_path, SETTINGS)
    recovery.log.parent.mkdir()
    with recovery.log.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert recovery.begin("it shakes").kind == "recovery_under_way"
        assert recovery.ended() is None
    assert recovery.begin("it shakes").kind == "recovery_began"
    ended(recovery)


def test_it_is_ended_with_its_learner(tmp_path: Path) -> None:
    recovery = Recovery("so101", tmp_path, SETTINGS)
    recovery.begin("it shakes")
    recovery.end()
    assert ended(recovery).detail["exit_code"] != 0
    recovery.end()
