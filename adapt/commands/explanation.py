"""Why a version was let in, turned away, or returned to: the evidence of a decision in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from adapt.commands.facts import said


def explain(kind: str, evidence: Mapping[str, Any]) -> list[str]:
    """What a decision rests on.

    Args:
        kind: of the decision, as in the registry.
        evidence: that was written down with it; of what is not known here the bare facts are given.
    """
    if kind == "rolled_back":
        return list(_rollback(evidence))
    if "incumbent" in evidence and "e_better" in evidence:
        return list(_return(evidence))
    if "candidate_error" in evidence:
        return [
            *_spending(evidence),
            *_forecasts(evidence),
            *_forgetting(evidence),
            *_incidents(evidence),
            *_driving(evidence),
        ]
    return [f"{key.replace('_', ' ')}: {said(value)}" for key, value in evidence.items()]


def _spending(evidence: Mapping[str, Any]) -> Iterator[str]:
    if "candidate_number" not in evidence:
        return
    number, rate, needed = evidence["candidate_number"], evidence["error_rate"], evidence["threshold"]
    yield (
        f"It was candidate {number} of this deployment before the gate: of the {rate:.0%} by which the gate "
        f"may err over all candidates, {1.0 / needed:.2%} were for this one. A claim is taken for true where "
        f"its evidence reaches {said(needed)}: for a false one that happens at most once in {said(needed)} "
        "times, however often one looks."
    )


def _forecasts(evidence: Mapping[str, Any]) -> Iterator[str]:
    if not evidence["segments"]:
        yield "Forecasts: it was judged on no segment."
        return
    on = _counted(evidence["segments"], "gate segment")
    if numbers := evidence.get("segment_numbers"):
        on = f"{on} ({said(numbers)})"
    errors = _compared(evidence["candidate_error"], evidence["incumbent_error"])
    said_of = {"e_better": "that it forecasts better", "e_worse": "worse"}
    if margin := evidence.get("forecast_margin"):
        more = f"worse by more than {margin:.0%}"
        said_of = {"e_better": f"that it forecasts not {more}", "e_worse": more}
    yield (
        f"Forecasts: on {on} that began after it was made its error was {errors}. "
        + _evidence(evidence, **said_of)
    )
    if margin:
        yield (
            "Its policy is another one, which would not have come into the motion that it was judged on;"
            " so it had to drive better."
        )


def _forgetting(evidence: Mapping[str, Any]) -> Iterator[str]:
    if "rehearsal_error" not in evidence:
        yield "Forgetting: there were no windows from simulation to bound it."
        return
    error, always = evidence["rehearsal_error"], evidence["rehearsal_error_always_allowed"]
    allowed = f"within the {said(always)} that are always allowed."
    if error > always:
        allowed = f"above {said(always)}, so it may lose there no more than it gains on the robot."
    errors = _compared(error, evidence["incumbent_rehearsal_error"])
    yield f"Forgetting: in simulation its error is {errors}; that is {allowed}"


def _incidents(evidence: Mapping[str, Any]) -> Iterator[str]:
    examined = evidence.get("incidents")
    if examined is None:
        return
    if not examined:
        yield "Incidents: none is blessed."
        return
    failed = [each for each in examined if not each["passed"]]
    passed = len(examined) - len(failed)
    yield f"Incidents: it passes {passed} of {len(examined)} that are blessed."
    yield from (f"Incident {each['incident']} failed: {each['why']}" for each in failed)


def _driving(evidence: Mapping[str, Any]) -> Iterator[str]:
    trial = evidence.get("closed_loop")
    if not isinstance(trial, Mapping):
        yield f"Driving: it was not tried{'' if trial is None else f' ({trial})'}."
        return
    if not trial["pairs"]:
        yield "Driving: no pair of turns was finished."
        return
    more = f"worse by more than {trial['margin']:.0%}"
    yield (
        f"Driving: in {_counted(trial['pairs'], 'pair')} of turns, who begins drawn by lot, its task error, "
        f"in tracking scales, was {_compared(trial['candidate_cost'], trial['incumbent_cost'])}. "
        + _evidence(
            trial,
            e_better="that it drives better",
            **({} if trial.get("must_be_better") else {"e_not_worse": f"not {more}"}),
            e_worse=more,
            e_limited_more="limited more often by the safety node",
        )
    )


def _rollback(evidence: Mapping[str, Any]) -> Iterator[str]:
    left = evidence.get("from", "another version")
    if "e_better" not in evidence:
        yield f"It drives again in place of {left}; nothing was measured for that."
        return
    on = _counted(evidence["segments"], "segment")
    yield (
        f"It stayed on watch after {left} was let in: on {on} since then its error was "
        f"{_compared(evidence['error'], evidence['incumbent_error'])}. "
        + _evidence(evidence, e_better="that it forecasts better")
    )


def _return(evidence: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"It had driven before, and was asked on every new segment while {evidence['incumbent']} drove. At "
        f"segment {evidence['segment']} its error was "
        f"{_compared(evidence['error'], evidence['incumbent_error'])}. "
        + _evidence(evidence, e_better="that the robot is again as it knows it")
    )


def _evidence(evidence: Mapping[str, Any], **claims: str) -> str:
    parts = [f"{claim}: {said(evidence[name])}" for name, claim in claims.items()]
    return f"Evidence {'; '.join(parts)}; needed: {said(evidence['threshold'])}."


def _compared(error: float, other: float) -> str:
    change = error / other - 1.0 if other else 0.0
    than = f"{abs(change):.1%} {'less' if change < 0 else 'more'}"
    return f"{said(error)}, {than} than the {said(other)} of the version that drove"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
