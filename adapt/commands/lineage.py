"""How versions look in a terminal: how each stands, and a tree of which came from which."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text
from rich.tree import Tree

from adapt.commands import output
from adapt.registry.standing import ancestors

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
DAMAGED = "damaged or gone, see adapt models verify"
GUIDE = 4
"""Columns by which a child is set in."""
ROOM = 60
"""Columns that are left for every label."""


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


def trained_on(card: Card | None) -> int | None:
    """On how many real segments a version was trained; None where its card does not say."""
    segments = None if card is None else card.lineage.get("segments")
    return len(segments) if isinstance(segments, list) else None


def in_order(standings: Mapping[str, Standing]) -> list[str]:
    """All versions: those decided on first, by time; then the undecided by name."""

    def place(version: str) -> tuple[bool, int, str]:
        since_ns = standings[version].since_ns
        return since_ns is None, since_ns or 0, version

    return sorted(standings, key=place)


def tree(
    title: str,
    cards: Mapping[str, Card],
    standings: Mapping[str, Standing],
    top: str | None = None,
    leaves: Callable[[str], Iterable[RenderableType]] = lambda version: (),
) -> Tree:
    """Parents above their children; `leaves` hang below their version.

    Args:
        title: the first line.
        cards: by version; those of damaged versions are missing.
        standings: of all versions.
        top: show this one and those made from it only; None for all.
        leaves: what else hangs below a version.

    A version whose parent is not here hangs at the top, and so may one in a cycle of parents.
    """
    parents = {name: card.parent for name, card in cards.items() if card.parent in standings}
    above = {version: list(ancestors(version, parents)) for version in in_order(standings)}
    made = Tree(Text(title, style="bold"), guide_style="dim")
    nodes: dict[str | None, Tree] = {}
    for version in sorted(above, key=lambda each: len(above[each])):
        if top in (None, version, *above[version]):
            branch = nodes.get(parents.get(version), made)
            nodes[version] = branch.add(_label(version, cards.get(version), standings))
            for leaf in leaves(version):
                nodes[version].add(leaf)
    return made


def print_tree(drawn: Tree) -> None:
    """Print it as wide as the terminal; wider where deep branches would leave their labels no room."""
    depth, level = 0, [drawn]
    while level := [child for branch in level for child in branch.children]:
        depth += 1
    console = output.console()
    console.width = max(console.width, depth * GUIDE + ROOM)
    console.print(drawn)


def _label(version: str, card: Card | None, standings: Mapping[str, Standing]) -> Text:
    standing = standings[version]
    mark, style, _ = WORDS[standing.kind]
    text = Text.assemble((f"{mark} {version}", style), f"  {standing_text(standing)}")
    segments = trained_on(card)
    if segments is not None:
        text.append(f", {segments} segments", style="dim")
    if card is None:
        text.append(f", {DAMAGED}", style="red")
    elif card.parent is not None and card.parent not in standings:
        text.append(f", parent {card.parent} is not here", style="yellow")
    if standing.stale and standing.kind in ("drives", "undecided"):
        text.append(f", {stale_text(standing)}", style="yellow")
    return text
