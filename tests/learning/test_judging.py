from typing import Any

import pytest

from adapt.learning.judging import forgets_too_much


def evidence(**changes: float) -> dict[str, Any]:
    fair = {
        "candidate_error": 0.1,
        "incumbent_error": 0.4,
        "rehearsal_error": 0.2,
        "incumbent_rehearsal_error": 0.05,
        "rehearsal_error_always_allowed": 0.07,
    }
    return {**fair, **changes}


@pytest.mark.parametrize(
    ("changes", "too_much"),
    [
        ({}, False),
        ({"rehearsal_error": 0.36}, True),
        ({"candidate_error": 0.38}, True),
        ({"candidate_error": 0.38, "rehearsal_error": 0.069}, False),
        ({"candidate_error": 0.5, "rehearsal_error": 0.071}, True),
    ],
)
def test_what_is_lost_in_simulation_is_weighed_against_what_is_gained(changes, too_much):
    assert forgets_too_much(evidence(**changes)) is too_much


def test_without_a_rehearsal_set_nothing_is_bounded():
    assert not forgets_too_much({"candidate_error": 0.1, "incumbent_error": 0.4})
