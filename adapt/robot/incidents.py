"""What else is an incident of this robot: conditions on its topics, and topics that must not end."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from adapt.robot.expression import Expression
from adapt.robot.interface import Positive
from adapt.settings import Settings


class Condition(Settings):
    """An incident begins whenever this comes true."""

    topic: str = Field(pattern=r"^/[A-Za-z0-9_/]+$")
    type: str = Field(pattern=r"^[a-z0-9_]+/msg/[A-Za-z0-9]+$")
    when: str
    """Of a message on the topic, such as `temperature > 60`; see `adapt.robot.expression`."""
    severity: Literal["info", "warning", "error"] = "warning"

    @field_validator("when")
    @classmethod
    def _is_a_condition(cls, when: str) -> str:
        return Expression(when).text


class IncidentRules(Settings):
    """Besides what the nodes themselves find wrong."""

    conditions: dict[str, Condition] = {}
    """By the name under which the incident is filed."""
    silent_after_s: dict[str, Positive] = {}
    """Topics that were heard and must not fall silent for longer, s."""
