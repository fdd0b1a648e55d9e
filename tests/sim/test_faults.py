from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapt.sim.faults import SIZED, Fault, Measurement, SensorFaults

PERIOD_NS = 20_000_000
KINDS = ("lost", "late", "duplicated", "reordered", "frozen", "not_finite", "noisy", "offset", "clock_jump")


def told(number: int) -> Measurement:
    """A measurement whose values and stamp say which one it is."""
    return {
        "position": (number * PERIOD_NS, np.full(3, float(number))),
        "speed": (number * PERIOD_NS, np.full(3, -float(number))),
    }


def heard(faults: SensorFaults, numbers: range) -> list[Measurement]:
    return [each for number in numbers for each in faults.heard(told(number), number * PERIOD_NS)]


def struck(kind: str, **more: object) -> list[Measurement]:
    """What is heard of thirty messages, of which 10 to 19 are struck."""
    size = {"size": {"late": 0.06, "clock_jump": -10.0}.get(kind, 0.5)} if kind in SIZED else {}
    faults = SensorFaults(seed=1)
    faults.begin(Fault(kind=kind, onset_s=0.2, duration_s=0.2, **{**size, **more}), 0)
    return heard(faults, range(30))


def stamps(messages: list[Measurement]) -> list[int]:
    return [message["position"][0] // PERIOD_NS for message in messages]


def values(messages: list[Measurement], key: str = "position") -> list[float]:
    return [float(message[key][1][0]) for message in messages]


def test_messages_are_lost_late_twice_or_overtaken() -> None:
    before, during, after = list(range(10)), list(range(10, 20)), list(range(20, 30))
    assert stamps(struck("lost")) == before + after
    assert stamps(struck("duplicated")) == [*before, *np.repeat(during, 2), *after]
    assert stamps(struck("reordered")) == [
        *before,
        *(each for n in during[::2] for each in (n + 1, n)),
        *after,
    ]
    # Three messages later: the first undelayed ones overtake them.
    late = struck("late")
    assert stamps(late) == [*before, *during[:7], 20, 17, 21, 18, 22, 19, *after[3:]]


def test_values_are_frozen_void_blurred_or_shifted_and_stamps_jump() -> None:
    for kind in ("frozen", "not_finite", "noisy", "offset"):
        messages = struck(kind)
        assert stamps(messages) == list(range(30))
        assert values(messages)[:10] == list(range(10)) and values(messages)[20:] == list(range(20, 30))
    assert values(struck("frozen"))[10:20] == [10.0] * 10
    assert np.isnan(values(struck("not_finite"))[10:20]).all()
    assert values(struck("offset"))[10:20] == [n + 0.5 for n in range(10, 20)]
    blurred = np.array(values(struck("noisy"))[10:20]) - np.arange(10, 20)
    assert 0.1 < blurred.std() < 1.5
    assert stamps(struck("clock_jump"))[10:20] == [n - 500 for n in range(10, 20)]


def test_one_channel_alone_and_a_share_of_the_messages() -> None:
    messages = struck("offset", channel="speed")
    assert values(messages) == list(range(30))
    assert values(messages, "speed")[10:20] == [0.5 - n for n in range(10, 20)]
    assert 20 < len(struck("lost", share=0.5)) < 30


@given(st.lists(st.sampled_from(KINDS), max_size=4), st.integers(0, 5))
def test_whatever_strikes_it_ends_and_the_same_seed_strikes_alike(kinds: list[str], seed: int) -> None:
    def run() -> list[Measurement]:
        faults = SensorFaults(seed)
        for number, kind in enumerate(kinds):
            size = {"size": 0.1} if kind in SIZED else {}
            faults.begin(Fault(kind=kind, onset_s=0.05 * number, duration_s=0.3, share=0.7, **size), 0)
        return heard(faults, range(60))

    once, again = run(), run()
    assert stamps(once) == stamps(again)
    np.testing.assert_array_equal(values(once), values(again))
    assert stamps(once)[-20:] == list(range(40, 60)) and values(once)[-20:] == list(range(40, 60))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"kind": "late"}, "'late' needs a 'size'"),
        ({"kind": "lost", "size": 1.0}, "'lost' has no 'size'"),
        ({"kind": "noisy", "size": -1.0}, "above 0"),
        ({"kind": "melted"}, "kind"),
        ({"kind": "offset", "size": float("nan")}, "size"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Fault(duration_s=1.0, **wrong)
