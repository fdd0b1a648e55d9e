"""The figures of the reports. Colours keep their contrast on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from adapt.evaluation.report import FAINT, figure_style
from adapt.evaluation.statistics import Estimate
from adapt.stream.tick import FloatArray

WIDTH = 7.2
COLOURS = ("#d5732c", "#2a9d8f", "#4a86d8", "#b565a7", "#8a8f98")
SPLIT_COLOURS = {"adapt": "#2a9d8f", "gate": "#4a86d8", "audit": "#b565a7"}


def traces(
    names: Sequence[str],
    time_s: FloatArray,
    seen: FloatArray,
    foretold: Mapping[str, tuple[FloatArray, FloatArray]],
    unit: str,
) -> Figure:
    """One panel for each entry: what was seen, and what was foretold.

    Args:
        names: of the E entries.
        time_s: shape (L,), s.
        seen: shape (L, E).
        foretold: by name the times (K,) and values (K, E); a NaN breaks the line.
        unit: of the values.
    """
    rows = (len(names) + 1) // 2
    with figure_style():
        figure = Figure(figsize=(WIDTH, 1.5 * rows + 0.5), layout="constrained")
        panels = figure.subplots(rows, 2, sharex=True, squeeze=False).ravel()
        for entry, panel in enumerate(panels):
            if entry >= len(names):
                panel.set_axis_off()
                continue
            panel.plot(time_s, seen[:, entry], color=FAINT, linewidth=4.0, label="seen")
            for colour, (name, (times, values)) in zip(COLOURS, foretold.items(), strict=False):
                panel.plot(times, values[:, entry], color=colour, label=name)
            panel.set_title(names[entry])
            panel.set_ylabel(unit)
            panel.margins(x=0)
        for panel in panels[-2:]:
            panel.set_xlabel("time, s")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=len(labels))
    return figure


def lines(
    x: FloatArray,
    series: Mapping[str, FloatArray],
    x_label: str,
    y_label: str,
    markers: bool = False,
    from_zero: bool = True,
) -> Figure:
    """Several lines over the same x, shape (N,) each."""
    with figure_style():
        figure, panel = _panel(2.8)
        for colour, (name, values) in zip(COLOURS, series.items(), strict=False):
            panel.plot(x, values, color=colour, label=name, marker="o" if markers else "", markersize=3)
        panel.set(xlabel=x_label, ylabel=y_label)
        if from_zero:
            panel.set_ylim(bottom=0)
        panel.margins(x=0.01)
        figure.legend(loc="outside upper left", ncols=min(len(series), 2))
    return figure


def bands(
    series: Mapping[str, Mapping[float, Estimate]],
    levels: Mapping[str, Estimate],
    x_label: str,
    y_label: str,
) -> Figure:
    """Means against a logarithmic x with their intervals as bands, and levels that hold for all x."""
    with figure_style():
        figure, panel = _panel(3.2)
        for number, (name, row) in enumerate(series.items()):
            colour = COLOURS[number % len(COLOURS)]
            x = sorted(row)
            panel.plot(x, [row[each].mean for each in x], color=colour, label=name, marker="o", markersize=3)
            low, high = ([getattr(row[each], end) for each in x] for end in ("low", "high"))
            panel.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        for name, level in levels.items():
            panel.axhline(level.mean, color=FAINT, linestyle="--", label=name)
        panel.set_xscale("log")
        panel.set(xlabel=x_label, ylabel=y_label)
        panel.set_ylim(bottom=0)
        figure.legend(loc="outside upper left", ncols=4)
    return figure


def grouped_bars(groups: Sequence[str], series: Mapping[str, Sequence[float]], y_label: str) -> Figure:
    """Bars side by side, one for each series in each group."""
    width = 0.8 / len(series)
    with figure_style():
        figure, panel = _panel(2.8)
        for number, (name, values) in enumerate(series.items()):
            place = np.arange(len(groups)) + (number - (len(series) - 1) / 2) * width
            panel.bar(place, values, 0.9 * width, color=COLOURS[number % len(COLOURS)], label=name)
        panel.set_xticks(np.arange(len(groups)), groups)
        panel.tick_params(axis="x", length=0)
        panel.set_ylabel(y_label)
        figure.legend(loc="outside upper left", ncols=len(series))
    return figure


def estimates(series: Mapping[str, Estimate], x_label: str) -> Figure:
    """Means as dots with their intervals, one row each, from zero on."""
    with figure_style():
        figure, panel = _panel(0.6 + 0.42 * len(series))
        for row, (colour, each) in enumerate(zip(COLOURS, series.values(), strict=False)):
            panel.plot([each.low, each.high], [row, row], color=colour, linewidth=2.5, solid_capstyle="round")
            panel.plot(each.mean, row, "o", color=colour)
            panel.annotate(
                f"{each.mean:.4g}", (each.mean, row), (0, 6), textcoords="offset points", ha="center"
            )
        panel.set_yticks(range(len(series)), list(series))
        panel.set_ylim(len(series) - 0.5, -0.7)
        panel.set_xlim(left=0)
        panel.set_xlabel(x_label)
    return figure


def budget_bars(budget: Mapping[str, Mapping[str, int]], rate_hz: float) -> Figure:
    """Ticks used and left of each split, in minutes; `budget` is that of `Learner.status`."""
    with figure_style():
        figure, panel = _panel(0.6 + 0.42 * len(budget))
        for row, (name, ticks) in enumerate(budget.items()):
            used, remaining = (ticks[key] / rate_hz / 60 for key in ("used", "remaining"))
            panel.barh(row, used, 0.6, color=SPLIT_COLOURS[name])
            panel.barh(row, remaining, 0.6, left=used, color=FAINT, alpha=0.5)
            panel.annotate(
                f"{ticks['used']} used, {ticks['remaining']} left",
                (used + remaining, row),
                (5, 0),
                textcoords="offset points",
                va="center",
            )
        panel.set_yticks(range(len(budget)), list(budget))
        panel.invert_yaxis()
        panel.margins(x=0.25)
        panel.set_xlim(left=0)
        panel.set_xlabel("minutes of ticks")
    return figure


def gate_evidence(judgements: Sequence[Mapping[str, Any]]) -> Figure:
    """Evidence for and against each candidate, segment by segment; the dashes are what it takes.

    Args:
        judgements: details of the learner's `gate_decision` events, in order.
    """
    with figure_style():
        figure, panel = _panel(2.8)
        start = 0
        versions = list(dict.fromkeys(each["version"] for each in judgements))
        for colour, version in zip(COLOURS * len(versions), versions, strict=False):
            own = [each for each in judgements if each["version"] == version]
            x = np.arange(start + 1, start + len(own) + 1)
            start += len(own)
            panel.plot(x, [each["e_better"] for each in own], color=colour, marker="o", label=version)
            panel.plot(x, [each["e_worse"] for each in own], color=colour, linestyle=":", marker=".")
            panel.hlines(own[0]["threshold"], x[0] - 0.5, x[-1] + 0.5, color=colour, linestyle="--")
        panel.set_yscale("log")
        panel.set(xlabel="gate segments judged", ylabel="e-value")
        panel.xaxis.get_major_locator().set_params(integer=True)
        figure.legend(loc="outside upper left", ncols=4)
    return figure


def _panel(height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots()
