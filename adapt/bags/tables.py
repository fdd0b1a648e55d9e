"""Bags and inspections as tables that a person understands."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from adapt.bags.inspection import Inspection
from adapt.bags.reader import BagInfo


def bag_table(info: BagInfo) -> Table:
    """What is in a bag."""
    title = f"{info.path}: {info.messages} messages in {info.duration_s:.2f} s"
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("topic", overflow="fold")
    table.add_column("type", overflow="fold")
    table.add_column("messages", justify="right", no_wrap=True)
    table.add_column("note", overflow="fold")
    for topic in info.topics:
        note = topic.problem or ("transient local" if topic.transient_local else "")
        table.add_row(
            topic.name, topic.type, str(topic.messages), note, style="red" if topic.problem else None
        )
    return table


def inspection_table(inspection: Inspection) -> RenderableType:
    """How the topics of a robot file arrive, then what is wrong and what is worth knowing."""
    title = f"{inspection.robot} against {inspection.source}"
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("robot file", overflow="fold")
    table.add_column("topic", overflow="fold")
    for heading in ("messages", "rate\nHz", "longest\ngap s", "gaps", "age\nms", "not\nfinite"):
        table.add_column(heading, justify="right", no_wrap=True)
    for field in inspection.fields:
        table.add_row(
            field.name.split(".")[-1],
            field.topic,
            str(field.messages),
            _number(field.rate_hz),
            _number(field.largest_gap_s),
            str(field.gaps),
            _number(None if field.age_s is None else field.age_s * 1e3),
            str(field.non_finite),
            style="red" if field.messages == 0 or field.non_finite else None,
        )
    lines = [Text(f"problem: {problem}", style="red") for problem in inspection.problems]
    lines += [Text(f"note: {remark}", style="yellow") for remark in inspection.remarks]
    verdict = [] if inspection.problems else [Text("The robot file fits.", style="green")]
    return Group(table, *lines, *verdict)


def print_bag(info: BagInfo, console: Console | None = None) -> None:
    """Print what is in a bag."""
    (console or Console()).print(bag_table(info))


def print_inspection(inspection: Inspection, console: Console | None = None) -> None:
    """Print an inspection."""
    (console or Console()).print(inspection_table(inspection))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
