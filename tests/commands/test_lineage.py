from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from adapt.commands.lineage import print_tree, tree
from adapt.registry.standing import Standing

NAMES = [f"version{number}" for number in range(6)]
PARENTS = st.lists(st.sampled_from([None, "elsewhere", *NAMES]), min_size=6, max_size=6)


def placed(branch, parent=None):
    """Pairs of a version and the one that it hangs below, in the order of the lines."""
    for child in branch.children:
        name = child.label.plain.split()[1]
        yield name, parent
        yield from placed(child, name)


@given(PARENTS, st.sets(st.sampled_from(NAMES)))
def test_each_version_hangs_once_below_its_parent(parents, damaged):
    """Whatever the cards say, cycles included; a version with a damaged card says of no parent."""
    told = dict(zip(NAMES, parents, strict=True))
    cards = {name: SimpleNamespace(parent=told[name], lineage={}) for name in NAMES if name not in damaged}
    drawn = tree("title", cards, {name: Standing() for name in NAMES})
    found = list(placed(drawn))
    assert sorted(name for name, _ in found) == NAMES
    for name, parent in found:
        expected = told[name] if name not in damaged and told[name] in NAMES else None
        if parent != expected:
            assert parent is None and name in cycle(expected, told, damaged), name


def cycle(name, told, damaged):
    """The ancestors of a version; it is one of them where they form a cycle."""
    found = set()
    while name in NAMES and name not in found:
        found.add(name)
        name = None if name in damaged else told[name]
    return found


def test_the_labels_of_a_deep_lineage_are_whole(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    names = [f"version{number}" for number in range(40)]
    parents = dict(zip(names, [None, *names], strict=False))
    cards = {name: SimpleNamespace(parent=parents[name], lineage={"segments": [1, 2]}) for name in names}
    print_tree(tree("title", cards, {name: Standing() for name in names}))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("? ")[-1].rstrip() for line in lines[1:]] == [
        f"{name}  undecided, 2 segments" for name in names
    ]
