"""Who drives the next tick: kept to by hand, on trial, or admitted. Needs no ROS graph."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from adapt.errors import UserError
from adapt.model.checkpoint import load_checkpoint
from adapt.registry.registry import Registry
from adapt.robot.load import load_robot
from ros_nodes.driving_version import DrivingVersion

ROBOT = load_robot("so101")


@pytest.fixture(scope="module")
def store(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A store with the pretrained version and two candidates."""
    folder = tmp_path_factory.mktemp("store")
    registry = Registry(folder, ROBOT, lambda: 0)
    names = [registry.adopt(checkpoint).version]
    for factor in (1.01, 1.02):
        model = load_checkpoint(checkpoint, ROBOT)[0]
        for weight in model.dynamics_parameters().values():
            weight.data *= factor
        names.append(registry.add(model, names[0], {}).version)
    registry.close()
    return folder, names


class Beat:
    """Swaps between two ticks, as the planner does."""

    def __init__(self, versions: DrivingVersion, version: str) -> None:
        self._versions = versions
        self.version = self.base = version
        self.swaps = 0

    def at(self, now_ns: int) -> str:
        if (swap := self._versions.due(now_ns, self.version, self.base)) is not None:
            self.version, self.base = swap.version, swap.base
            self.swaps += 1
        assert self._versions.due(now_ns, self.version, self.base) is None
        return self.version


def test_a_turn_ends_when_it_is_told_or_when_its_time_is_over(checkpoint: Path, store) -> None:
    folder, (pretrained, candidate, _) = store
    versions = DrivingVersion(ROBOT, checkpoint, str(folder), lambda: 0)
    beat = Beat(versions, pretrained)
    assert beat.at(0) == pretrained and beat.swaps == 0
    versions.take_turn(candidate, 100)
    assert [beat.at(now) for now in (1, 99, 100, 101)] == [candidate, candidate, pretrained, pretrained]
    versions.take_turn(candidate, 300)
    assert beat.at(200) == candidate and beat.base == pretrained
    versions.take_turn("", 300)
    assert beat.at(201) == pretrained


def test_what_is_admitted_on_its_turn_drives_on_as_the_base(checkpoint: Path, store) -> None:
    folder, (pretrained, candidate, other) = store
    versions = DrivingVersion(ROBOT, checkpoint, str(folder), lambda: 0)
    beat = Beat(versions, pretrained)
    versions.take_turn(candidate, 100)
    assert beat.at(1) == candidate
    versions.admit(candidate)
    assert beat.at(2) == beat.base == candidate
    versions.take_turn(other, 100)
    assert beat.at(3) == other
    versions.keep_to(pretrained)
    versions.take_turn(other, 100)
    assert beat.at(4) == pretrained
    versions.keep_to("")
    assert beat.at(5) == candidate


def test_what_cannot_be_read_changes_nothing(checkpoint: Path, store) -> None:
    folder, (pretrained, _, _) = store
    versions = DrivingVersion(ROBOT, checkpoint, str(folder), lambda: 0)
    beat = Beat(versions, pretrained)
    for change in (versions.keep_to, versions.admit, lambda name: versions.take_turn(name, 100)):
        with pytest.raises(UserError, match="no version"):
            change("0123456789ab")
        assert beat.at(1) == pretrained
