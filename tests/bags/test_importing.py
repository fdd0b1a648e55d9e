from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from adapt.bags.importing import EPOCH_NS, import_motions
from adapt.bags.reader import bag_info, read_bag
from adapt.errors import UserError
from adapt.robot.load import load_robot

REAL_MOTIONS = Path(__file__).resolve().parents[3] / "shared" / "data" / "so101" / "motions"
SO101 = load_robot("so101")
Arrays = dict[str, np.ndarray]


def made_up_motion() -> Arrays:
    generator = np.random.default_rng(0)
    arrays: Arrays = {
        key: generator.normal(size=(50, 6)).astype(np.float32) for key in ("u", "q", "v", "tau")
    }
    arrays["t_us_state"] = np.arange(50) * 20_060.7
    arrays["t_us_ctrl"] = np.arange(50) * 20_060.7 + 3_000.2
    return arrays


def assert_imported_exactly(bag: Path, arrays: Arrays) -> None:
    read = {"/joint_states": [], "/joint_commands": []}
    for topic, _, stamp_ns, message in read_bag(bag):
        assert message.name == list(SO101.action.entries)
        assert message.header.stamp.sec * 10**9 + message.header.stamp.nanosec == stamp_ns
        read[topic].append((stamp_ns, message))
    for topic, stamps, key in (("/joint_states", "t_us_state", "q"), ("/joint_commands", "t_us_ctrl", "u")):
        expected = EPOCH_NS + np.rint(arrays[stamps] * 1000).astype(np.int64)
        assert np.array_equal([stamp for stamp, _ in read[topic]], expected)
        values = np.array([message.position for _, message in read[topic]])
        assert np.array_equal(values, arrays[key].astype(np.float64))
        assert np.array_equal(values.astype(np.float32), arrays[key])
    velocity = np.array([message.velocity for _, message in read["/joint_states"]])
    assert np.array_equal(velocity, arrays["v"].astype(np.float64))


def test_a_motion_comes_back_bit_for_bit(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    np.savez_compressed(tmp_path / "logs" / "wave.npz", **made_up_motion())
    bags = import_motions(tmp_path / "logs", tmp_path / "bags", SO101)
    assert bags == [tmp_path / "bags" / "wave"]
    assert_imported_exactly(bags[0], made_up_motion())
    assert [topic.name for topic in bag_info(bags[0]).topics] == ["/joint_commands", "/joint_states"]


def test_a_real_motion_comes_back_bit_for_bit(tmp_path: Path) -> None:
    if not REAL_MOTIONS.is_dir():
        pytest.skip(f"the real logs are not there: {REAL_MOTIONS}")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "wave_motion.npz").symlink_to(REAL_MOTIONS / "wave_motion.npz")
    bag = import_motions(tmp_path / "logs", tmp_path / "bags", SO101)[0]
    with np.load(REAL_MOTIONS / "wave_motion.npz") as archive:
        assert_imported_exactly(bag, dict(archive))


def without(key: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {name: array for name, array in arrays.items() if name != key}


def with_array(key: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {**arrays, key: change(arrays[key])}


def poisoned(array: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(array))[:, None] == 7, np.nan, array)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without("q"), "'q' is missing"),
        (with_array("q", lambda q: q[:, :5]), r"'q' has the shape \(50, 5\), not \(50, 6\)"),
        (with_array("u", lambda u: u[:40]), r"'u' has the shape \(40, 6\)"),
        (with_array("v", poisoned), "'v' is not finite in sample 7"),
        (with_array("t_us_state", lambda t: t[::-1]), "'t_us_state' goes back in time at sample 1"),
    ],
)
def test_a_log_that_does_not_fit_is_named(
    tmp_path: Path, spoil: Callable[[Arrays], Arrays], message: str
) -> None:
    np.savez(tmp_path / "odd.npz", **spoil(made_up_motion()))
    with pytest.raises(UserError, match=rf"odd\.npz.*{message}"):
        import_motions(tmp_path, tmp_path / "bags", SO101)
    assert not (tmp_path / "bags").exists()


def test_a_cut_off_log_is_named(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "odd.npz", **made_up_motion())
    content = (tmp_path / "odd.npz").read_bytes()
    for size in (0, 10, len(content) // 2, len(content) - 5):
        (tmp_path / "odd.npz").write_bytes(content[:size])
        with pytest.raises(UserError, match=r"odd\.npz"):
            import_motions(tmp_path, tmp_path / "bags", SO101)


def test_a_robot_without_joint_states_cannot_take_logs(tmp_path: Path) -> None:
    action = SO101.action.model_copy(update={"type": "std_msgs/msg/Float64MultiArray"})
    with pytest.raises(UserError, match="key 'action' is std_msgs/msg/Float64MultiArray"):
        import_motions(tmp_path, tmp_path / "bags", SO101.model_copy(update={"action": action}))
