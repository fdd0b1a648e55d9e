"""Return against time, of planners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure


def draw_curves(path: Path, curves: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """Write a picture of `curves`: by name the times `ms` and the mean `return` at them."""
    figure = Figure(figsize=(6.0, 3.2), layout="constrained")
    panel = figure.subplots()
    for name, curve in curves.items():
        panel.plot(curve["ms"], curve["return"], marker="o", markersize=3, label=name)
    panel.set(xscale="log", xlabel="time, ms", ylabel="in-model return")
    panel.legend(frameon=False)
    figure.savefig(path)
