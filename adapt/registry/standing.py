"""How versions stand, worked out from what was decided about them: never stored, so never out of date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

DecisionKind = Literal["admitted", "rejected", "rolled_back"]
StandingKind = Literal["drives", "replaced", "rolled_back", "rejected", "undecided"]


@dataclass(frozen=True, slots=True)
class RegistryDecision:
    """What was decided about a version; for `rolled_back` it is the version returned to."""

    stamp_ns: int
    kind: DecisionKind
    version: str
    reason: str
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a version stands now.

    Attributes:
        kind: `replaced` once drove, and another was admitted since; `rolled_back` was rolled back from.
        since_ns: stamp of the decision that put it there; None while undecided.
        reason: of the last decision on this version itself.
        stale: why what was made with this version no longer counts; empty where it does.
        stale_since_ns: stamp of the decision that made it stale.
    """

    kind: StandingKind = "undecided"
    since_ns: int | None = None
    reason: str = ""
    stale: str = ""
    stale_since_ns: int | None = None


def driven(decisions: Iterable[RegistryDecision]) -> list[str]:
    """The versions that drove, the one that drives last, without those that were rolled back from."""
    stack: list[str] = []
    for decision in decisions:
        if decision.kind == "admitted":
            stack.append(decision.version)
        elif decision.kind == "rolled_back" and len(stack) > 1:
            stack.pop()
    return stack


def standings(
    parents: Mapping[str, str | None], decisions: Iterable[RegistryDecision]
) -> dict[str, Standing]:
    """How each version stands.

    A version is stale once another was admitted in its place, it was rolled back from or rejected, or
    an ancestor was rolled back from or rejected; an undecided one also where what it was made from was
    replaced, since it was never to be compared with another.

    Args:
        parents: parent by version.
        decisions: in order.
    """
    decided = _decided(decisions)
    known = {version: decided.get(version, Standing()) for version in [*parents, *decided]}
    return {version: _with_ancestors(version, parents, known) for version in known}


def ancestors(version: str, parents: Mapping[str, str | None]) -> Iterator[str]:
    """Parent, grandparent and so on, as far as they are known; each once, also where they form a cycle."""
    seen = {version}
    parent = parents.get(version)
    while parent is not None and parent not in seen:
        yield parent
        seen.add(parent)
        parent = parents.get(parent)


def _decided(decisions: Iterable[RegistryDecision]) -> dict[str, Standing]:
    """By what was decided about each version alone."""
    found: dict[str, Standing] = {}
    stack: list[str] = []
    for each in decisions:
        before = stack[-1] if stack else None
        if each.kind == "rejected":
            if each.version != before:
                found[each.version] = Standing(
                    "rejected", each.stamp_ns, each.reason, "rejected", each.stamp_ns
                )
            continue
        if each.kind == "rolled_back":
            if len(stack) < 2:
                continue  # no registry writes that; the first version stays
            left = stack.pop()
            found[left] = Standing("rolled_back", each.stamp_ns, each.reason, "rolled back", each.stamp_ns)
            reason = f"returned to from {left}: {each.reason}"
        else:
            stack.append(each.version)
            reason = each.reason
            if before not in (None, each.version):
                assert before is not None
                replaced = f"replaced by {each.version}"
                found[before] = Standing(
                    "replaced", each.stamp_ns, found[before].reason, replaced, each.stamp_ns
                )
        found[each.version] = Standing("drives", each.stamp_ns, reason)
    return found


def _with_ancestors(
    version: str, parents: Mapping[str, str | None], known: Mapping[str, Standing]
) -> Standing:
    standing = known[version]
    if standing.stale:
        return standing
    undecided = standing.kind == "undecided"
    for ancestor in ancestors(version, parents):
        above = known.get(ancestor, Standing())
        if above.kind in ("rolled_back", "rejected") or (undecided and above.kind == "replaced"):
            relation = "parent" if ancestor == parents[version] else "ancestor"
            stale = f"{relation} {ancestor} was {above.stale}"
            return replace(standing, stale=stale, stale_since_ns=above.stale_since_ns)
        undecided = undecided and above.kind == "undecided"
    return standing
