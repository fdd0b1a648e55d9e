from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from adapt.bags.blank_message import blank_message
from adapt.bags.importing import EPOCH_NS
from adapt.bags.reader import read_bag
from adapt.bags.replay import bag_ticks
from adapt.bags.tabular import LogColumns, import_tables
from adapt.bags.topic import standard_types
from adapt.errors import UserError
from adapt.robot.load import find_configuration, load_robot
from adapt.settings import load_settings

ROBOT = load_robot("double_pendulum")
COLUMNS = load_settings(find_configuration("logs", "double_pendulum"), LogColumns)
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "double_pendulum" / "design_C.1"
HEADER = "tau_meas2, time, pos_meas1, pos_meas2, vel_meas1, vel_meas2, tau_meas1, not used"


def rows(count: int = 300) -> np.ndarray:
    values = np.random.default_rng(0).normal(size=(count, 8))
    values[:, 1] = np.arange(count) * 0.002
    return values


def write_log(folder: Path, values: np.ndarray, header: str = HEADER, name: str = "log.csv.gz") -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    opened = gzip.open if name.endswith(".gz") else open
    with opened(folder / name, "wt") as file:
        np.savetxt(file, values, delimiter=",", header=header, comments="")
    return folder


def test_a_table_comes_back_from_its_bag(tmp_path: Path) -> None:
    logs = write_log(tmp_path / "logs", rows(), name="monday/log.csv")
    (bag,) = import_tables(logs, tmp_path / "bags", ROBOT, COLUMNS)
    assert bag == tmp_path / "bags" / "monday-log"
    found: dict[str, list[np.ndarray]] = {"/joint_states": [], "/joint_commands": []}
    for topic, _, stamp_ns, message in read_bag(bag):
        assert message.name == ["shoulder", "elbow"]
        assert message.header.stamp.sec * 10**9 + message.header.stamp.nanosec == stamp_ns
        values = [*message.position, *message.velocity, *message.effort]
        found[topic].append(np.array([(stamp_ns - EPOCH_NS) * 1e-9, *values]))
    np.testing.assert_allclose(found["/joint_states"], rows()[:, [1, 2, 3, 4, 5]], atol=1e-15)
    np.testing.assert_allclose(found["/joint_commands"], rows()[:, [1, 6, 0]], atol=1e-15)


def test_real_logs_become_complete_ticks(tmp_path: Path) -> None:
    if not REAL.is_dir():
        pytest.skip(f"the real logs are not there: {REAL}")
    log = REAL / "sys_id" / "20230629" / "20230629-154548" / "trajectory.csv.gz"
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "swing_up.csv.gz").symlink_to(log)
    (bag,) = import_tables(tmp_path / "logs", tmp_path / "bags", ROBOT, COLUMNS)
    ticks = list(bag_ticks(bag, ROBOT))
    assert len(ticks) == 239 and all(tick.complete for tick in ticks)
    assert max(tick.observation[0] for tick in ticks) > 3.1


@pytest.mark.parametrize(
    ("values", "header", "message"),
    [
        (
            rows(),
            HEADER.replace("vel_meas2", "speed"),
            "there is no column 'vel_meas2'; there are: tau_meas2",
        ),
        (np.where(np.arange(300)[:, None] == 7, np.nan, rows()), HEADER, "is not finite in row 8"),
        (rows()[::-1], HEADER, "'time' does not rise at row 2"),
        (rows()[:0], HEADER, "no rows"),
    ],
)
def test_a_table_that_does_not_fit_is_named(
    tmp_path: Path, values: np.ndarray, header: str, message: str
) -> None:
    with pytest.raises(UserError, match=rf"log\.csv\.gz.*{message}"):
        import_tables(write_log(tmp_path, values, header), tmp_path / "bags", ROBOT, COLUMNS)
    assert not (tmp_path / "bags").exists()


def test_a_cut_off_table_is_named(tmp_path: Path) -> None:
    log = write_log(tmp_path, rows()) / "log.csv.gz"
    content = log.read_bytes()
    for size in (0, 10, len(content) // 2, len(content) - 5):
        log.write_bytes(content[:size])
        with pytest.raises(UserError, match=r"log\.csv\.gz"):
            import_tables(tmp_path, tmp_path / "bags", ROBOT, COLUMNS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": {"joint_position": ("a", "b")}}, "'channels.joint_velocity' is missing"),
        ({"channels": {**COLUMNS.channels, "odd": ("a",)}}, "has no 'channels.odd'"),
        ({"action": ("tau_meas1",)}, "'action': 1 columns for shoulder, elbow"),
    ],
)
def test_columns_that_do_not_fit_the_robot_are_named(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        import_tables(write_log(tmp_path, rows()), tmp_path, ROBOT, COLUMNS.model_copy(update=change))


@pytest.mark.parametrize("name", ["sensor_msgs/msg/Imu", "sensor_msgs/msg/BatteryState", "nav_msgs/msg/Path"])
def test_a_blank_message_can_be_written(name: str) -> None:
    types = standard_types()
    message = blank_message(types, name)
    assert types.deserialize_cdr(types.serialize_cdr(message, name), name).header.stamp.sec == 0


def test_a_type_that_is_not_known_is_named() -> None:
    with pytest.raises(UserError, match="odd_msgs/msg/Odd"):
        blank_message(standard_types(), "odd_msgs/msg/Odd")
