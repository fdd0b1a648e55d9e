import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from adapt.commands.facts import BARS, facts_tables, said, sparkline

NUMBERS = st.floats(-1e9, 1e9)
TEXT = st.text(max_size=6) | st.sampled_from(["[/red]", "[bold", "[1]", "\n"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def shown(facts) -> str:
    console = Console(width=100, file=io.StringIO())
    for table in facts_tables("facts", facts):
        console.print(table)
    return " ".join(console.file.getvalue().split())


@given(st.dictionaries(TEXT, JSON, max_size=5))
def test_whatever_a_card_holds_can_be_shown(facts):
    """Cards are files, and other programs write them too: brackets and all."""
    shown(facts)


@given(st.lists(NUMBERS, min_size=1, max_size=100))
def test_a_sparkline_reaches_from_the_least_to_the_greatest(values):
    line = sparkline(values, width=200)
    assert len(line) == len(values)
    if max(values) - min(values) > 1e-6 * max(map(abs, values)):
        assert line[values.index(min(values))] == BARS[0]
        assert line[values.index(max(values))] == BARS[-1]
    assert sparkline(values, width=8)[-1] in BARS and len(sparkline(values, width=8)) <= 8


def test_facts_are_said_in_words():
    assert said([0, 1, 2, 3, 7, 9, 10]) == "0 to 3, 7, 9 to 10"
    assert said([1.5, 2]) == "1.5, 2"
    assert (
        said({"mean_error": 0.123456, "kept": True, "none": []}) == "mean error 0.1235, kept yes, none none"
    )


def test_ranges_have_their_ends_in_columns_and_parts_of_parts_their_names():
    facts = {"randomisation": {"friction": [0.2, 1.0], "motor": {"gain": [0.9, 1.1], "dead": 2}}}
    assert shown(facts) == "randomisation parameter from to friction 0.2 1 motor, gain 0.9 1.1 motor, dead 2"


def test_a_curve_whose_points_differ_is_shown_as_it_is():
    assert "curve step 1, loss 2, step 2" in shown({"curve": [{"step": 1, "loss": 2.0}, {"step": 2}]})
