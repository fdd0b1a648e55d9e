"""A report: one self-contained page for people, and the same figures as JSON for programs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib
from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from matplotlib.figure import Figure

from adapt.files import write_text

INK = "#010203"
"""Stands in a figure for the colour of the page's text, which is another in the dark than in the light."""
FAINT = "#040506"
"""The same for lines that should stay in the background."""
STYLE: Any = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.facecolor": "none",
    "legend.framealpha": 0.0,
    "legend.edgecolor": "none",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "font.size": 9,
    "legend.fontsize": 9,
    "lines.linewidth": 1.4,
    "svg.fonttype": "none",
    "path.simplify_threshold": 0.3,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Figures drawn inside suit the page, in the light and in the dark."""
    with matplotlib.rc_context(STYLE):
        yield


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the page; `content` depends on the kind."""

    kind: Literal["heading", "text", "table", "figure"]
    content: Any
    caption: str = ""


class Report:
    """Headings, paragraphs, tables and figures, in the order in which they are added."""

    def __init__(self, title: str, subtitle: str = ""):
        self._title = title
        self._subtitle = subtitle
        self._parts: list[Part] = []

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._parts.append(Part("heading", text))

    def text(self, text: str) -> None:
        """Add a paragraph of plain text."""
        self._parts.append(Part("text", text))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> None:
        """Add a table; numbers are set to four digits and to the right, None is left blank."""
        cells = [[_cell(value) for value in row] for row in rows]
        self._parts.append(Part("table", {"columns": list(columns), "rows": cells}, caption))

    def figure(self, figure: Figure, caption: str) -> None:
        """Add a figure, best drawn within `figure_style()`. The caption says what is seen, with units."""
        number = sum(part.kind == "figure" for part in self._parts) + 1
        self._parts.append(Part("figure", _svg(figure, number), caption))

    def html(self) -> str:
        """The page."""
        environment = Environment(
            loader=PackageLoader("adapt.evaluation"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        page = environment.get_template("report.html.jinja")
        return page.render(title=self._title, subtitle=self._subtitle, parts=self._parts)

    def write(self, folder: Path, data: dict[str, Any]) -> Path:
        """Write `report.html` and `report.json` (of `data`), each whole or not at all, and give the page.

        Raises:
            ValueError: `data` holds a number that is not finite; nothing is written.
            OSError: the folder cannot be written.
        """
        text = json.dumps(data, indent=2, allow_nan=False) + "\n"
        page = self.html()
        write_text(folder / "report.json", text)
        write_text(folder / "report.html", page)
        return folder / "report.html"


def _cell(value: object) -> tuple[str, bool]:
    """Text of a cell, and whether it is a number."""
    if value is None:
        return "", False
    if isinstance(value, float):
        return f"{value:.4g}", True
    return str(value), isinstance(value, int) and not isinstance(value, bool)


def _svg(figure: Figure, number: int) -> Markup:
    """The figure as SVG that takes its colours and font from the page around it."""
    buffer = io.StringIO()
    # The salt keeps the names inside one figure apart from those of the others, and the same each time.
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": f"figure {number}"}):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor").replace(FAINT, "var(--faint)")
    return Markup(text)
