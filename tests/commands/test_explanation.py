from adapt.commands.explanation import explain

FORECASTS = {
    "candidate_number": 2,
    "error_rate": 0.05,
    "threshold": 131.6,
    "segments": 9,
    "segment_numbers": [3, 5, 6, 7, 8, 11, 12, 13, 20],
    "candidate_error": 0.2,
    "incumbent_error": 0.25,
    "e_better": 140.0,
    "e_worse": 0.01,
}
REHEARSAL = {
    "rehearsal_error": 0.3,
    "incumbent_rehearsal_error": 0.25,
    "rehearsal_error_always_allowed": 0.28,
}
TRIAL = {
    "pairs": 8,
    "margin": 0.1,
    "candidate_cost": 0.63,
    "incumbent_cost": 0.7,
    "e_better": 20.0,
    "e_not_worse": 150.0,
    "e_worse": 0.02,
    "e_limited_more": 1.0,
    "threshold": 131.6,
}


def test_a_decision_of_the_gate_is_told_with_all_that_it_rests_on():
    spending, forecasts, forgetting, driving = explain(
        "admitted", {**FORECASTS, **REHEARSAL, "closed_loop": TRIAL}
    )
    assert "candidate 2" in spending and "5%" in spending and "0.76%" in spending and "131.6" in spending
    assert "9 gate segments (3, 5 to 8, 11 to 13, 20)" in forecasts and "20.0% less" in forecasts
    assert "0.3, 20.0% more than the 0.25" in forgetting and "above 0.28" in forgetting
    assert "8 pairs" in driving and "10.0% less" in driving and "not worse by more than 10%: 150" in driving


def test_what_was_not_done_is_told_too():
    sentences = explain("admitted", {**FORECASTS, "closed_loop": "not possible offline"})
    assert sentences[-1] == "Driving: it was not tried (not possible offline)."
    assert sentences[-2] == "Forgetting: there were no windows from simulation to bound it."
    assert explain("rejected", {**FORECASTS, "segments": 0})[1] == "Forecasts: it was judged on no segment."
    unfinished = explain("rejected", {**FORECASTS, "closed_loop": {**TRIAL, "pairs": 0}})
    assert unfinished[-1] == "Driving: no pair of turns was finished."


def test_returns_and_rollbacks_say_who_drove():
    measured = {"e_better": 700.0, "threshold": 66.0, "error": 0.2, "incumbent_error": 0.3, "segments": 12}
    (told,) = explain("rolled_back", {"from": "abc", **measured})
    assert "abc" in told and "12 segments" in told and "33.3% less" in told
    (by_hand,) = explain("rolled_back", {"from": "abc"})
    assert "nothing was measured" in by_hand
    (back,) = explain("admitted", {"incumbent": "abc", "segment": 7, **measured, "segments": None})
    assert "while abc drove" in back and "segment 7" in back


def test_evidence_of_another_form_is_given_as_it_is():
    assert explain("rejected", {"largest_loss": 0.25}) == ["largest loss: 0.25"]
    assert explain("admitted", {}) == []


def test_it_is_told_which_incidents_a_candidate_failed():
    evidence = {
        "candidate_error": 0.1,
        "incumbent_error": 0.2,
        "segments": 0,
        "incidents": [
            {"incident": "fell", "passed": True, "why": "within"},
            {"incident": "shook", "passed": False, "why": "error 0.2 rad above 0.1 rad"},
        ],
    }
    told = explain("rejected", evidence)
    assert "Incidents: it passes 1 of 2 that are blessed." in told
    assert "Incident shook failed: error 0.2 rad above 0.1 rad" in told
