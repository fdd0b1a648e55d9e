import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from adapt.errors import UserError
from adapt.stream.tick import Tick
from adapt.stream.tick_message import decode_tick, tick_data, tick_layout

TODAY_NS = 1_763_800_000_123_456_789


def message(tick: Tick) -> Any:
    dimensions = [SimpleNamespace(label=label, size=size) for label, size in tick_layout(tick)]
    return SimpleNamespace(layout=SimpleNamespace(dim=dimensions), data=tick_data(tick))


def some_tick() -> Tick:
    return Tick(
        3, TODAY_NS, np.arange(2.0), np.ones(2, bool), np.ones(3), np.full(2, np.nan), np.ones(2), "v", "s"
    )


def values(size: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, size, elements=st.floats(allow_nan=True, allow_infinity=True))


@given(
    index=st.integers(0, 2**53),
    stamp_ns=st.integers(0, 2**62),
    observation=values(7),
    valid=arrays(np.bool_, 7),
    command=values(3),
    actions=st.tuples(values(5), values(5)),
    names=st.tuples(*2 * [st.text(alphabet="0123456789abcdef=", max_size=12)]),
)
def test_a_tick_survives_the_message_bit_for_bit(
    index: int,
    stamp_ns: int,
    observation: np.ndarray,
    valid: np.ndarray,
    command: np.ndarray,
    actions: tuple[np.ndarray, np.ndarray],
    names: tuple[str, str],
) -> None:
    tick = Tick(index, stamp_ns, observation, valid, command, *actions, *names)
    read = decode_tick(message(tick))
    assert (read.index, read.stamp_ns, read.version, read.schema_hash) == (index, stamp_ns, *names)
    for name in ("observation", "valid", "command", "proposed", "applied"):
        assert getattr(read, name).tobytes() == getattr(tick, name).tobytes()


def test_the_stamp_of_today_keeps_its_last_nanosecond() -> None:
    assert decode_tick(message(some_tick())).stamp_ns == TODAY_NS
    assert int(struct.unpack("d", struct.pack("d", float(TODAY_NS)))[0]) != TODAY_NS


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: m.layout.dim.pop(3), "observation"),
        (lambda m: m.layout.dim.clear(), "index"),
        (lambda m: m.data.pop(), "another length"),
        (lambda m: m.data.append(0.0), "another length"),
        (lambda m: m.data.__delitem__(slice(None)), "another length"),
        (lambda m: setattr(m.layout.dim[0], "label", "number"), "index"),
        (lambda m: (setattr(m.layout.dim[0], "size", 0), m.data.pop(0)), "index"),
        (lambda m: (setattr(m.layout.dim[4], "size", 1), m.data.pop(6)), "valid"),
        (lambda m: m.data.__setitem__(1, float("nan")), "stamp_s"),
        (lambda m: m.data.__setitem__(0, float("inf")), "index"),
    ],
)
def test_what_is_not_a_tick_is_refused(change: Callable[[Any], Any], told: str) -> None:
    wrong = message(some_tick())
    change(wrong)
    with pytest.raises(UserError, match=f"topic /adapt/tick: not a tick: .*{told}"):
        decode_tick(wrong)
