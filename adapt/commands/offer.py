"""`adapt models offer`: let a version from elsewhere stand before the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapt.commands import output
from adapt.commands.models import open_registry, robot_of
from adapt.errors import UserError


def offer(
    checkpoint: Annotated[Path, typer.Argument(help="Such as 'adapt redistil' makes.")],
    why: Annotated[str, typer.Option(help="The reason; it is written down.")],
    store: output.Store = output.DEFAULT_STORE,
    robot: Annotated[
        str | None, typer.Option("--robot", help="Robot file; by default the one named in the card.")
    ] = None,
    json: output.Json = False,
) -> None:
    """Offer a checkpoint as a candidate; the learner, running or started later, judges it like its own, and
    gives up for it what it is making.

    It has to be made from the version that drives now.
    """
    from adapt.learning.offers import OFFER
    from adapt.model.checkpoint import load_card
    from adapt.robot.access import caller

    if not why.strip():
        raise UserError("option --why: give the reason for the offer")
    card, asks = load_card(checkpoint), caller()
    specification = robot_of(robot, card.robot)
    specification.access.check("promote", asks, why)
    with open_registry(store, specification) as registry:
        current = registry.current()
        if card.parent != current:
            raise UserError(
                f"{checkpoint}: was made from version {card.parent}, but {current} drives: make it again from"
                " that one"
            )
        if card.version in registry.versions():
            raise UserError(f"{store}: version {card.version} is there already")
        registry.adopt(checkpoint)
        registry.depend(OFFER, card.version, card.version, {"caller": asks, "why": why})
    output.finish(
        {"version": card.version, "parent": card.parent, "caller": asks},
        json,
        f"version {card.version} is offered: adapt models show {card.version}",
    )
