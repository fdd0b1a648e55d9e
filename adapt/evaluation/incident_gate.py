"""Blessed incidents before the gate: a candidate is let in only where it passes all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adapt.bags.incident import Incident
from adapt.errors import UserError
from adapt.evaluation.incident_library import blessed_incidents, judge
from adapt.learning.judging import Examine
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification


def incident_examiner(store: Path, specification: RobotSpecification, msg_dir: Path | None = None) -> Examine:
    """Judges by the incidents of this robot that are blessed in a store when a candidate comes up.

    An incident that cannot be read is not passed.
    """

    def verdict(incident: Incident, version: str, model: WorldModel) -> dict[str, Any]:
        try:
            (found,) = judge(specification, incident, {version: model}, msg_dir)
        except UserError as error:
            return {"incident": incident.card.id, "passed": False, "why": str(error)}
        return {key: getattr(found, key) for key in ("incident", "passed", "why", "error", "at_most", "unit")}

    def examine(version: str, model: WorldModel) -> list[dict[str, Any]]:
        incidents = [each for each in blessed_incidents(store) if each.card.robot == specification.name]
        return [verdict(incident, version, model) for incident in incidents]

    return examine
