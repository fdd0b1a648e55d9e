"""Random histories of versions against a plain model of them."""

from hypothesis import given
from hypothesis import strategies as st

from adapt.registry.standing import RegistryDecision, ancestors, driven, standings

VERSIONS = "ABCDEF"
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["admitted", "rejected"]), st.sampled_from(VERSIONS)),
        st.just(("rolled_back", "")),
    ),
    max_size=12,
)
TREES = st.lists(st.integers(0, 5), min_size=6, max_size=6)


def history(steps):
    """Decisions as a registry writes them: a rollback names the version returned to, if there is one."""
    decisions, drove = [], []
    for stamp_ns, (kind, version) in enumerate(steps):
        if kind == "rolled_back":
            if len(drove) < 2:
                continue
            drove.pop()
            version = drove[-1]
        elif kind == "admitted":
            drove.append(version)
        decisions.append(RegistryDecision(stamp_ns, kind, version, f"because {stamp_ns}", {}))
    return decisions, drove


def tree_of(choices):
    """Each version has a parent among those before it, or none."""
    return {
        version: VERSIONS[choice] if choice < number else None
        for number, (version, choice) in enumerate(zip(VERSIONS, choices, strict=True))
    }


def last_fate(version, decisions):
    """What befell a version last, and when, read off who drove between two decisions."""
    fate = ("undecided", None)
    before = None
    for number, decision in enumerate(decisions):
        drove = driven(decisions[: number + 1])
        now = drove[-1] if drove else None
        if now == version and (before != version or decision.kind != "rejected"):
            fate = ("drives", decision.stamp_ns)
        elif before == version != now:
            kind = "rolled_back" if decision.kind == "rolled_back" else "replaced"
            fate = (kind, decision.stamp_ns)
        elif decision.kind == "rejected" and decision.version == version != now:
            fate = ("rejected", decision.stamp_ns)
        before = now
    return fate


def no_longer_counts(version, parents, fates):
    kind = fates[version][0]
    if kind in ("replaced", "rolled_back", "rejected"):
        return True
    if any(fates[each][0] in ("rolled_back", "rejected") for each in ancestors(version, parents)):
        return True
    parent = parents[version]
    return (
        kind == "undecided"
        and parent is not None
        and fates[parent][0] != "drives"
        and no_longer_counts(parent, parents, fates)
    )


@given(STEPS, TREES)
def test_every_version_stands_where_its_history_leaves_it(steps, choices):
    decisions, drove = history(steps)
    parents = tree_of(choices)
    found = standings(parents, decisions)
    fates = {version: last_fate(version, decisions) for version in VERSIONS}
    assert {version: (each.kind, each.since_ns) for version, each in found.items()} == fates
    assert driven(decisions) == drove
    assert [version for version in found if found[version].kind == "drives"] == drove[-1:]
    for version, each in found.items():
        assert bool(each.stale) == no_longer_counts(version, parents, fates), version
        assert (each.stale_since_ns is not None) == bool(each.stale)


@given(STEPS, TREES, st.sampled_from(VERSIONS))
def test_what_is_admitted_and_rolled_back_leaves_what_drove_before(steps, choices, version):
    decisions, drove = history(steps)
    more = [*steps, ("admitted", version), ("rolled_back", "")]
    after, drove_after = history(more)
    assert drove_after == (drove or [version])
    if drove and version != drove[-1]:
        assert standings(tree_of(choices), after)[version].kind == "rolled_back"
        assert len(after) == len(decisions) + 2


@given(st.dictionaries(st.sampled_from(VERSIONS), st.sampled_from(VERSIONS), min_size=1))
def test_parents_in_a_cycle_end(parents):
    for version in parents:
        found = list(ancestors(version, parents))
        assert len(found) == len(set(found)) and version not in found
    standings(parents, [RegistryDecision(0, "rejected", "A", "", {})])


def test_the_reasons_say_what_happened():
    decided = [("admitted", "A"), ("admitted", "B"), ("rejected", "D"), ("rolled_back", "")]
    parents = {"A": None, "B": "A", "C": "B", "D": "A", "E": "A", "F": "D"}
    found = standings(parents, history(decided)[0])
    assert {version: each.stale for version, each in found.items()} == {
        "A": "",
        "B": "rolled back",
        "C": "parent B was rolled back",
        "D": "rejected",
        "E": "",
        "F": "parent D was rejected",
    }
    assert found["A"].reason == "returned to from B: because 3"
    assert standings(parents, history(decided[:2])[0])["E"].stale == "parent A was replaced by B"
