"""An incident in one picture: what was seen, what was foretold, and when the triggers came.

Drawn by hand as SVG, since the recorder runs on the robot and should not load a plotting library there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

import numpy as np

from adapt.bags.belief import Account
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray

MOST_PANELS = 6
WIDTH, HEIGHT, LEFT, RIGHT, TOP, GAP = 760, 110, 64, 12, 44, 26
SEEN, FORETOLD, TRIGGER, INK = "#8a8f98", "#d5732c", "#b3261e", "#7d8590"
"""Read on a white page and on a black one."""
Line = list[tuple[float, float]]
"""Places from left to right, and values."""


def incident_picture(
    specification: RobotSpecification,
    account: Account,
    stamps_ns: Sequence[int],
    title: str,
    entries: Iterable[str] = (),
) -> str | None:
    """An SVG with one panel for each entry; None where there is no tick with all measurements.

    Args:
        specification: the robot.
        account: what was seen and expected.
        stamps_ns: of the triggers, the first one first, at least one.
        title: one line.
        entries: names of observation entries, the most telling first; those that move most where not given.
    """
    ticks = [tick for tick in account.ticks if tick.valid.all()]
    if not ticks:
        return None
    names = list(entries) or _liveliest(specification, np.stack([tick.observation for tick in ticks]))
    chosen = [specification.observation_names.index(name) for name in names[:MOST_PANELS]]
    first_ns, last_ns = ticks[0].stamp_ns, ticks[-1].stamp_ns
    span_ns = max(1, last_ns - first_ns)

    def across(at_ns: int) -> float:
        return LEFT + (at_ns - first_ns) / span_ns * (WIDTH - LEFT - RIGHT)

    places = {tick.index: across(tick.stamp_ns) for tick in account.ticks}
    parts = []
    for row, entry in enumerate(chosen):
        seen = [(places[tick.index], float(tick.observation[entry])) for tick in ticks]
        foretold = list(_foretold(specification, account, places, entry))
        unit = specification.observation_units[entry]
        title_of_panel = f"{specification.observation_names[entry]}, {unit}"
        parts += _panel(title_of_panel, TOP + row * (HEIGHT + GAP), seen, foretold)
    bottom = TOP + len(chosen) * (HEIGHT + GAP) - GAP
    for stamp_ns in stamps_ns:
        if not first_ns <= stamp_ns <= last_ns:
            continue
        x = f"{across(stamp_ns):.1f}"
        parts.append(
            f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}" stroke="{TRIGGER}" stroke-dasharray="4 3"/>'
        )
    orange = ", orange what was foretold" if account.forecasts else ""
    parts += [
        _text(LEFT, 16, title, weight="bold"),
        _text(LEFT, 28, f"grey what was seen{orange}, dashed the triggers"),
        _text(LEFT, bottom + 14, f"{(first_ns - stamps_ns[0]) * 1e-9:+.1f} s"),
        _text(
            WIDTH - RIGHT,
            bottom + 14,
            f"{(last_ns - stamps_ns[0]) * 1e-9:+.1f} s from the first trigger",
            "end",
        ),
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 24}"'
        f' font-family="sans-serif" font-size="10" fill="{INK}">'
    )
    return "\n".join([head, *parts, "</svg>", ""])


def _foretold(
    specification: RobotSpecification, account: Account, places: Mapping[int, float], entry: int
) -> Iterator[Line]:
    """Every forecast that begins where the one before ends."""
    for index, forecast in sorted(account.forecasts.items()):
        ahead = enumerate(forecast.observation[:, entry], start=index + 1)
        points = [(places[number], float(value)) for number, value in ahead if number in places]
        if index % specification.horizon_ticks == 0 and len(points) > 1:
            yield points


def _panel(title: str, top: int, seen: Line, foretold: Sequence[Line]) -> list[str]:
    values = [value for line in (seen, *foretold) for _, value in line]
    low, high = min(values), max(values)
    scale = HEIGHT / (high - low) if high > low else 0.0

    def drawn(line: Line, colour: str, width: float) -> str:
        points = " ".join(f"{x:.1f},{top + HEIGHT - (value - low) * scale:.1f}" for x, value in line)
        return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'

    return [
        _text(LEFT, top - 5, title),
        _text(LEFT - 6, top + 9, f"{high:.3g}", "end"),
        _text(LEFT - 6, top + HEIGHT, f"{low:.3g}", "end"),
        drawn(seen, SEEN, 3.0),
        *(drawn(line, FORETOLD, 1.4) for line in foretold),
    ]


def _liveliest(specification: RobotSpecification, observation: FloatArray) -> list[str]:
    """Entries by how much they vary, in units of each one's noise where the robot file says."""
    noise = [channel.noise for channel in specification.channels.values() for _ in channel.names]
    noise += [1.0] * (specification.observation_size - len(noise))
    spread = observation.std(axis=0) / np.maximum(noise, 1e-9)
    ordered = sorted(specification.vector_indices, key=lambda entry: -spread[entry])
    return [specification.observation_names[entry] for entry in ordered]


def _text(x: float, y: float, text: str, anchor: str = "start", weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'
