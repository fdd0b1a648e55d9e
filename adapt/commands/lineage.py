"""How versions look in a terminal: how each stands, and a tree of which came from which."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from adapt.commands import output

if TYPE_CHECKING:
    from adapt.model.checkpoint import Card
    from adapt.registry.standing import Standing

WORDS = {
    "drives": ("●", "bold green", "drives"),
    "replaced": ("○", "", "replaced"),
    "rolled_back": ("↩", "red", "rolled back"),
    "rejected": ("✗", "red", "rejected"),
    "undecided": ("?", "cyan", "undecided"),
}
"""Mark, colour and word by standing."""


def standing_text(standing: Standing) -> str:
    """In words, with since when."""
    word = standing.stale if standing.kind == "replaced" else WORDS[standing.kind][2]
    return word if standing.since_ns is None else f"{word} since {output.moment(standing.since_ns)}"


def why_text(standing: Standing) -> str:
    """The reason that was given, and what has made it stale where that is another."""
    stale = "" if standing.kind in ("rolled_back", "rejected") else standing.stale
    return "; ".join(reason for reason in (standing.reason, stale) if reason)


def stale_text(standing: Standing) -> str:
    """Why and since when it no longer counts; empty where it does."""
    if standing.stale_since_ns is None:
        return ""
    return f"stale since {output.moment(standing.stale_since_ns)}: {standing.stale}"


def trained_on(card: Card) -> int | None:
    """On how many real segments a version was trained; None where it came from elsewhere."""
    segments = card.lineage.get("segments")
    return len(segments) if isinstance(segments, list) else None


def in_order(versions: Iterable[str], standings: Mapping[str, Standing]) -> list[str]:
    """Those decided on first, by time; then the undecided by name."""

    def place(version: str) -> tuple[bool, int, str]:
        since_ns = standings[version].since_ns
        return since_ns is None, since_ns or 0, version

    return sorted(versions, key=place)


def tree(
    title: str,
    cards: Mapping[str, Card],
    standings: Mapping[str, Standing],
    top: str | None = None,
    leaves: Callable[[str], Iterable[RenderableType]] = lambda version: (),
) -> Tree:
    """Parents above their children; `leaves` hang below their version.

    A version whose parent is not here hangs at the top, and so does one in a cycle of parents.
    """
    children: dict[str | None, list[str]] = {}
    for version in in_order(cards, standings):
        parent = cards[version].parent
        children.setdefault(parent if parent in cards else None, []).append(version)
    placed: set[str] = set()

    def place(branch: Tree, version: str) -> None:
        if version in placed:
            return
        placed.add(version)
        node = branch.add(_label(cards, version, standings[version]))
        for leaf in leaves(version):
            node.add(leaf)
        for child in children.get(version, ()):
            place(node, child)

    made = Tree(Text(title, style="bold"), guide_style="dim")
    for version in [*children.get(None, ()), *cards] if top is None else [top]:
        place(made, version)
    return made


def _label(cards: Mapping[str, Card], version: str, standing: Standing) -> Text:
    mark, style, _ = WORDS[standing.kind]
    text = Text.assemble((f"{mark} {version}", style), f"  {standing_text(standing)}")
    segments = trained_on(cards[version])
    if segments is not None:
        text.append(f", {segments} segments", style="dim")
    parent = cards[version].parent
    if parent is not None and parent not in cards:
        text.append(f", parent {parent} is not here", style="yellow")
    if standing.stale and standing.kind in ("drives", "undecided"):
        text.append(f", {stale_text(standing)}", style="yellow")
    return text
