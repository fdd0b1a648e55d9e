from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapt.bags.trigger import Capture, CaptureSettings, CaptureWindow

SECOND = 1_000_000_000
SETTINGS = CaptureSettings(before_s=4, after_s=2, longest_s=10, cool_down_s=5)


class Clock:
    def __init__(self, now_s: float = 100.0) -> None:
        self.now_s = now_s

    def __call__(self) -> int:
        return round(self.now_s * SECOND)


def test_the_seconds_before_and_after() -> None:
    clock = Clock()
    window = CaptureWindow(SETTINGS, clock)
    assert window.due() is None
    assert window.fire("fall", "error", {"tilt": 1.2})
    clock.now_s = 101.9
    assert window.due() is None
    clock.now_s = 102.1
    capture = window.due()
    assert capture is not None
    assert (capture.start_ns, capture.end_ns) == (96 * SECOND, 102 * SECOND)
    assert capture.triggers[0].detail == {"tilt": 1.2}
    assert window.due() is None


def test_later_triggers_extend_up_to_the_longest() -> None:
    clock = Clock()
    window = CaptureWindow(SETTINGS, clock)
    window.fire("missed_deadline", "warning")
    for now_s in (101.5, 103.0, 104.5, 105.9):
        clock.now_s = now_s
        assert window.due() is None
        assert window.fire("fall", "error")
    clock.now_s = 106.1
    capture = window.due()
    assert capture is not None
    assert capture.end_ns - capture.start_ns == 10 * SECOND
    assert (len(capture.triggers), capture.severity) == (5, "error")


def test_the_cool_down_is_for_the_same_kind_only() -> None:
    clock = Clock()
    window = CaptureWindow(SETTINGS, clock)
    window.fire("fall", "error")
    clock.now_s = 103.0
    assert window.due() is not None
    clock.now_s = 107.0
    assert not window.fire("fall", "error")
    assert window.ignored == {"fall": 1}
    assert window.fire("operator", "info")
    assert window.finish() is not None
    clock.now_s = 120.0
    assert window.fire("fall", "error")


def test_a_clock_that_is_set_back_ends_the_capture() -> None:
    clock = Clock()
    window = CaptureWindow(SETTINGS, clock)
    window.fire("fall", "error")
    clock.now_s = 1.0
    assert window.due() is not None


@given(
    steps=st.lists(st.floats(0, 8), max_size=40),
    kinds=st.lists(st.sampled_from("abc"), min_size=40, max_size=40),
)
def test_every_trigger_is_captured_once_or_counted(steps: list[float], kinds: list[str]) -> None:
    clock = Clock()
    window = CaptureWindow(SETTINGS, clock)
    captures: list[Capture] = []
    for step, kind in zip(steps, kinds, strict=False):
        clock.now_s += step
        if capture := window.due():
            captures.append(capture)
        window.fire(kind, "warning")
    if capture := window.finish():
        captures.append(capture)
    assert sum(len(each.triggers) for each in captures) + sum(window.ignored.values()) == len(steps)
    for each in captures:
        assert each.end_ns - each.start_ns <= 10 * SECOND
        assert all(each.start_ns <= trigger.stamp_ns <= each.end_ns for trigger in each.triggers)


def test_a_capture_holds_at_least_one_trigger() -> None:
    with pytest.raises(ValidationError, match="shorter than before_s"):
        CaptureSettings(before_s=30, after_s=31, longest_s=60)
