from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet as parquet  # noqa: E402

from adapt.bags.importing import EPOCH_NS  # noqa: E402
from adapt.bags.logs import import_logs  # noqa: E402
from adapt.bags.reader import read_bag  # noqa: E402
from adapt.errors import UserError  # noqa: E402
from adapt.robot.load import load_robot  # noqa: E402

ROBOT = load_robot("so101")
NAMES = [f"{joint}.pos" for joint in ROBOT.action.entries]
DEGREES = "so101_lerobot_degrees"
FRAMES = 40


def write_data_set(folder: Path, version: str = "v3.0", **changes: object) -> Path:
    """Two episodes, as version 2 keeps them in files of their own and version 3 in one."""
    feature = {"dtype": "float32", "shape": [6], "names": list(reversed(NAMES))}
    facts = {
        "codebase_version": version,
        "robot_type": "so101_follower",
        "fps": 30,
        "features": {"action": feature, "observation.state": feature},
        **changes,
    }
    (folder / "meta").mkdir(parents=True)
    (folder / "meta" / "info.json").write_text(json.dumps(facts))
    episodes = [episode(number) for number in range(2)]
    chunk = folder / "data" / "chunk-000"
    chunk.mkdir(parents=True)
    if version.startswith("v2"):
        for number, table in enumerate(episodes):
            parquet.write_table(table, chunk / f"episode_{number:06d}.parquet")
    else:
        parquet.write_table(pa.concat_tables(episodes), chunk / "file-000.parquet")
    return folder


def episode(number: int) -> pa.Table:
    """Joint k of sample i is at 10 k + i / 10 degrees, and told one degree more."""
    state = 10.0 * np.arange(6)[None] + 0.1 * np.arange(FRAMES)[:, None] + number
    told = state + 1.0
    return pa.table(
        {
            "observation.state": state[:, ::-1].astype(np.float32).tolist(),
            "action": told[:, ::-1].astype(np.float32).tolist(),
            "frame_index": np.arange(FRAMES),
            "episode_index": np.full(FRAMES, number),
        }
    )


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_each_episode_becomes_a_bag_in_the_units_of_the_robot_file(tmp_path: Path, version: str) -> None:
    source = write_data_set(tmp_path / "data", version)
    bags = import_logs(source, tmp_path / "out", ROBOT, DEGREES)
    assert [bag.name for bag in bags] == ["episode_000000", "episode_000001"]
    messages = list(read_bag(bags[1]))
    states = [(stamp, message) for topic, _, stamp, message in messages if topic == "/joint_states"]
    told = [message for topic, *_, message in messages if topic == "/joint_commands"]
    assert len(states) == len(told) == FRAMES
    assert [stamp - EPOCH_NS for stamp, _ in states[:3]] == [0, 33_333_333, 66_666_667]
    wanted = np.radians(10.0 * np.arange(5) + 0.3 + 1.0)
    assert list(states[3][1].name) == list(ROBOT.action.entries)
    np.testing.assert_allclose(states[3][1].position[:5], wanted, atol=1e-5)
    np.testing.assert_allclose(told[3].position[:5], wanted + np.radians(1.0), atol=1e-5)
    assert states[3][1].position[5] == pytest.approx(-0.17 + 0.513 * 1.92, abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"codebase_version": "v1.6"}, "v1.6: only versions 2 and 3"),
        ({"robot_type": "aloha"}, "robot_type aloha: .* give other --columns"),
        ({"fps": 0}, "fps 0: must be above 0"),
        ({"features": {}}, "key 'features.observation.state.names' is missing"),
        ({"features": {"observation.state": {"names": ["a"]}}}, "has no 'shoulder_pan.pos' .* it has: a"),
    ],
)
def test_what_is_not_ours_is_refused(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        import_logs(write_data_set(tmp_path / "data", **changes), tmp_path / "out", ROBOT, DEGREES)


def test_units_are_neither_guessed_nor_mixed_up(tmp_path: Path) -> None:
    source = write_data_set(tmp_path / "data")
    with pytest.raises(UserError, match="does not say its units: give --columns"):
        import_logs(source, tmp_path / "out", ROBOT)
    narrow = tmp_path / "narrow.yaml"
    joints = {
        joint: {"name": name, "values": [-30, 30], "means": [-1.0, 1.0]}
        for joint, name in zip(ROBOT.action.entries, NAMES, strict=True)
    }
    narrow.write_text(json.dumps({"robot_types": ["so101_follower"], "joints": joints}))
    with pytest.raises(UserError, match=r"episode 0, observation.state: 'elbow_flex.pos'|of another unit"):
        import_logs(source, tmp_path / "out", ROBOT, str(narrow))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    source = write_data_set(tmp_path / "data")
    (path,) = (source / "data").rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=r"file-000\.parquet: not readable"):
        import_logs(source, tmp_path / "out", ROBOT, DEGREES)
