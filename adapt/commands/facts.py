"""Nested facts, as of a card's lineage or a decision's evidence, as tables that people read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from adapt.commands import output

BARS = "▁▂▃▄▅▆▇█"
CURVE_BARS = 24


def facts_tables(title: str, facts: Mapping[str, Any]) -> list[Table]:
    """Plain facts in one table, then a table for each part of its own: ranges, settings, curves."""
    plain = output.table(escape(title), "", "")
    plain.show_header = False
    tables = []
    for key, value in facts.items():
        if isinstance(value, Mapping) and value:
            tables.append(_mapping_table(escape(_words(key)), value))
        elif _is_curve(value):
            tables.append(_curve_table(escape(_words(key)), value))
        else:
            plain.add_row(Text(_words(key)), Text(said(value)))
    return [plain, *tables] if plain.row_count else tables


def said(value: Any) -> str:
    """A value on one line: four digits of a number, runs of numbers by their ends."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{_words(key)} {said(each)}" for key, each in value.items())
    if isinstance(value, (list, tuple)):
        whole = all(isinstance(each, int) and not isinstance(each, bool) for each in value)
        parts = list(_runs(value)) if whole and len(value) > 3 else [said(each) for each in value]
        return ", ".join(parts) or "none"
    return str(value)


def sparkline(values: Sequence[float], width: int = CURVE_BARS) -> str:
    """A curve as a row of bars, from its least to its greatest value; at most `width` of its points."""
    count = min(width, len(values))
    shown = [values[round(number * (len(values) - 1) / max(count - 1, 1))] for number in range(count)]
    low, high = min(shown), max(shown)
    step = (high - low) / (len(BARS) - 1)
    return "".join(BARS[round((value - low) / step)] if step > 0 else BARS[0] for value in shown)


def _mapping_table(title: str, values: Mapping[str, Any]) -> Table:
    flat = list(_flat(values))
    if any(_is_range(value) for _, value in flat):
        table = output.table(title, "parameter", ">from", ">to")
        for key, value in flat:
            ends = [said(end) for end in value] if _is_range(value) else [said(value)]
            table.add_row(Text(key), *map(Text, ends))
        return table
    table = output.table(title, "setting", ">value")
    for key, value in flat:
        table.add_row(Text(key), Text(said(value)))
    return table


def _curve_table(title: str, points: Sequence[Mapping[str, float]]) -> Table:
    """The first quantity, such as the step, tells where the others are."""
    along, *quantities = points[0]
    first, last = (said(points[place][along]) for place in (0, -1))
    table = output.table(
        f"{title}, {len(points)} points",
        "quantity",
        f">{escape(_words(along))} {first}",
        f">{escape(_words(along))} {last}",
        ">least",
        "",
    )
    for name in quantities:
        values = [float(point[name]) for point in points]
        table.add_row(Text(_words(name)), *map(said, (values[0], values[-1], min(values))), sparkline(values))
    return table


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{above}{_words(key)}"
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{name}, ")
        else:
            yield name, value


def _runs(numbers: Sequence[int]) -> Iterator[str]:
    start = previous = numbers[0]
    for number in [*numbers[1:], None]:
        if number is not None and number == previous + 1:
            previous = number
            continue
        yield str(start) if start == previous else f"{start} to {previous}"
        if number is not None:
            start = previous = number


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_range(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_is_number, value))


def _is_curve(value: Any) -> bool:
    """Whether these are points that all give the same numbers."""
    return (
        isinstance(value, (list, tuple))
        and len(value) > 0
        and all(isinstance(point, Mapping) and point.keys() == value[0].keys() for point in value)
        and len(value[0]) > 1
        and all(_is_number(number) for point in value for number in point.values())
    )


def _words(key: object) -> str:
    return str(key).replace("_", " ")
