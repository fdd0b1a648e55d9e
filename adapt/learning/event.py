"""What the learner tells of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the learner did and others may want to know."""

    kind: str
    detail: dict[str, Any]
    severity: Severity = "info"
