"""The reference of adapt/stream/reference.py."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ros_messages import header, path

from adapt.errors import UserError
from adapt.robot.interface import Command
from adapt.stream.reference import Reference

NOW_NS = 1_763_800_000_000_000_001
STEP_NS = 40_000_000
PATH = Command(
    topic="/reference",
    type="trajectory_msgs/msg/JointTrajectory",
    field="positions",
    names=("shoulder", "elbow"),
    unit="rad",
)
SET_POINT = Command(
    topic="/goal", type="geometry_msgs/msg/PointStamped", field="point", names=("x", "y"), unit="m"
)


def fed(start_ns: int, rows: list[list[float]], reference: Reference | None = None) -> Reference:
    reference = reference or Reference(PATH)
    offsets = [number * STEP_NS for number in range(len(rows))]
    reference.feed(path(start_ns, PATH.names, offsets, rows), receive_ns=0)
    return reference


def at(reference: Reference, *stamps_ns: int) -> list[list[float]]:
    values: list[list[float]] = reference.at(np.array(stamps_ns, dtype=np.int64)).tolist()
    return values


def test_nothing_is_known_before_the_first_message_and_the_first_point() -> None:
    assert np.isnan(Reference(PATH).at(np.array([NOW_NS]))).all()
    reference = fed(NOW_NS, [[1.0, 2.0]])
    assert np.isnan(at(reference, NOW_NS - 1)).all()
    assert at(reference, NOW_NS, NOW_NS + 10**12) == [[1.0, 2.0]] * 2


@given(st.integers(0, 3 * STEP_NS))
def test_it_is_linear_between_points_to_the_nanosecond(after_ns: int) -> None:
    reference = fed(NOW_NS, [[0.0, 3.0], [1.0, 2.0], [2.0, 1.0], [3.0, 0.0]])
    expected = after_ns / STEP_NS
    np.testing.assert_allclose(at(reference, NOW_NS + after_ns), [[expected, 3.0 - expected]], atol=1e-12)


def test_a_new_path_replaces_the_old_from_its_own_first_point_on() -> None:
    reference = fed(NOW_NS, [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    fed(NOW_NS + 2 * STEP_NS, [[7.0, 8.0]], reference)
    stamps = [NOW_NS + part * STEP_NS // 2 for part in (0, 1, 2, 4, 6)]
    assert [row[0] for row in at(reference, *stamps)] == [0.0, 0.5, 1.0, 7.0, 7.0]
    fed(NOW_NS - STEP_NS, [[9.0, 9.0]], reference)
    assert at(reference, *stamps) == [[9.0, 9.0]] * 5


def test_columns_go_by_name() -> None:
    reference = Reference(PATH)
    names = ["wrist", "elbow", "shoulder"]
    reference.feed(path(NOW_NS, names, [0], [[9.0, 2.0, 1.0]]), 0)
    assert at(reference, NOW_NS) == [[1.0, 2.0]]


def test_a_path_without_a_stamp_begins_when_it_comes() -> None:
    reference = Reference(PATH)
    reference.feed(path(0, PATH.names, [0], [[1.0, 2.0]]), receive_ns=NOW_NS)
    assert np.isnan(at(reference, NOW_NS - 1)).all() and at(reference, NOW_NS) == [[1.0, 2.0]]


def test_a_set_point_holds() -> None:
    reference = Reference(SET_POINT)
    for stamp, x in ((NOW_NS, 1.0), (NOW_NS + STEP_NS, 2.0)):
        reference.feed(SimpleNamespace(header=header(stamp), point=SimpleNamespace(x=x, y=0.0)), 0)
    assert at(reference, NOW_NS + STEP_NS, NOW_NS + 10**10) == [[2.0, 0.0]] * 2


@given(st.integers(-2 * STEP_NS, 6 * STEP_NS))
def test_forgetting_changes_nothing_that_is_still_needed(after_ns: int) -> None:
    rows = [[0.0, 3.0], [1.0, 2.0], [2.0, 1.0], [3.0, 0.0]]
    reference, forgetful = fed(NOW_NS, rows), fed(NOW_NS, rows)
    forgetful.forget_before(NOW_NS + after_ns)
    later = [NOW_NS + max(after_ns, 0) + part * STEP_NS // 3 for part in range(12)]
    np.testing.assert_allclose(at(forgetful, *later), at(reference, *later), atol=1e-12)


@pytest.mark.parametrize(
    ("names", "offsets", "rows", "told"),
    [
        (("shoulder", "elbow"), [0, 0], [[0.0, 0.0], [1.0, 1.0]], "times do not increase"),
        (("shoulder", "elbow"), [STEP_NS, 0], [[0.0, 0.0], [1.0, 1.0]], "times do not increase"),
        (("shoulder", "elbow"), [0], [[0.0, np.nan]], "empty or not finite"),
        (("shoulder", "elbow"), [0], [[0.0, np.inf]], "empty or not finite"),
        (("shoulder", "elbow"), [], np.zeros((0, 2)), "empty or not finite"),
        (("shoulder", "wrist"), [0], [[0.0, 0.0]], "the path has no 'elbow'"),
        (("shoulder", "elbow"), [0], [[0.0]], "a point has not one value for each name"),
    ],
)
def test_a_wrong_path_is_refused_and_the_old_one_stays(
    names: tuple[str, ...], offsets: list[int], rows: list[list[float]], told: str
) -> None:
    reference = fed(NOW_NS, [[1.0, 2.0]])
    with pytest.raises(UserError, match=f"topic /reference: .*{told}"):
        reference.feed(path(NOW_NS + STEP_NS, names, offsets, rows), 0)
    assert at(reference, NOW_NS + 2 * STEP_NS) == [[1.0, 2.0]]
