from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapt.evaluation.command_limits import CommandLimits
from adapt.robot.load import load_robot
from adapt.safety.filter import SafetyFilter

ROBOT = load_robot("so101")
PERIOD_NS = round(1e9 * ROBOT.period_s)
HOME = np.zeros(6)


def judged(commands: list[np.ndarray], gaps: dict[int, int] | None = None) -> dict[str, int]:
    """What is found broken; before the commands of `gaps` so many periods more pass in silence."""
    limits, now_ns = CommandLimits(ROBOT), 0
    for number, command in enumerate(commands):
        now_ns += PERIOD_NS * (1 + (gaps or {}).get(number, 0))
        limits.measured(HOME)
        limits.command(command, now_ns)
    assert limits.commands == len(commands)
    return dict(limits.broken)


@given(st.integers(0, 1000))
def test_what_the_filter_gives_breaks_nothing(seed: int) -> None:
    generator, safe = np.random.default_rng(seed), SafetyFilter(ROBOT)
    safe.reset(HOME)
    assert judged([safe.project(generator.uniform(-4, 4, 6)).command for _ in range(100)]) == {}


@pytest.mark.parametrize(
    ("commands", "broken"),
    [
        ([HOME, HOME + np.nan], {"not_finite": 1}),
        ([HOME, np.zeros(5)], {"not_finite": 1}),
        ([HOME + 0.2], {"start": 1}),
        ([HOME, HOME + 0.05, HOME + 0.14, HOME + 0.31], {"velocity": 1}),
        ([HOME, HOME + 0.05, HOME + 0.1, HOME], {"acceleration": 1}),
    ],
)
def test_what_breaks_a_limit_is_named(commands: list[np.ndarray], broken: dict[str, int]) -> None:
    assert judged(commands) == broken


def test_a_command_outside_the_range_is_named_at_every_tick() -> None:
    limits = CommandLimits(ROBOT)
    limits.measured(HOME + 1.8)
    limits.command(HOME + 1.8, 0)
    limits.command(HOME + 1.8, PERIOD_NS)
    assert limits.broken == {"start": 1, "position": 2}


def test_who_was_cut_off_begins_anew() -> None:
    limits = CommandLimits(ROBOT)
    for number, command in enumerate((HOME, HOME + 0.05, HOME + 0.6, HOME + 0.65, HOME + 1.0)):
        limits.measured(HOME)
        if number == 2:
            limits.missed()
        limits.command(command, number * PERIOD_NS)
    assert limits.broken == {"velocity": 1, "acceleration": 1}


def test_after_a_silence_a_command_may_begin_where_the_robot_stands_and_nowhere_else() -> None:
    assert judged([HOME, HOME + 0.05, HOME + 0.1, HOME], {3: 10}) == {}
    assert judged([HOME, HOME + 0.05, HOME + 0.1, HOME + 0.5], {3: 10}) == {"start": 1}
    # Or go on as if there had been none.
    assert judged([HOME, HOME + 0.08, HOME + 0.16, HOME + 0.24], {3: 10}) == {}


def test_after_a_silence_the_robot_is_at_rest_wherever_the_next_command_lies() -> None:
    sharp = ROBOT.period_s**2 * min(each.acceleration for each in ROBOT.action.limits.values())
    moving = [HOME, HOME + 0.5 * sharp, HOME + sharp]
    begun = HOME + 2.3 * sharp
    assert judged([*moving, begun, begun], {3: 10}) == {}
    assert judged([*moving, begun, begun]) == {"acceleration": 1}
