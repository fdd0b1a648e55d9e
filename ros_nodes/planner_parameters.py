"""What the planner node takes, and what it makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from adapt.errors import UserError
from adapt.planning.pace import PaceSettings
from adapt.planning.settings import PlannerSettings

DEFAULTS = {
    "robot": "",
    "autostart": False,
    "checkpoint": "",
    "store": "",
    "controller": "planner",
    "version": "",
    "device": "cpu",
    "seed": 0,
    "threads": 1,
    "real_time_priority": 10,
    "time_share": PaceSettings().wanted,
    # Nothing for what suits the robot's kind of search.
    "samples": 0,
    "iterations": 0,
}
CONTROLLERS = ("planner", "policy", "direct", "none")


def planner_settings(given: Mapping[str, Any]) -> tuple[PlannerSettings, PaceSettings]:
    """How hard to search, and within which time.

    Raises:
        UserError: a parameter is out of its range.
    """
    if given["threads"] < 1:
        raise UserError("parameter 'threads' of node 'planner': must be 1 or more")
    try:
        named = {name: given[name] for name in ("samples", "iterations") if given[name]}
        near_policy = {f"{name}_near_policy": value for name, value in named.items()}
        planner = PlannerSettings(**named, **near_policy)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"parameter '{first['loc'][0]}' of node 'planner': {first['msg']}") from error
    latest = PaceSettings().latest
    if not 0.0 < given["time_share"] <= latest:
        raise UserError(f"parameter 'time_share' of node 'planner': must be above 0 and at most {latest}")
    return planner, PaceSettings(wanted=given["time_share"])
