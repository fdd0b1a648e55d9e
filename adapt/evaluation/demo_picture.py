"""The demonstration in one picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from adapt.evaluation.statistics import Estimate
from adapt.files import write_text
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray, Tick

SHORT = {
    "direct": "reference sent\nas it is",
    "pretrained": "model from\nsimulation",
    "adapted": "adapted on\nthe robot",
}
COLOURS = {"direct": "#8a8f98", "pretrained": "#d5732c", "adapted": "#2a9d8f"}
MIDDLE_GREY = "#7d8590"
"""Read on a white page and on a black one."""
SHOWN_S = 4.0


def draw_picture(
    path: Path,
    specification: RobotSpecification,
    episodes: Mapping[str, Sequence[Sequence[Tick]]],
    errors: Mapping[str, Estimate],
    joint: int,
) -> None:
    """Write an SVG: one joint's path under each controller, and the tracking errors.

    Args:
        path: of the SVG, written whole or not at all.
        specification: the robot.
        episodes: ticks by controller.
        errors: tracking error by controller, in the command's unit.
        joint: the command entry that is drawn.
    """
    grey = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color"), MIDDLE_GREY)
    style: Any = {
        **grey,
        "ytick.color": MIDDLE_GREY,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "font.size": 10,
        "svg.fonttype": "none",
        "svg.hashsalt": "adapt",
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(9.0, 3.1), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.9, 1.0))
        length = min(round(SHOWN_S * specification.rate_hz), *(len(each[0]) for each in episodes.values()))
        times: FloatArray = np.arange(length, dtype=np.float64) * specification.period_s
        wanted = [tick.command[joint] for tick in episodes["direct"][0][:length]]
        left.plot(times, wanted, color=MIDDLE_GREY, linewidth=5.0, alpha=0.45, label="reference")
        anchor = specification.command_anchor[joint]
        for name, each in episodes.items():
            seen = [tick.observation[anchor] for tick in each[0][:length]]
            left.plot(times, seen, color=COLOURS[name], linewidth=1.6, label=SHORT[name].replace("\n", " "))
        unit = specification.task.command.unit
        left.set(xlabel="time, s", ylabel=f"{specification.task.command.names[joint]}, {unit}")
        left.margins(x=0)
        left.legend(frameon=False, fontsize=9)
        for place, (name, error) in enumerate(errors.items()):
            right.bar(place, error.mean, color=COLOURS[name], width=0.6)
            right.plot([place, place], [error.low, error.high], color=MIDDLE_GREY, linewidth=1.5)
            right.annotate(f"{error.mean:.3f}", (place, error.high), ha="center", va="bottom")
        right.set_xticks(range(len(errors)), [SHORT[name] for name in errors], fontsize=9)
        right.set_ylabel(f"tracking RMSE, {unit}")
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    write_text(path, buffer.getvalue())
